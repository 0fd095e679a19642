"""Re-authentication: one renewal for all, at most one replay for each, and nobody's failure."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from acme import Client, Connect
from authority import KINDS, Authority, Kind, presiding
from cancel_sweep import MOMENTS, Cut, Moment, sweep
from naive import LockedRefresh
from promises.conftest import Figure, Scale
from server import Server

import resilient


@pytest.fixture
def authority(server: Server) -> Authority:
    """What answers: an API and its authorization server."""
    return presiding(server)


async def _call(http: aiohttp.ClientSession, url: str, name: object = "") -> int:
    headers = {"X-Call": str(name)}
    async with http.get(f"{url}/things", headers=headers) as response:
        await response.read()
        return response.status


async def _all(http: aiohttp.ClientSession, url: str, count: int) -> list[Any]:
    """Make calls at the same time; they come in waves that a listening socket's queue can hold."""

    async def one(number: int) -> int:
        await asyncio.sleep(number // 50 * 0.01)
        return await _call(http, url, number)

    return await asyncio.gather(*map(one, range(count)), return_exceptions=True)


def _check(authority: Authority, answers: Sequence[object]) -> None:
    """Hold an expiry to its promise: one renewal, at most one replay a call, all answered."""
    assert {200} == set(answers)
    assert 1 == authority.sold
    assert 2 >= max(authority.sends.values())


def _storm(authority: Authority) -> None:
    """Let the token expire, and the refusals come at any time, long after the renewal too."""
    chance = random.Random(7)
    authority.expired = True
    authority.takes = lambda: 1.0
    authority.latency = lambda: chance.randrange(5, 50) / 10


@pytest.mark.parametrize("kind", KINDS)
async def test_one_renewal(
    authority: Authority, connect: Connect, kind: Kind, scale: Scale, figure: Figure
) -> None:
    """A thousand expiries at once cost one renewal; refusals that come after it only replay."""
    count = scale(60, 1000 if kind == "OAuth2" else 300)
    async with connect(**authority.client(kind)) as api, _unbounded(api) as http:
        assert 200 == await _call(http, api.url, "first")
        _storm(authority)
        answers = await _all(http, api.url, count)
    _check(authority, answers)
    assert count == authority.refused
    assert count / 2 < authority.late
    figure("G1", f"renewals by {kind}", authority.sold, of=f"{count} expiries at once")


def _unbounded(api: Client) -> Any:
    connector = aiohttp.TCPConnector(limit=0)
    return resilient.session(api.middleware, connector=connector)


async def test_one_renewal_naively(authority: Authority, server: Server, figure: Figure) -> None:
    """A refresh under a lock and nothing more renews once for every call."""
    async with aiohttp.ClientSession() as plain:
        naive = LockedRefresh("a0", lambda: authority.buy(plain))
        async with aiohttp.ClientSession(middlewares=(naive,)) as http:
            _storm(authority)
            answers = await _all(http, server.url, 50)
    with pytest.raises(AssertionError):
        _check(authority, answers)
    assert 10 < authority.sold
    figure("G1", "renewals by a refresh under a lock", authority.sold, of="50 expiries at once")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_leader(
    authority: Authority, connect: Connect, kind: Kind, moment: Moment, figure: Figure
) -> None:
    """The call that begins a renewal is cancelled at each of its waits: no other call fails."""
    authority.takes = lambda: 1.0
    failed = 0

    async def run(cut: Cut) -> None:
        nonlocal failed
        authority.expired = True
        sold = authority.sold
        leader = asyncio.create_task(cut(api.get()))
        await asyncio.sleep(0.1)
        answers = await asyncio.gather(*[api.get() for _ in range(3)], return_exceptions=True)
        failed += sum(not isinstance(each, aiohttp.ClientResponse) for each in answers)
        await asyncio.wait([leader])
        assert sold + 1 == authority.sold

    async with connect(**authority.client(kind)) as api:
        await api.get()
        waits = await sweep(run, moment)
        assert 200 == (await api.get()).status
    assert (0, 0, 0) == (failed, authority.revoked, authority.unsaved)
    assert 2 < waits
    figure("G1", f"followers failed ({kind}, {moment})", failed, of=f"{waits} waits cut")


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelled_in_each_phase(authority: Authority, connect: Connect, kind: Kind) -> None:
    """It is cancelled while the token is asked for, sold, on its way and being stored."""
    authority.takes, authority.store.takes = lambda: 1.0, 1.0
    async with connect(**authority.client(kind)) as api:
        await api.get()
        for tenths in range(1, 22, 2):
            authority.expired, sold = True, authority.sold
            leader = asyncio.create_task(api.get())
            followers = [asyncio.create_task(api.get()) for _ in range(3)]
            await asyncio.sleep(tenths / 10)
            leader.cancel()
            answers = await asyncio.gather(*followers)
            assert {200} == {each.status for each in answers}
            assert sold + 1 == authority.sold
    assert (0, 0) == (authority.revoked, authority.unsaved)


@pytest.mark.parametrize("kind", KINDS)
async def test_one_renewal_a_call(
    authority: Authority, connect: Connect, kind: Kind, scale: Scale
) -> None:
    """A call renews once and is replayed once at most, whatever it is told then."""
    authority.frozen = True
    async with connect(**authority.client(kind)) as api:
        for name in range(scale(8, 200)):
            sold = authority.sold
            with pytest.raises(resilient.AuthenticationFailed):
                await _call(api.http, api.url, name)
            assert 1 >= authority.sold - sold
            await asyncio.sleep(61)
    assert {2} == set(authority.sends.values())


async def test_old_refusal_only_replays(authority: Authority, connect: Connect) -> None:
    """A refusal of an older generation's token costs a replay, and no renewal."""
    delays = iter([20.0, 0.0])
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.expired = True
        authority.latency = lambda: next(delays, 0.0)
        slow = asyncio.create_task(_call(api.http, api.url, "slow"))
        await asyncio.sleep(1)
        assert 200 == await _call(api.http, api.url, "quick")
        assert 200 == await slow
    assert (1, 2, 2) == (authority.sold, authority.sends["slow"], authority.sends["quick"])
