"""Cancelled or closed while it asks a shared store, a call leaves nothing behind."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import aiohttp
import attrs
import pytest
import pytest_asyncio
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from cancel_sweep import MOMENTS, Cut, Moment, nothing_said, sweep
from naive_link import keep_connections
from promises.conftest import Figure, Scale
from redis_front import Front, fronting
from redis_server import RedisServer
from server import Server
from until import until as bounded

import resilient
from resilient.config.service import SharedStore
from resilient.state.grant import Grant

pytestmark = pytest.mark.real_time

QUOTA = {"hour": {"rate": "1000/h", "per": ["ip"]}}
SECOND = {**QUOTA, "second": {"rate": "10/s", "per": ["ip"], "jitter": 0}}
BOOK = "resilient:1:{api}:quota:hour:ip:here"
PATIENCE = 10.0
until = partial(bounded, within=PATIENCE)
LEAKS = pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    """Let what a test leaves be told there, and not in the next one."""
    yield
    gc.collect()


@attrs.define(eq=False)
class Place:
    """An API and a store, and how instances reach them."""

    server: Server
    redis: RedisServer
    front: Front
    limits: dict[str, Any] = attrs.field(factory=lambda: QUOTA)
    ahead: int = 0
    room: int = 100
    late: float = 0.0
    timeout: float = 2.0
    began: int = 0

    def middleware(self) -> resilient.Middleware:
        """Return one that knows nothing yet."""
        keys = {"catalog": "http", "hosts": [self.server.host], "egress": "here"}
        config = resilient.load({"services": {"api": {**keys, "limits": self.limits}}})
        store = SharedStore(url=self.front.url(), timeout=self.timeout)
        return resilient.Middleware(attrs.evolve(config, store=store))

    @asynccontextmanager
    async def client(
        self,
    ) -> AsyncIterator[tuple[resilient.Middleware, aiohttp.ClientSession]]:
        """Open a client that has met the store."""
        middleware = self.middleware()
        connector = aiohttp.TCPConnector(limit=self.room)
        async with aiohttp.ClientSession(
            connector=connector, middlewares=(middleware, self.count)
        ) as http:
            await self.call(http)
            yield middleware, http
        await middleware.aclose()

    async def count(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Count, as a middleware, the attempts that begin."""
        self.began += 1
        return await handler(request)

    async def call(self, http: aiohttp.ClientSession) -> int:
        """Make a call, read what comes, and return its status."""
        async with http.get(self.server.url) as response:
            await response.read()
            return response.status

    def counted(self) -> int:
        """Return how many calls the store counts within the hour."""
        count = "local book = cmsgpack.unpack(redis.call('GET', KEYS[1])) return book[4]"
        return int(self.redis.command("EVAL", count, 1, BOOK))

    async def run(self, cut: "Cut | OnItsWay") -> None:
        """Make a call with others before and behind it, cut it, and check what is left."""
        self.redis.flush()
        self.began, before = 0, asyncio.all_tasks()
        async with self.client() as (middleware, http):
            opened, self.front.late = len(self.front.opened), self.late
            ahead = [asyncio.create_task(self.call(http)) for _ in range(self.ahead)]
            task = asyncio.create_task(cut(self.call(http)))
            behind = asyncio.create_task(self.call(http))
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([task, *ahead, behind])
            assert cut.made is task.cancelled()
            assert {200} == {each.result() for each in (*ahead, behind)}
            assert 200 == await self.call(http)
            self.front.late = 0.0
            await self.check_books(dropped=len(self.front.opened) - opened)
            check_nothing_is_held(middleware, http)
        await self.settle(before)

    async def check_books(self, dropped: int) -> None:
        """Check that what was sent is spent; what was asked for and lost with it may be, too."""
        with suppress(TimeoutError):  # what is given back is on its way
            await until(lambda: self._lost() <= dropped * (2 + self.ahead), within=1.0)
        assert self._lost() >= 0, "more was sent than is spent"
        assert self._lost() <= dropped * (2 + self.ahead), "a token is missing"

    def _lost(self) -> int:
        return self.counted() - self.began

    async def settle(self, before: "set[asyncio.Task[Any]]") -> None:
        """Check that no task and no connection to the store is left."""
        await until(lambda: not self.front.open)
        left = asyncio.all_tasks() - before
        assert [] == [each for each in left if "resilient" in repr(each.get_coro())]


def check_nothing_is_held(middleware: resilient.Middleware, http: aiohttp.ClientSession) -> None:
    """Check that no connection, place in a queue or question is held."""
    connector: Any = http.connector
    assert set() == connector._acquired
    admission = middleware._admission
    for lane in admission.memory.lanes.values():
        assert (0, 0, ()) == (lane.live, lane.queued, lane.asked)
        assert [0] * len(lane.pools) == [pool.used for pool in lane.pools]
        assert [0] * len(lane.scopes) == [gate.state.in_flight for gate in lane.scopes]
        shut: Any = [*lane.scopes, *lane.limits]
        assert [None] * len(shut) == [gate.shut.asking for gate in shut], "nobody asks any more"


