import io

import aiohttp
import pytest
from emulated import Ask, emulated

from resilient.clock import Clock
from resilient.errors import ConfigError
from resilient.testing import Emulator

LISTS = "/ru/api/getLists?api_key=KEY"


def test_the_limit_is_enforced_in_its_envelope() -> None:
    """The call after the last that a minute allows gets the vendor's refusal for its scope."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for _ in range(1200):
            assert (200, {"result": "ok"}) == await ask(LISTS)
        status, body = await ask(LISTS)
        assert (200, "api_call_limit_exceeded_for_api_key") == (status, body["code"])
        await Clock.sleep(60)
        assert (200, {"result": "ok"}) == await ask(LISTS)
        by_scope = {tally.scope: (tally.most, tally.refused) for tally in emulator.tallies}
        assert {"credential:KEY": (1201, 1), "ip:127.0.0.1": (1201, 0)} == by_scope

    emulated(scene, "unisender")


def test_the_refusal_names_the_scope() -> None:
    """Many keys behind one address: the address is refused."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for n in range(1200):
            await ask(f"/ru/api/getLists?api_key=K{n % 2}")
        _, body = await ask("/ru/api/getLists?api_key=K2")
        assert "api_call_limit_exceeded_for_ip" == body["code"]

    emulated(scene, "unisender")


def test_a_refusal_can_say_when_to_return() -> None:
    """With `retry_after` a refusal tells the whole seconds until there is room."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for _ in range(9):
            await ask("/vacancies")
        await Clock.sleep(0.25)
        url = f"{emulator.url}/vacancies"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert (429, "1") == (response.status, response.headers["Retry-After"])

    emulated(scene, "hh", retry_after=True)


def test_limits_can_be_off() -> None:
    """Without limits nothing is refused, and the most in a window is told all the same."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for _ in range(20):
            assert 200 == (await ask("/vacancies"))[0]
        assert [(20, 0, False)] == [(t.most, t.refused, t.holds) for t in emulator.tallies]

    emulated(scene, "hh", limits=False)


HEADERS = {"Authorization": "Bearer t", "Host": "acme.amocrm.ru"}


def test_refusals_in_a_row_end_in_a_ban() -> None:
    """The third refusal in a row within a minute shuts the scope out for the ban's length."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        statuses = [(await ask("/api/v4/leads", headers=HEADERS))[0] for _ in range(11)]
        assert [200] * 7 + [429] * 3 + [403] == statuses
        (ban,) = emulator.bans
        assert ("credential:t", 120.0) == (ban.scope, ban.until - ban.since)
        other = HEADERS | {"Authorization": "Bearer other"}
        assert 200 == (await ask("/api/v4/leads", headers=other))[0]
        await Clock.sleep(121)
        assert 200 == (await ask("/api/v4/leads", headers=HEADERS))[0]

    emulated(scene, "amocrm", ban_length=120)


def test_a_success_breaks_the_row() -> None:
    """Two refusals, a success, two refusals: no ban."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for _ in range(2):
            emulator.script(429, times=2)
            statuses = [(await ask("/api/v4/leads", headers=HEADERS))[0] for _ in range(3)]
            assert [429, 429, 200] == statuses
        assert () == emulator.bans

    emulated(scene, "amocrm")


def test_old_refusals_do_not_count() -> None:
    """Refusals spread over more than the ban's time end in none."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(429, times=5)
        for _ in range(5):
            await ask("/api/v4/leads", headers=HEADERS)
            await Clock.sleep(31)
        assert () == emulator.bans

    emulated(scene, "amocrm")


def test_a_ban_can_be_lifted() -> None:
    """After `lift_bans` calls pass again; scripted refusals count like any other."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script("429", times=3)
        path = "/v2/companies"
        codes = [(await ask(path))[1].get("error_code") for _ in range(3)]
        assert [429] * 3 == codes
        assert 403 == (await ask(path))[0]
        emulator.lift_bans()
        assert 200 == (await ask(path))[0]

    emulated(scene, "radist")


