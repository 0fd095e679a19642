import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import attrs
import pytest
from aiohttp import web

from resilient.catalog import CredentialRule, TokenEndpoint
from resilient.clock import Clock
from resilient.credentials import (
    Calls,
    CannotSign,
    CredentialRefused,
    CredentialUnavailable,
    OAuth2,
    TokenPair,
)
from resilient.errors import ApiError, Unavailable

from .conftest import BEARER, CANARY, Vendor

STALE = {"token": "access-1"}


class Store:
    """Where tokens are kept; it notes what happens, and may fail."""

    def __init__(self, *pairs: Any) -> None:
        self.pairs = list(pairs) or [TokenPair("access-1", "refresh-1")]
        self.log: list[str] = []
        self.failing = False
        self.loads = 0

    async def load(self) -> Any:
        """Return the next pair; the last one stays."""
        self.loads += 1
        return self.pairs.pop(0) if len(self.pairs) > 1 else self.pairs[0]

    async def save(self, pair: TokenPair) -> None:
        """Keep a pair."""
        if self.failing:
            raise OSError("the disk is full")
        self.log.append(f"saved {pair.access_token}")
        self.pairs = [pair]


def _oauth(store: Store, **more: Any) -> OAuth2:
    clock = Clock(wall=lambda: 1000.0)
    return OAuth2("id", "secret", store.load, store.save, clock=clock, **more)


def _with(calls: Calls, **token: Any) -> Calls:
    rule = CredentialRule(kind="oauth2", fields=(BEARER,), token=TokenEndpoint(**token))
    return attrs.evolve(calls, rule=rule)


def _reply(number: int = 2, **more: Any) -> dict[str, Any]:
    return {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}", **more}


async def test_load(vendor: Vendor, calls: Calls) -> None:
    """The stored token is used, without a word to the vendor; a mapping will do."""
    stored = {"access_token": "a", "token_type": "bearer", "expires_in": 60}
    assert {"token": "a"} == await _oauth(Store(stored)).load(calls)
    assert 0 == vendor.hits


async def test_reply_that_breaks_off(vendor: Vendor, calls: Calls) -> None:
    """A reply that breaks off says neither yes nor no."""

    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"access_token": ')
        assert request.transport is not None
        request.transport.close()
        return response

    vendor.reply = break_off
    with pytest.raises(CredentialUnavailable, match="broke off"):
        await _oauth(Store()).renew(calls, STALE)


@pytest.mark.parametrize("stored", [None, "token", {}, {"access_token": f"{CANARY}\n"}, 7])
async def test_nothing_stored(calls: Calls, stored: Any) -> None:
    """A store without a usable pair is a refusal that does not show what is there."""
    with pytest.raises(CredentialRefused, match="No usable token is stored") as error:
        await _oauth(Store(stored)).load(calls)
    assert CANARY not in str(error.value)


async def test_form(vendor: Vendor, calls: Calls) -> None:
    """The refresh token is exchanged by a form with what the catalog lists."""
    vendor.says(_reply())
    assert {"token": "access-2"} == await _oauth(Store()).renew(calls, STALE)
    sent = {
        "grant_type": ["refresh_token"],
        "client_id": ["id"],
        "client_secret": ["secret"],
        "refresh_token": ["refresh-1"],
    }
    assert ("POST", "/token") == vendor.heard[0][:2]
    assert sent == parse_qs(vendor.body.decode())


async def test_json(vendor: Vendor, calls: Calls) -> None:
    """amoCRM: JSON, with the redirect address."""
    vendor.says(_reply())
    calls = _with(calls, url="/oauth2/access_token", encoding="json", send=("redirect_uri",))
    await _oauth(Store(), redirect_uri="https://us").renew(calls, STALE)
    sent = {"grant_type": "refresh_token", "redirect_uri": "https://us"}
    assert ("/oauth2/access_token", sent) == (vendor.path, json.loads(vendor.body))


async def test_missing(vendor: Vendor, calls: Calls) -> None:
    """What the vendor wants and the user has not given is said before anything is sent."""
    calls = _with(calls, url="/token", send=("redirect_uri",))
    with pytest.raises(CannotSign, match="redirect_uri"):
        await _oauth(Store()).renew(calls, STALE)
    assert 0 == vendor.hits


