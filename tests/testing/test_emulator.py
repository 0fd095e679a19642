import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from resilient.clock import Clock
from resilient.errors import ConfigError
from resilient.testing import Emulator, run

Ask = Callable[..., Awaitable[tuple[int, Any]]]
LISTS = "/ru/api/getLists?api_key=KEY"


def _asking(emulator: Emulator, http: aiohttp.ClientSession) -> Ask:
    async def ask(path: str, method: str = "GET", **keys: Any) -> tuple[int, Any]:
        async with http.request(method, emulator.url + path, **keys) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else text

    return ask


def emulated(scene: Callable[[Emulator, Ask], Awaitable[None]], catalog: Any, **keys: Any) -> None:
    """Play a scene against an emulator, in virtual time."""

    async def main() -> None:
        async with Emulator(catalog, **keys) as emulator, aiohttp.ClientSession() as http:
            await scene(emulator, _asking(emulator, http))

    run(main())


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


def _bearer(pair: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {"headers": {"Authorization": f"Bearer {pair['access_token']}"}}


def test_a_refresh_token_works_once() -> None:
    """A refresh rotates the pair; the old refresh token gets the vendor's own refusal."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        first = emulator.issue_tokens()
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        status, second = await ask("/token", "POST", data=form)
        assert 200 == status
        assert first.keys() == second.keys()
        assert first["refresh_token"] != second["refresh_token"]
        status, body = await ask("/token", "POST", data=form)
        assert (400, "invalid_grant", "token has already been refreshed") == (
            status,
            body["error"],
            body["error_description"],
        )
        assert 1 == emulator.refreshes
        assert 200 == (await ask("/me", **_bearer(second)))[0]

    emulated(scene, "hh")


def test_amocrm_refuses_a_spent_token_in_json() -> None:
    """The pair is sent as JSON, and the refusal has the hint by which it is recognised."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        pair = {"refresh_token": emulator.issue_tokens()["refresh_token"]}
        assert 200 == (await ask("/oauth2/access_token", "POST", json=pair))[0]
        status, body = await ask("/oauth2/access_token", "POST", json=pair)
        assert (401, "Token has been revoked") == (status, body["detail"])

    emulated(scene, "amocrm")


@pytest.mark.parametrize(("catalog", "status"), [("hh", 403), ("amocrm", 401)])
def test_an_access_token_runs_out(catalog: str, status: int) -> None:
    """After its lifetime, or when told, a token gets the catalog's entry for that."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        old, new = emulator.issue_tokens(), emulator.issue_tokens()
        assert 200 == (await ask("/me", **_bearer(old)))[0]
        emulator.expire_credential(old["access_token"])
        assert status == (await ask("/me", **_bearer(old)))[0]
        entry = emulator.requests[-1].entry
        assert entry is not None
        assert "reauth" == entry.policy
        assert 200 == (await ask("/me", **_bearer(new)))[0]
        await Clock.sleep(3600)
        assert status == (await ask("/me", **_bearer(new)))[0]

    emulated(scene, catalog, token_lifetime=3600)


def test_a_session_is_opened_at_the_login() -> None:
    """The login's reply holds a session at the catalog's path, good until it expires."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        async def orders(session: str) -> int:
            body = {"appkey": "K", "sessionID": session}
            status, _ = await ask("/v3/orders.json", "POST", json=body)
            return status

        login = {"appkey": "K", "login": "l", "password": "p"}
        _, reply = await ask("/v3/auth/login.json", "POST", json=login)
        session = reply["data"]["sessionID"]
        assert 200 == await orders(session)
        emulator.expire_credential(session)
        assert 401 == await orders(session)
        _, reply = await ask("/v3/auth/login.json", "POST", json=login)
        assert 200 == await orders(reply["data"]["sessionID"])
        assert {"credential:K"} == {tally.scope for tally in emulator.tallies}

    emulated(scene, "dellin")


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


def test_a_misspelt_script_is_an_error() -> None:
    """A code that the catalog lacks is refused at once, with a guess at what was meant."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        with pytest.raises(ValueError, match="did you mean 'oauth/token_expired'"):
            emulator.script("oauth/token_expire")

    emulated(scene, "hh")


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


def test_an_unknown_catalog_is_guessed() -> None:
    """The configuration's own error says what was meant."""
    with pytest.raises(ConfigError, match="did you mean 'dellin'"):
        Emulator("delin")


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


def test_a_catalog_without_reauth_says_401() -> None:
    """An expired credential of a vendor that documents no such thing gets a bare 401."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.expire_credential("KEY")
        assert 401 == (await ask(LISTS))[0]

    emulated(scene, "unisender")


def test_a_token_endpoint_without_entries_speaks_rfc_6749() -> None:
    """Where the catalog says nothing of spent refresh tokens, the standard's answer is given."""
    credential = {
        "kind": "oauth2",
        "fields": [{"name": "Authorization", "in": "header", "prefix": "Bearer "}],
        "token": {"url": "/token"},
    }
    mine = {
        "catalog": "mine",
        "source": {"document": "d", "read": "r"},
        "credential": credential,
    }

    async def scene(emulator: Emulator, ask: Ask) -> None:
        status, body = await ask("/token", "POST", data={"refresh_token": "never issued"})
        assert (400, "invalid_grant") == (status, body["error"])

    emulated(scene, mine)


def test_a_port_that_is_taken_leaves_nothing_behind() -> None:
    """The error of the operating system comes out, and no half-open server stays."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        second = Emulator("hh", port=emulator.port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()

    emulated(scene, "hh")
