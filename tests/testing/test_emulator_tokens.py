from typing import Any

import pytest
from emulated import Ask, emulated
from manual import plain, table

from resilient.clock import Clock
from resilient.testing import Emulator
from resilient.testing.emulator.tokens import ROTATIONS

LISTS = "/ru/api/getLists?api_key=KEY"


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


def _form(pair: dict[str, Any]) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}


def test_without_rotation_a_refresh_token_stays_good() -> None:
    """With `rotation="none"` the same refresh token buys one access token after another."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        first = emulator.issue_tokens()
        pairs = [(await ask("/token", "POST", data=_form(first)))[1] for _ in range(3)]
        assert {first["refresh_token"]} == {pair["refresh_token"] for pair in pairs}
        assert 4 == len({first["access_token"], *(pair["access_token"] for pair in pairs)})
        assert (3, 0) == (emulator.refreshes, emulator.families_revoked)

    emulated(scene, "hh", rotation="none")


def test_a_spent_token_revokes_its_family() -> None:
    """RFC 9700: with a spent refresh token all that descends from its login is undone, once."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        first, other = emulator.issue_tokens(), emulator.issue_tokens()
        _, second = await ask("/token", "POST", data=_form(first))
        _, third = await ask("/token", "POST", data=_form(second))
        assert [200] * 3 == [(await ask("/me", **_bearer(p)))[0] for p in (first, second, third)]
        status, body = await ask("/token", "POST", data=_form(first))
        assert (400, "invalid_grant") == (status, body["error"])
        assert 400 == (await ask("/token", "POST", data=_form(third)))[0]
        assert [403] * 3 == [(await ask("/me", **_bearer(p)))[0] for p in (first, second, third)]
        assert "expired" == emulator.requests[-1].why
        assert 1 == emulator.families_revoked
        assert 200 == (await ask("/me", **_bearer(other)))[0]
        assert 200 == (await ask("/token", "POST", data=_form(other)))[0]

    emulated(scene, "hh", rotation="family", limits=False)


def test_single_use_revokes_nothing() -> None:
    """Without families a spent refresh token is refused, and what it bought stays good."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        first = emulator.issue_tokens()
        _, second = await ask("/token", "POST", data=_form(first))
        assert 400 == (await ask("/token", "POST", data=_form(first)))[0]
        assert 200 == (await ask("/me", **_bearer(second)))[0]
        assert 0 == emulator.families_revoked

    emulated(scene, "hh")


def test_a_token_that_nobody_issued_revokes_nothing() -> None:
    """An invented refresh token is refused, and no login is undone."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        mine = emulator.issue_tokens()
        assert 400 == (await ask("/token", "POST", data=_form({"refresh_token": "invented"})))[0]
        assert 200 == (await ask("/me", **_bearer(mine)))[0]
        assert 0 == emulator.families_revoked

    emulated(scene, "hh", rotation="family")


@pytest.mark.parametrize("grant", ["authorization_code", "password", "client_credentials"])
def test_a_login_begins_a_family(grant: str) -> None:
    """Whoever logs in at the token endpoint gets a pair that can be refreshed."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        status, pair = await ask("/token", "POST", data={"grant_type": grant})
        assert (200, "Bearer") == (status, pair["token_type"])
        assert 200 == (await ask("/token", "POST", data=_form(pair)))[0]
        assert 1 == emulator.refreshes

    emulated(scene, "hh", rotation="family")


def test_a_reply_that_is_lost_has_spent_the_token() -> None:
    """A refresh whose reply is reset was processed: the old token is spent, the new one unknown."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        first = emulator.issue_tokens()
        emulator.script(200, endpoint="token", fault="reset")
        with pytest.raises(OSError, match="reset by peer"):
            await ask("/token", "POST", data=_form(first))
        assert "token" == emulator.requests[-1].why
        assert 400 == (await ask("/token", "POST", data=_form(first)))[0]

    emulated(scene, "hh")


def test_a_token_endpoint_that_fails_has_spent_nothing() -> None:
    """A scripted failure of the token endpoint comes before the exchange."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        first = emulator.issue_tokens()
        emulator.script(503, endpoint="token").then(None, fault="reset-early")
        assert 503 == (await ask("/token", "POST", data=_form(first)))[0]
        with pytest.raises(OSError, match="reset by peer"):
            await ask("/token", "POST", data=_form(first))
        assert 200 == (await ask("/token", "POST", data=_form(first)))[0]

    emulated(scene, "hh")


def test_the_page_has_every_rotation() -> None:
    """The table lists the rotations that there are."""
    rows = table("emulator.md", "`rotation`", "what becomes of a refresh token that was exchanged")
    assert ROTATIONS == tuple(plain(row["`rotation`"]) for row in rows.rows)


def test_an_unknown_rotation_is_guessed() -> None:
    """The error says which rotations there are, and which one was meant."""
    with pytest.raises(ValueError, match=r"did you mean 'family'.* single_use"):
        Emulator("hh", rotation="famly")  # type: ignore[arg-type]