async def test_no_endpoint(vendor: Vendor, calls: Calls) -> None:
    """Without a token endpoint in the catalog one has to be given, and then will do."""
    calls = attrs.evolve(calls, rule=None)
    with pytest.raises(CannotSign, match="token_url"):
        await _oauth(Store()).renew(calls, STALE)
    vendor.says(_reply())
    await _oauth(Store(), token_url="/own").renew(calls, STALE)
    assert ["/own"] == [path for _, path, _, _ in vendor.heard]


async def test_foreign_endpoint(vendor: Vendor, calls: Calls) -> None:
    """The secrets do not go to a host that is not allowed."""
    calls = _with(calls, url="https://evil.example/token")
    with pytest.raises(CannotSign, match=r"evil\.example"):
        await _oauth(Store()).renew(calls, STALE)


async def test_redirect(vendor: Vendor, calls: Calls) -> None:
    """A token endpoint that redirects is not followed: the secret stays here."""
    vendor.reply = lambda _: web.Response(status=307, headers={"Location": "/elsewhere"})
    with pytest.raises(CredentialUnavailable, match="redirect"):
        await _oauth(Store()).renew(calls, STALE)
    assert 1 == vendor.hits


async def test_stored_before_use(vendor: Vendor, calls: Calls) -> None:
    """The new pair is stored before `renew` hands it out, and only after the vendor replied."""
    store = Store()

    def reply(_: web.Request) -> web.Response:
        store.log.append("replied")
        return web.json_response(_reply())

    vendor.reply = reply
    values = await _oauth(store).renew(calls, STALE)
    store.log.append(f"used {values['token']}")
    assert ["replied", "saved access-2", "used access-2"] == store.log


async def test_pair(vendor: Vendor, calls: Calls) -> None:
    """What is stored has the reply's refresh token and the time when the access token ends."""
    store = Store()
    vendor.says(_reply(expires_in=3600))
    await _oauth(store).renew(calls, STALE)
    assert [TokenPair("access-2", "refresh-2", 4600.0)] == store.pairs


async def test_no_rotation(vendor: Vendor, calls: Calls) -> None:
    """A reply without a refresh token leaves the old one in use."""
    store = Store()
    vendor.says({"access_token": "access-2"})
    await _oauth(store).renew(calls, STALE)
    assert [TokenPair("access-2", "refresh-1", None)] == store.pairs


@pytest.mark.parametrize(
    ("lifetime", "ends"),
    [("60", 1060.0), (60.5, 1060.5), (True, None), ("soon", None), ([], None), (1e999, None)],
)
async def test_lifetime(vendor: Vendor, calls: Calls, lifetime: Any, ends: float | None) -> None:
    """A lifetime that is no finite number is no lifetime."""
    store = Store()
    vendor.says(_reply(expires_in=lifetime))
    await _oauth(store).renew(calls, STALE)
    assert ends == store.pairs[0].expires_at


async def test_renewed_elsewhere(vendor: Vendor, calls: Calls) -> None:
    """Where somebody else has renewed it, his token is used and nothing is sent."""
    store = Store(TokenPair("access-2", "refresh-2"))
    assert {"token": "access-2"} == await _oauth(store).renew(calls, STALE)
    assert 0 == vendor.hits


@pytest.mark.parametrize(
    ("ends", "refresh", "hits"),
    [(None, "refresh-2", 0), (1000.5, "refresh-2", 0), (1000.0, "refresh-2", 1), (1000.0, None, 0)],
)
async def test_renewed_elsewhere_long_ago(
    vendor: Vendor, calls: Calls, ends: float | None, refresh: str | None, hits: int
) -> None:
    """What somebody else has stored is renewed at once if it has run out, and can be renewed."""
    store = Store(TokenPair("access-2", refresh, ends))
    vendor.says(_reply(3))
    found = await _oauth(store).renew(calls, STALE)
    assert {"token": f"access-{2 + hits}"} == found
    assert hits == vendor.hits
    assert not hits or b"refresh_token=refresh-2" in vendor.body


