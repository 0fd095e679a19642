"""What was spent while a shared store was away, or may have been, is spent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import aiohttp
import attrs
import pytest
import pytest_asyncio
import redis.asyncio
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from promises.conftest import Figure, Scale
from redis_front import Front, fronting
from redis_server import RedisServer
from server import Server
from until import until as bounded

import resilient
from resilient.config.service import SharedStore
from resilient.state.redis.gates import SharedLimit
from resilient.state.redis.presence import BUSY

pytestmark = pytest.mark.real_time

QUOTA = 20
PATIENCE = 15.0
until = partial(bounded, within=PATIENCE)
LATE = (resilient.DeadlineExceeded, resilient.TransportTimeout)


@attrs.define(eq=False)
class Place:
    """An API with a quota, a store, and a config of those who share it."""

    server: Server
    redis: RedisServer
    front: Front
    config: resilient.Config
    stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)
    made: list[resilient.Middleware] = attrs.field(factory=list)

    async def open(self, prefix: str = "p", patience: float = 0.5) -> aiohttp.ClientSession:
        """Open an instance; those with one prefix share the quota."""
        store = SharedStore(url=self.front.url(), prefix=prefix, timeout=patience)
        middleware = resilient.Middleware(attrs.evolve(self.config, store=store))
        self.made.append(middleware)
        self.stack.push_async_callback(middleware.aclose)
        return await self.stack.enter_async_context(resilient.session(middleware))

    async def spend(self, http: aiohttp.ClientSession, calls: int, path: str = "") -> int:
        """Make calls, one after the other; return how many were not refused."""
        for made in range(calls):
            with suppress(*LATE), resilient.options(timeout=2.0):
                async with http.get(f"{self.server.url}/{path}"):
                    continue
            return made
        return calls

    async def is_down(self, *, down: bool) -> None:
        """Wait until every instance knows whether the store is down."""
        await until(lambda: all(_up(each) is not down for each in self.made))


def _up(middleware: resilient.Middleware) -> bool:
    store: Any = middleware._store
    return bool(store.outage.up)


@pytest_asyncio.fixture
async def place(server: Server, redis_server: RedisServer) -> AsyncIterator[Place]:
    """An API with a quota, and a store."""
    limits = {"hour": {"rate": f"{QUOTA}/h", "per": ["ip"]}}
    keys = {"catalog": "http", "hosts": [server.host], "egress": "here", "limits": limits}
    config = resilient.load({"services": {"api": keys}})
    async with fronting(redis_server.path) as front:
        place = Place(server, redis_server, front, config)
        async with place.stack:
            yield place


async def check_quota(place: Place, *, idle: bool = False) -> None:
    """Check that of a quota no more than there is goes before, in and after an outage together.

    Args:
        place: Of the instances.
        idle: Whether one instance does not ask any more after the outage, and another does first.
    """
    first, second = [await place.open() for _ in range(2)]
    assert 2 == await place.spend(first, 1) + await place.spend(second, 1)
    await asyncio.sleep(BUSY)
    assert 4 == await place.spend(first, 2) + await place.spend(second, 2)
    await until(lambda: all(_seen(each) == 2 for each in place.made))
    place.front.refuses = True
    assert 6 == await place.spend(first, 4) + await place.spend(second, 2)
    await place.is_down(down=True)
    place.front.refuses = False
    await place.is_down(down=False)
    more = 0 if idle else await place.spend(second, 1)
    more += await place.spend(first, QUOTA) + await place.spend(second, QUOTA)
    assert 12 + more <= QUOTA, "granted again"
    assert 12 + more >= QUOTA - len(place.made), "lost"


def _seen(middleware: resilient.Middleware) -> int:
    store: Any = middleware._store
    return int(store.outage.instances.get("api", 0))


async def test_quota(place: Place) -> None:
    """What instances spent of a quota while the store was away is not granted again."""
    await check_quota(place)
    assert QUOTA >= len(place.server.hits)


async def test_quota_of_who_is_idle(place: Place) -> None:
    """It is not granted again either while an instance that spent it has nothing to ask."""
    await check_quota(place, idle=True)


async def test_quota_naively(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check finds instances that do not tell the store what they spent without it."""
    monkeypatch.setattr(SharedLimit, "confess", lambda *_: (0.0, 0))
    with pytest.raises(AssertionError, match="granted again"):
        await check_quota(place)


async def interrupt(place: Place, turns: int) -> None:
    """Stop the store after so many turns of the loop, and let it go on when all have given up."""
    for _ in range(turns):
        await asyncio.sleep(0)
    place.redis.suspend()
    await asyncio.sleep(0.25)
    place.redis.resume()


def check_count(server: Server, path: str) -> int:
    """Check that no more than the quota arrived; return how many did."""
    found = sum(hit.path == f"/{path}" for hit in server.hits)
    assert found <= QUOTA, "more than the quota"
    return found


async def test_ambiguous(place: Place, scale: Scale, figure: Figure) -> None:
    """Calls whose answer was lost count as spent: no more than the quota ever arrives."""
    rounds, many = scale(2, 20), scale(10, 25)
    for turn in range(rounds):
        paths = [f"{turn}-{number}" for number in range(many)]
        clients = [await place.open(path, patience=0.1) for path in paths]
        for http, path in zip(clients, paths, strict=True):
            await place.spend(http, 2, path)
        calls = [
            place.spend(http, 1, path)
            for http, path in zip(clients, paths, strict=True)
            for _ in range(QUOTA + 10)
        ]
        await asyncio.gather(interrupt(place, turn), *calls)
        for path in paths:
            check_count(place.server, path)
    figure("E2", "calls above a quota after SIGSTOP in mid-call", 0, of=rounds * many)


async def test_ambiguous_naively(server: Server, redis_server: RedisServer) -> None:
    """The check finds a counter that lets calls go when Redis does not say how many went."""
    counter = redis.asyncio.Redis(unix_socket_path=str(redis_server.path))

    async def naive(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                if await counter.incr("calls") > QUOTA:
                    raise aiohttp.InvalidURL("refused")
        return await handler(request)

    async def call(http: aiohttp.ClientSession) -> None:
        with suppress(aiohttp.InvalidURL):
            await http.get(f"{server.url}/naive")

    async with counter, aiohttp.ClientSession(middlewares=(naive,)) as http:
        await asyncio.gather(*(call(http) for _ in range(QUOTA - 5)))
        redis_server.suspend()
        await asyncio.gather(*(call(http) for _ in range(QUOTA)))
        redis_server.resume()
    with pytest.raises(AssertionError, match="more than the quota"):
        check_count(server, "naive")