@pytest_asyncio.fixture
async def place(server: Server, redis_server: RedisServer) -> AsyncIterator[Place]:
    """An API and a store."""
    async with fronting(redis_server.path) as front:
        yield Place(server, redis_server, front)


SCENARIOS: dict[str, Callable[[Place], Place]] = {
    "asks": lambda place: place,
    "waits": lambda place: attrs.evolve(place, limits=SECOND, ahead=2),
    "asks late": lambda place: attrs.evolve(place, ahead=1, late=0.01),
    "connection": lambda place: attrs.evolve(place, ahead=1, room=1),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_sweep(place: Place, scale: Scale, figure: Figure, name: str, moment: Moment) -> None:
    """Cancelled at any wait, a call that asks a store leaves no token, place, task, connection."""
    waits = 0
    with nothing_said():
        for _ in range(scale(1, 4)):
            waits += await sweep(SCENARIOS[name](place).run, moment, step=scale(2, 1))
    assert waits
    figure("C1", f"shared, {name}: things left, cancelled as a wait {moment}", 0, of=waits)


@attrs.define(eq=False)
class OnItsWay:
    """Cancels the task that drives a coroutine when the store has been sent so many pipelines."""

    front: Front
    pipelines: int
    made: bool = False

    async def __call__(self, coroutine: Awaitable[int]) -> int:
        """Drive a coroutine, in the current task."""
        end = len(self.front.heard) + self.pipelines
        watch = asyncio.ensure_future(self._cancel(end, asyncio.current_task()))
        try:
            return await coroutine
        finally:
            watch.cancel()

    async def _cancel(self, end: int, task: "asyncio.Task[int] | None") -> None:
        await until(lambda: len(self.front.heard) >= end)
        assert task is not None
        self.made = task.cancel()


async def cancel_on_its_way(place: Place, times: int) -> None:
    """Cancel calls when the first, second … question is on its way, theirs or that of others."""
    for _ in range(times):
        for pipelines in range(1, 8):
            found = SCENARIOS["asks late"](place)
            await found.run(OnItsWay(place.front, pipelines))


async def test_on_its_way(place: Place, scale: Scale, figure: Figure) -> None:
    """Cancelled while its question is on its way with those of others, a call leaves nothing."""
    times = scale(1, 20)
    with nothing_said():
        await cancel_on_its_way(place, times)
    figure("C1", "shared: things left, cancelled as a question is on its way", 0, of=7 * times)


@LEAKS
async def test_on_its_way_naively(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check finds a token that was granted to a call that had left, and is kept."""
    monkeypatch.setattr(Grant, "cancel", Grant.unsent)
    with pytest.raises(AssertionError, match="a token is missing"):
        await cancel_on_its_way(place, 1)


async def cancel_in_flight(place: Place, late: float = 0.05) -> None:
    """Cancel a call while Redis works on its question, and ask for something else at once."""
    async with place.client() as (middleware, http):
        place.front.late = late
        heard = len(place.front.heard)
        task = asyncio.create_task(place.call(http))
        await until(lambda: len(place.front.heard) > heard)
        task.cancel()
        await asyncio.wait([task])
        store: Any = middleware._store
        assert [b"PONG"] == await store.link.run([("PING",)]), "the answer to somebody else"


async def test_reply_of_another(place: Place, scale: Scale) -> None:
    """After a call was cancelled nobody reads the answer that was meant for it."""
    for _ in range(scale(3, 50)):
        await cancel_in_flight(place)
        place.front.late = 0.0


@LEAKS
async def test_reply_of_another_naively(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check finds a connection that is used again after a cancellation."""
    async with place.client():
        pass
    with monkeypatch.context() as patched:
        keep_connections(patched)
        with pytest.raises(AssertionError, match="somebody else"):
            await cancel_in_flight(attrs.evolve(place, timeout=0.1), late=0.3)


async def spoil_nothing(_: Place) -> None:
    """Let the store answer."""


async def suspend(place: Place) -> None:
    """Let the store hang."""
    place.redis.suspend()


async def lose(place: Place) -> None:
    """Let the connection break."""
    place.front.refuses = True


@pytest.mark.parametrize("spoil", [spoil_nothing, suspend, lose])
@pytest.mark.parametrize("turns", [1, 2, 5, 40])
async def test_close(place: Place, spoil: Callable[[Place], Awaitable[None]], turns: int) -> None:
    """Closed while 100 calls ask the store, whatever it answers, each ends, and nothing is left."""
    before = asyncio.all_tasks()
    with nothing_said():
        async with attrs.evolve(place, timeout=0.1).client() as (middleware, http):
            await spoil(place)
            calls = [asyncio.create_task(place.call(http)) for _ in range(100)]
            for _ in range(turns):
                await asyncio.sleep(0)
            await middleware.aclose()
            found = await asyncio.gather(*calls, return_exceptions=True)
            check_nothing_is_held(middleware, http)
    assert {resilient.NotSent} >= {type(each) for each in found if each != 200}
    await place.settle(before)