async def test_renewed_elsewhere_and_refused(vendor: Vendor, calls: Calls) -> None:
    """What has run out, and is refused when it is renewed, is not handed out either."""
    vendor.says({"error": "invalid_grant"}, 400)
    with pytest.raises(CredentialRefused, match="invalid_grant"):
        await _oauth(Store(TokenPair("access-2", "refresh-2", 999.0))).renew(calls, STALE)
    assert 1 == vendor.hits


@pytest.mark.parametrize("status", [400, 401, 200])
async def test_lost_race(vendor: Vendor, calls: Calls, status: int) -> None:
    """After invalid_grant the store is read once more: a quicker process may have stored."""
    store = Store(TokenPair("access-1", "refresh-1"), TokenPair("access-2", "refresh-2"))
    vendor.says({"error": "invalid_grant"}, status)
    assert {"token": "access-2"} == await _oauth(store).renew(calls, STALE)
    assert (1, 2, []) == (vendor.hits, store.loads, store.log)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_refused(vendor: Vendor, calls: Calls, status: int) -> None:
    """Where the store knows nothing else, a refusal is one; the vendor's text is not shown."""
    store = Store()
    vendor.says({"error": "invalid_grant", "error_description": CANARY}, status)
    with pytest.raises(CredentialRefused, match=f"HTTP {status}, invalid_grant") as error:
        await _oauth(store).renew(calls, STALE)
    assert CANARY not in str(error.value)
    assert (1, 2) == (vendor.hits, store.loads)


async def test_store_fails_after_refusal(vendor: Vendor, calls: Calls) -> None:
    """A store that fails when it is read again does not hide the refusal."""
    store = Store(TokenPair("access-1", "refresh-1"), None)
    vendor.says({"error": "invalid_grant"}, 400)
    with pytest.raises(CredentialRefused, match="invalid_grant"):
        await _oauth(store).renew(calls, STALE)


async def test_echo(vendor: Vendor, calls: Calls) -> None:
    """An error that is no known word is not repeated: it may be the token."""
    vendor.says({"error": CANARY}, 400)
    with pytest.raises(CredentialRefused) as error:
        await _oauth(Store()).renew(calls, STALE)
    assert CANARY not in str(error.value)


async def test_no_refresh_token(vendor: Vendor, calls: Calls) -> None:
    """Without a refresh token there is nothing to send."""
    with pytest.raises(CredentialRefused, match="No refresh token"):
        await _oauth(Store(TokenPair("access-1"))).renew(calls, STALE)
    assert 0 == vendor.hits


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_later(vendor: Vendor, calls: Calls, status: int) -> None:
    """A vendor who cannot say now has refused nothing."""
    vendor.says(b"<html>busy</html>", status)
    with pytest.raises(CredentialUnavailable, match=str(status)):
        await _oauth(Store()).renew(calls, STALE)


async def test_no_answer(vendor: Vendor, calls: Calls) -> None:
    """A connection that breaks is no refusal: the exception comes out as it is."""
    await vendor.server.close()
    with pytest.raises(aiohttp.ClientConnectionError):
        await _oauth(Store()).renew(calls, STALE)


async def test_raising_session(vendor: Vendor, calls: Calls) -> None:
    """A session that raises by itself changes nothing."""
    vendor.says({"error": "invalid_grant"}, 400)
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        with pytest.raises(CredentialRefused):
            await _oauth(Store()).renew(attrs.evolve(calls, http=http), STALE)


@pytest.mark.parametrize(
    ("kind", "status", "raised"),
    [(ApiError, 400, CredentialRefused), (Unavailable, 503, Unavailable)],
)
async def test_answer_as_exception(
    vendor: Vendor, calls: Calls, kind: type[ApiError], status: int, raised: type[Exception]
) -> None:
    """Where the library raises the vendor's answer, it means the same; it is the cause."""
    answer = kind("said", url="https://api.hh.ru/token", method="POST", status=status)

    async def refuse(request: object, handler: object) -> aiohttp.ClientResponse:
        raise answer

    async with aiohttp.ClientSession(middlewares=(refuse,)) as http:
        with pytest.raises(raised) as error:
            await _oauth(Store()).renew(attrs.evolve(calls, http=http), STALE)
    assert answer in (error.value, error.value.__cause__)


