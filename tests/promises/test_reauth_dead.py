"""A credential that cannot be renewed: said once to the vendor, and to every caller at once."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import acme
import pytest
from acme import Client, Connect
from aiohttp import web
from authority import KINDS, Authority, Kind, presiding
from promises.conftest import Figure
from server import Server

import resilient
from resilient.credentials import TokenPair

WAITERS = 100


@pytest.fixture
def authority(server: Server) -> Authority:
    """What answers: an API and its authorization server."""
    return presiding(server)


async def _all(api: Client, count: int = WAITERS) -> list[Any]:
    return await asyncio.gather(*[api.get() for _ in range(count)], return_exceptions=True)


def _refusing(error: str, status: int) -> Callable[[], web.Response]:
    return lambda: web.json_response({"error": error}, status=status)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ("invalid_grant", 400),
        ("invalid_client", 401),
        ("unauthorized_client", 400),
        ("invalid_grant", 200),
        ("", 403),
    ],
)
async def test_refused_purchase(
    authority: Authority,
    server: Server,
    connect: Connect,
    *,
    error: str,
    status: int,
    figure: Figure,
) -> None:
    """A dead refresh token costs one purchase; all who wait fail, and nothing is sent after it."""
    first_of_all = error == "invalid_grant" and status == 400
    count = WAITERS if first_of_all else 10
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.expired, authority.refusal = True, _refusing(error, status)
        first = await _all(api, count)
        sent = len(server.hits)
        began = asyncio.get_running_loop().time()
        second = await _all(api, count)
        assert began == asyncio.get_running_loop().time()
        assert {resilient.AuthenticationFailed} == {type(each) for each in first + second}
        assert (1, sent) == (len(authority.asked), len(server.hits))
        await _is_healed(api, authority)
    if first_of_all:
        figure("G3", "purchases with a dead token", 1, of=f"{2 * WAITERS} calls")
        figure("G3", "API calls after it", len(server.hits) - sent - 1, of=f"{WAITERS} calls")


async def _is_healed(api: Client, authority: Authority) -> None:
    """Let a person store a new pair: the next call is signed with it."""
    authority.sold, authority.expired = 99, False
    await authority.store.save(TokenPair("a99", "r99"))
    assert 200 == (await api.get()).status


async def test_refused_login(authority: Authority, connect: Connect) -> None:
    """A refused login is never repeated: wrong passwords in a row shut an account."""
    async with connect(**authority.client("SessionId")) as api:
        await api.get()
        authority.expired, authority.refusal = True, _refusing("", 401)
        answers = await _all(api, 20) + await _all(api, 20)
        await asyncio.sleep(3600)
        answers += await _all(api, 20)
    assert {resilient.AuthenticationFailed} == {type(each) for each in answers}
    assert 1 == len(authority.asked)


async def _served(api: Client, seconds: float, every: float = 10.0) -> list[str]:
    """Call again and again for so long, and return what came of each call."""
    found = []
    for _ in range(int(seconds / every)):
        try:
            found.append(str((await api.get()).status))
        except resilient.ResilientError as error:
            found.append(type(error).__name__)
        await asyncio.sleep(every)
    return found


def _check(authority: Authority, minutes: float) -> None:
    """Hold renewals that do not help to their promise: seldom, and few calls sent in vain."""
    most = 8 + 2 * minutes
    assert most >= len(authority.asked)
    assert 2 * most >= authority.refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["503", "429", "frozen"])
async def test_rests(
    authority: Authority, connect: Connect, kind: Kind, fault: str, figure: Figure
) -> None:
    """Renewals that fail or do not help are tried at 1, 2, 4 … 60 s, and calls wait for none."""
    async with connect(**authority.client(kind)) as api:
        await api.get()
        authority.expired, authority.frozen = True, fault == "frozen"
        if fault != "frozen":
            authority.refusal = lambda: web.Response(status=int(fault))
        found = await _served(api, 600)
        asked, refused = len(authority.asked), authority.refused
        _check(authority, 10)
        authority.refusal, authority.frozen = None, False
        await asyncio.sleep(61)
        assert 200 == (await api.get()).status
    assert "200" not in found
    figure("G3", f"renewals in vain in 10 min ({kind}, {fault})", asked, of=f"{len(found)} calls")
    figure("G3", f"calls refused in 10 min ({kind}, {fault})", refused, of=f"{len(found)} calls")


async def test_rests_naively(authority: Authority, connect: Connect) -> None:
    """Without the rest each call would renew."""
    authority.frozen = True
    async with connect(**authority.client("OAuth2")) as api:
        for _ in range(60):
            sold = authority.sold
            api.middleware._directory.servings["acme"].wallet.keyrings.clear()
            with pytest.raises(resilient.AuthenticationFailed):
                await api.get()
            assert sold + 1 == authority.sold
    with pytest.raises(AssertionError):
        _check(authority, 10)


async def test_rests_unsent(authority: Authority, connect: Connect) -> None:
    """Nor does a call renew more often that may not be sent again after it."""
    found = authority.client("OAuth2")
    errors = {**acme.CATALOG["errors"], "expired": {"policy": "reauth"}}
    async with connect(**{**found, "catalog": {**found["catalog"], "errors": errors}}) as api:
        await api.get()
        authority.frozen = True
        for _ in range(600):
            with pytest.raises(resilient.AuthenticationFailed):
                await api.call("POST", "/things")
            await asyncio.sleep(1)
        assert 2 <= len(authority.asked)
        _check(authority, 10)
        authority.frozen = False
        await asyncio.sleep(61)
        assert 200 == (await api.call("POST", "/things")).status


@pytest.mark.parametrize("every", [1, 3, 8])
async def test_one_endpoint_refuses(
    server: Server, connect: Connect, authority: Authority, every: int
) -> None:
    """Where one endpoint refuses whatever is renewed, the calls of the others are sent."""
    plain = authority.answer

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/forbidden":
            return web.Response(**acme.says("expired", status=401))
        return await plain(request)

    server.default = answer  # type: ignore[assignment]
    found = []
    async with connect(**authority.client("OAuth2")) as api:
        for number in range(240):
            await asyncio.sleep(1)
            with pytest.raises(resilient.AuthenticationFailed):
                await api.get("/forbidden")
            if number % every == 0:
                found.append((await api.get()).status)
    assert [200] * (240 // every) == found
    assert 12 > authority.sold


async def test_renewed_by_somebody_else(authority: Authority, connect: Connect) -> None:
    """A pair that somebody stores ends the rest at once."""
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.frozen = True
        await _served(api, 60)
        with pytest.raises(resilient.AuthenticationFailed) as caught:
            await api.get()
        assert caught.value.retry_at is not None
        assert 0 == caught.value.attempts
        authority.frozen = False
        await _is_healed(api, authority)


async def test_first_load_rests(connect: Connect, server: Server, figure: Figure) -> None:
    """A source of tokens that fails from the first is asked as seldom."""
    asked = itertools.count()

    async def get() -> str:
        next(asked)
        raise OSError("down")

    async with connect(credentials=resilient.credentials.Bearer(get)) as api:
        found = await _served(api, 600)
    assert {"NotSent"} == set(found)
    assert 20 >= next(asked)
    assert [] == server.hits