def test_xml_is_answered_in_xml() -> None:
    """A path that ends with .xml, or a body in XML, gets XML: success and error."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        body = "<request><appkey>K</appkey></request>"
        _, text = await ask("/v3/orders.xml", "POST", data=body)
        assert "<response><result>ok</result></response>" == text
        emulator.script("100005")
        status, text = await ask("/v3/orders.xml", "POST", data=body)
        assert 429 == status
        assert "<code>100005</code>" in text
        assert "K" == emulator.requests[-1].presented["appkey"]

    emulated(scene, "dellin")


def test_an_unknown_key_is_no_answer_of_the_vendor() -> None:
    """A wrong `X-Emulate` gets a 501 that says so, whatever the catalog."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        status, text = await ask("/me", headers={"X-Emulate": "code:nonsense"})
        assert (501, "catalog hh has no entry with the key code:nonsense") == (status, text)

    emulated(scene, "hh")


def test_requests_are_kept_up_to_a_number() -> None:
    """The latest requests are kept with what they sent; all are counted."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        for n in range(4):
            await ask(f"/vacancies?n={n}", "POST", data=b"body", headers={"X-Own": "1"})
        assert 4 == emulator.total
        assert ["n=2", "n=3"] == [each.query for each in emulator.requests]
        last = emulator.requests[-1]
        assert ("POST", "/vacancies", "vacancies", b"body", "1", 200, "success") == (
            last.method,
            last.path,
            last.endpoint,
            last.body,
            last.headers["x-own"],
            last.status,
            last.why,
        )
        emulator.clear()
        assert not emulator.requests

    emulated(scene, "hh", keep=2)


def test_a_body_over_a_mebibyte_is_refused() -> None:
    """Bodies are read up to 1 MiB."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        assert 200 == (await ask("/me", "POST", data=io.BytesIO(b"x" * 1024**2)))[0]
        assert 413 == (await ask("/me", "POST", data=io.BytesIO(b"x" * (1024**2 + 1))))[0]

    emulated(scene, "hh")


def test_a_repr_shows_no_credential() -> None:
    """What pytest prints of a request holds neither query, headers nor body."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        await ask("/ru/api/getLists?api_key=S3CRET", headers={"X-Api-Key": "S3CRET"})
        assert "S3CRET" not in repr(emulator.requests[-1])

    emulated(scene, "unisender")


def test_it_stops_and_starts_on_the_same_port() -> None:
    """An outage can be played: stop, start, the same address, the same memory."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        assert 200 == (await ask("/me"))[0]
        await emulator.stop()
        await emulator.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask("/me")
        await emulator.start()
        assert 200 == (await ask("/me"))[0]
        assert 2 == emulator.total

    emulated(scene, "hh")


def test_users_catalogs_are_served_too() -> None:
    """A mapping of a catalog's shape will do; where its envelope takes `result`, success yields."""
    mine = {
        "catalog": "mine",
        "source": {"document": "d", "read": "r"},
        "envelopes": [{"format": "json", "status": "2xx", "code": "result"}],
        "errors": {"E1": "retry"},
    }

    async def scene(emulator: Emulator, ask: Ask) -> None:
        assert (200, {"ok": "yes"}) == await ask("/")
        emulator.script("E1")
        assert (200, {"result": "E1"}) == await ask("/")

    emulated(scene, mine)


@pytest.mark.parametrize(
    "body", [b"{broken", b'{"a": ' + b"[" * 100_000, b"<broken", b"<a>&b;</a>"]
)
def test_a_body_that_cannot_be_read_presents_nothing(body: bytes) -> None:
    """A body that is neither JSON nor XML holds no credential, and is answered all the same."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        assert 200 == (await ask("/v3/orders.json", "POST", data=body))[0]
        assert {} == emulator.requests[-1].presented

    emulated(scene, "dellin")


def test_an_unknown_catalog_is_guessed() -> None:
    """The configuration's own error says what was meant."""
    with pytest.raises(ConfigError, match="did you mean 'dellin'"):
        Emulator("delin")


def test_a_port_that_is_taken_leaves_nothing_behind() -> None:
    """The error of the operating system comes out, and no half-open server stays."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        second = Emulator("hh", port=emulator.port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()

    emulated(scene, "hh")