HOSTILE = {
    "empty": b"",
    "html": f"<html>{CANARY}</html>".encode(),
    "list": f'["{CANARY}"]'.encode(),
    "text": f'"{CANARY}"'.encode(),
    "null": b"null",
    "half": f'{{"access_token": "{CANARY}'.encode(),
    "nested": b"[" * 30_000,
    "no token": f'{{"token": "{CANARY}"}}'.encode(),
    "number": b'{"access_token": 12345}',
    "digits": b'{"access_token": ' + b"9" * 6000 + b"}",
    "object": f'{{"access_token": {{"value": "{CANARY}"}}}}'.encode(),
    "blank": b'{"access_token": " "}',
    "header": f'{{"access_token": "{CANARY}\\r\\nX-Evil: 1"}}'.encode(),
    "nul": f'{{"access_token": "{CANARY}\\u0000"}}'.encode(),
    "surrogate": f'{{"access_token": "{CANARY}\\ud800"}}'.encode(),
    "refresh": f'{{"access_token": "a", "refresh_token": "{CANARY}\\n"}}'.encode(),
    "refresh number": b'{"access_token": "a", "refresh_token": 7}',
    "bytes": b"\xff\xfe\xfd" * 100,
    "long": b'{"access_token": "' + b"x" * 70_000 + b'"}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
async def test_hostile(vendor: Vendor, calls: Calls, body: bytes) -> None:
    """A reply that is no token is refused for good, not shown, and nothing is stored."""
    store = Store()
    vendor.says(body)
    with pytest.raises(CredentialRefused) as error:
        await _oauth(store).renew(calls, STALE)
    assert CANARY not in str(error.value)
    assert CANARY not in repr(error.value)
    assert [] == store.log


async def test_endless(vendor: Vendor, calls: Calls) -> None:
    """Of a reply without end no more is read than any token needs."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    vendor.reply = endless
    with pytest.raises(CredentialRefused, match="longer than 65536 bytes"):
        await _oauth(Store()).renew(calls, STALE)


async def test_longest(vendor: Vendor, calls: Calls) -> None:
    """A reply of exactly 64 KiB is read."""
    empty = json.dumps(_reply(pad=""))
    vendor.says(_reply(pad="x" * (65_536 - len(empty))))
    assert {"token": "access-2"} == await _oauth(Store()).renew(calls, STALE)
    assert 65_536 == len(json.dumps(_reply(pad="x" * (65_536 - len(empty)))))


async def test_not_saved(vendor: Vendor, calls: Calls) -> None:
    """A pair that could not be saved is saved at the next chance; the old one is not sent again."""
    store = Store()
    oauth = _oauth(store)
    store.failing = True
    vendor.says(_reply())
    with pytest.raises(OSError, match="full"):
        await oauth.renew(calls, STALE)
    with pytest.raises(OSError, match="full"):
        await oauth.load(calls)
    store.failing = False
    assert {"token": "access-2"} == await oauth.renew(calls, STALE)
    assert (1, ["saved access-2"]) == (vendor.hits, store.log)


async def test_not_saved_but_replaced(vendor: Vendor, calls: Calls) -> None:
    """A pair stored by somebody else goes before one that could not be saved."""
    store = Store()
    oauth = _oauth(store)
    store.failing = True
    vendor.says(_reply())
    with pytest.raises(OSError, match="full"):
        await oauth.renew(calls, STALE)
    store.failing, store.pairs = False, [TokenPair("by hand", "r")]
    assert {"token": "by hand"} == await oauth.load(calls)
    assert [] == store.log


async def test_cancelled_while_saving(vendor: Vendor, calls: Calls) -> None:
    """Cancelled between the reply and the store, the pair is stored all the same."""
    saving, go_on, log = asyncio.Event(), asyncio.Event(), []

    async def save(pair: TokenPair) -> None:
        saving.set()
        await go_on.wait()
        log.append(pair.access_token)

    vendor.says(_reply())
    oauth = OAuth2("id", "secret", lambda: TokenPair("access-1", "refresh-1"), save)
    task = asyncio.create_task(_renew(oauth, calls))
    await saving.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["access-2"] == log


async def _renew(oauth: OAuth2, calls: Calls) -> None:
    await oauth.renew(calls, STALE)
