"""Rotation: a new pair is stored before it is used, and a refresh token is spent once."""

import asyncio
import random
from typing import Any

import aiohttp
import attrs
import pytest
from acme import Client, Connect
from aiohttp import web
from authority import Authority, Kind, presiding
from naive import LockedRefresh
from promises.conftest import Figure, Scale
from server import Server

import resilient
from resilient.credentials import TokenPair


@pytest.fixture
def authority(server: Server) -> Authority:
    """What answers: an API and its authorization server."""
    return presiding(server)


def _check(authority: Authority) -> None:
    """Hold all that was bought to its promise."""
    assert 0 == authority.revoked
    assert 0 == authority.unsaved
    assert len(authority.asked) == len(set(authority.asked))


@attrs.define(eq=False)
class Races:
    """Expiries, one after the other, each with calls that come, fail and go at any time.

    Attributes:
        raced: How many.
        odd: Exceptions that are none of the library's.
    """

    api: Client
    authority: Authority
    chance: random.Random = attrs.field(factory=lambda: random.Random(11))
    raced: int = 0
    odd: list[Any] = attrs.field(factory=list)

    async def run(self, count: int) -> None:
        """Race."""
        for _ in range(count):
            await self._race()
            self.raced += 1

    async def _race(self) -> None:
        store = self.authority.store
        self.authority.expired = True
        self.authority.takes = lambda: self.chance.choice((0.0, 0.2, 0.4))
        self.authority.latency = lambda: self.chance.choice((0.0, 0.1, 0.3))
        store.takes = self.chance.choice((0.0, 0.2))
        store.fault = OSError("full") if self.chance.random() < 0.2 else None
        calls = [asyncio.create_task(self._call()) for _ in range(self.chance.randrange(2, 6))]
        for call in calls:
            if self.chance.random() < 0.3:
                asyncio.get_running_loop().call_later(self.chance.random(), call.cancel)
        found = await asyncio.gather(*calls, return_exceptions=True)
        ours = (int, resilient.ResilientError, asyncio.CancelledError)
        self.odd += [each for each in found if not isinstance(each, ours)]
        store.fault = None
        await asyncio.sleep(2)

    async def _call(self) -> int:
        await asyncio.sleep(self.chance.choice((0.0, 0.0, 0.1, 0.3)))
        return (await self.api.get()).status


@pytest.mark.parametrize("kind", ["OAuth2", "TokenStore"])
async def test_races(
    authority: Authority, connect: Connect, kind: Kind, scale: Scale, figure: Figure
) -> None:
    """No family is revoked, whatever is slow, fails or is cancelled while a pair is bought."""
    async with connect(**authority.client(kind)) as api:
        races = Races(api, authority)
        await api.get()
        await races.run(scale(50, 1_000))
        await asyncio.sleep(60)
        assert 200 == (await api.get()).status
    _check(authority)
    assert [] == races.odd
    assert races.raced / 2 < authority.sold
    figure("G2", f"families revoked ({kind})", authority.revoked, of=f"{races.raced:,} races")
    figure("G2", f"calls with a token that was not stored ({kind})", authority.unsaved)


async def test_races_naively(authority: Authority, server: Server, figure: Figure) -> None:
    """A refresh within the call that needs it loses the pair when that call is cancelled."""
    authority.takes = lambda: 1.0
    async with aiohttp.ClientSession() as plain:
        naive = LockedRefresh("a0", lambda: authority.buy(plain))
        async with aiohttp.ClientSession(middlewares=(naive,)) as http:
            authority.expired = True
            leader = asyncio.create_task(_status(http, server.url))
            await asyncio.sleep(0.7)
            leader.cancel()
            with pytest.raises(KeyError):
                await _status(http, server.url)
    with pytest.raises(AssertionError):
        _check(authority)
    figure("G2", "families revoked by a refresh within the call", authority.revoked, of="1 race")


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(f"{url}/things") as response:
        return response.status


@pytest.mark.parametrize("fault", [OSError("full"), RuntimeError("bug"), asyncio.CancelledError()])
async def test_not_stored(authority: Authority, connect: Connect, fault: BaseException) -> None:
    """A pair that could not be stored is used by nobody until it is; the old one never again."""
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.expired, authority.store.fault = True, fault
        answers = await asyncio.gather(*[api.get() for _ in range(5)], return_exceptions=True)
        assert 5 == sum(isinstance(each, Exception) for each in answers)
        assert "a0" == authority.store.pair.access_token
        assert 200 == (await api.get()).status
    assert ["r0"] == authority.asked
    assert "a1" == authority.store.pair.access_token
    _check(authority)


async def test_reply_lost(authority: Authority, connect: Connect) -> None:
    """A purchase without an answer is tried again by a later call, and by no other way."""
    lost = 0

    def lose() -> web.Response:
        nonlocal lost
        lost += 1
        return web.Response(status=503)

    authority.refusal = lose
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.expired = True
        with pytest.raises(resilient.ResilientError):
            await api.get()
        assert 1 == lost
        authority.refusal = None
        assert 200 == (await api.get()).status
    assert ["r0", "r0"] == authority.asked
    assert 0 == authority.revoked


@pytest.mark.parametrize(("ends", "sends"), [(None, 3), (4e9, 3), (0.0, 2)])
async def test_two_processes(
    authority: Authority, connect: Connect, ends: float | None, sends: int
) -> None:
    """A pair that another process bought, and that has run out since, is renewed in the call."""
    store = authority.store
    first, second = (authority.client("OAuth2") for _ in range(2))
    async with connect(**first) as api, connect(**second) as other:
        await asyncio.gather(api.get(), other.get())
        for bought in (1, 3, 5):
            authority.expired = True
            assert 200 == (await other.get()).status
            assert bought == authority.sold
            store.pair, authority.expired = attrs.evolve(store.pair, expires_at=ends), True
            assert 200 == (await api.get(headers={"X-Call": f"{bought}"})).status
            assert (bought + 1, sends) == (authority.sold, authority.sends[f"{bought}"])
    _check(authority)


async def test_taken_in_vain(authority: Authority, connect: Connect) -> None:
    """Where what was taken from the store is of no use either, one renewal is all there is."""
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.sold, authority.frozen = 1, True
        await authority.store.save(TokenPair("a1", "r1"))
        with pytest.raises(resilient.AuthenticationFailed) as caught:
            await api.get()
    assert (["r1"], 3) == (authority.asked, caught.value.attempts)
    _check(authority)
