import inspect
from collections.abc import Sequence

import pytest
from emulated import Ask, emulated
from manual import plain, table

from resilient.testing import Emulator, Script


def test_scripts_are_used_in_order_and_up() -> None:
    """Scripted answers wait for requests that match, come in order, and then are over."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script("oauth/token_expired", endpoint="me")
        emulator.script(503, method="GET", times=2, retry_after=3)
        assert 503 == (await ask("/vacancies"))[0]
        assert 200 == (await ask("/vacancies", "POST"))[0]
        assert [403, 503, 200] == [(await ask("/me"))[0] for _ in range(3)]
        whys = [each.why for each in emulator.requests]
        assert ["script", "success", "script", "script", "success"] == whys

    emulated(scene, "hh")


@pytest.mark.parametrize("what", ["110", "authorization_failed", "code:110", 401])
def test_a_script_names_an_entry_in_many_ways(what: str | int) -> None:
    """A code, a name, a key or a status will do; of several variants the fitting one answers."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(what)
        assert 401 == (await ask("/api/v2/leads"))[0]
        entry = emulator.requests[-1].entry
        assert entry is not None
        assert "reauth" == entry.policy

    emulated(scene, "amocrm")


def test_a_status_that_nobody_documents_can_be_scripted() -> None:
    """A status without an entry is sent bare; one below 300 as a success."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for status in (599, 201):
            emulator.script(status)
            assert status == (await ask("/me"))[0]

    emulated(scene, "hh")


def test_a_method_is_meant_in_any_case() -> None:
    """A method is one in small letters too: a script for `get` is met."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(503, method="get").then(502, method="Report")
        assert [503, 200, 502] == [(await ask("/me", m))[0] for m in ("GET", "GET", "REPORT")]

    emulated(scene, "hh")


@pytest.mark.parametrize("scripted", [True, False])
def test_an_entry_can_be_asked_for_anywhere(scripted: bool) -> None:
    """Where an entry cannot occur it is said as it looks where it can."""
    key = "status:429?method=GET&endpoint=resume"

    async def scene(emulator: Emulator, ask: Ask) -> None:
        if scripted:
            emulator.script(key)
        headers = {} if scripted else {"X-Emulate": key}
        assert 429 == (await ask("/me", "POST", headers=headers))[0]
        entry = emulator.requests[-1].entry
        assert entry is not None
        assert "resume_views_spent" == entry.name

    emulated(scene, "hh")


async def _statuses(ask: Ask, count: int, path: str = "/me") -> Sequence[int]:
    return [(await ask(path))[0] for _ in range(count)]


def test_a_script_can_wait() -> None:
    """With `after` so many matching requests pass first, and others are not counted."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(503, endpoint="me", times=2, after=2)
        assert [200, 200] == await _statuses(ask, 2, "/vacancies")
        assert [200, 200, 503, 503, 200] == await _statuses(ask, 5)

    emulated(scene, "hh")


def test_every_matching_request_passes() -> None:
    """A request that another script answers is one that passes."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(429)
        emulator.script(503, after=2)
        assert [429, 200, 503, 200] == await _statuses(ask, 4)

    emulated(scene, "hh")


def test_scripts_follow_each_other() -> None:
    """`then` begins when the one before is used up, with a count of its own."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        last = emulator.script(503, times=2).then(429, after=1).then(200).then(500)
        assert [503, 503, 200, 429, 200, 500, 200] == await _statuses(ask, 7)
        assert (1, True) == (last.used, last.is_over)

    emulated(scene, "hh")


def test_scripts_of_two_endpoints_do_not_disturb_each_other() -> None:
    """Interleaved, each endpoint meets its own answers in order; `then` keeps the endpoint."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(503, endpoint="me").then(429, after=1)
        emulator.script(500, endpoint="vacancies", after=1).then(502)
        told = [((await ask("/me"))[0], (await ask("/vacancies"))[0]) for _ in range(4)]
        assert [(503, 200), (200, 500), (429, 502), (200, 200)] == told

    emulated(scene, "hh")


def test_a_script_can_last_until_it_is_ended() -> None:
    """With `times=None` all matching requests meet it, until `end`; what follows begins then."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        outage = emulator.script(503, times=None)
        outage.then(429)
        assert [503] * 5 == await _statuses(ask, 5)
        outage.end()
        outage.end()
        assert (5, True) == (outage.used, outage.is_over)
        assert [429, 200] == await _statuses(ask, 2)

    emulated(scene, "hh")


def test_what_follows_a_script_that_is_over_begins_at_once() -> None:
    """`then` on a script that is used up already is a new script."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        used = emulator.script(503)
        assert [503, 200] == await _statuses(ask, 2)
        used.then(429)
        assert [429, 200] == await _statuses(ask, 2)

    emulated(scene, "hh")


def test_a_script_is_followed_once() -> None:
    """A second `then` on the same script is an error: it would be lost."""
    script = Emulator("hh").script(503)
    script.then(429)
    with pytest.raises(ValueError, match="is followed already"):
        script.then(500)


def test_a_script_can_leave_the_answer_alone() -> None:
    """`None` is what would have been answered; 200 is a success whatever the credential is."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.expire_credential("old")
        headers = {"Authorization": "Bearer old"}
        emulator.script(None, retry_after=7).then(200)
        statuses = [(await ask("/me", headers=headers))[0] for _ in range(3)]
        assert [403, 200, 403] == statuses
        assert ["expired", "script", "expired"] == [each.why for each in emulator.requests]

    emulated(scene, "hh")


def test_a_refused_request_uses_no_script_up() -> None:
    """What a limit or a ban refuses has not come as far as the scripts."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        path = "/api/v4/leads"
        statuses = await _statuses(ask, 7, path)
        script = emulator.script(500)
        statuses = [*statuses, *await _statuses(ask, 2, path)]
        assert ([200] * 7 + [429] * 2, 0) == (statuses, script.used)

    emulated(scene, "amocrm")


def test_an_entry_itself_can_be_scripted() -> None:
    """An entry of the catalog is said as it is; a status where its entry cannot occur is bare."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        (entry,) = emulator.catalog.errors["not_found"]
        emulator.script(entry).then(204)
        assert [404, 204] == await _statuses(ask, 2)
        assert entry == emulator.requests[0].entry

    emulated(scene, "hh")


def test_the_page_has_every_argument() -> None:
    """`script` and `then` take the arguments in the table, in its order."""
    rows = [plain(row["argument"]) for row in table("emulator.md", "argument", "meaning").rows]
    for function in (Emulator.script, Script.then):
        assert ["self", "what", *rows] == list(inspect.signature(function).parameters)


def test_endpoints_that_are_named_by_the_url_are_known() -> None:
    """Where the catalog takes a name from the URL, every name that a URL can give will do."""
    Emulator("unisender").script("retry_later", endpoint="anythingAtAll")
    Emulator("radist").script(429, endpoint="messaging/anything")
