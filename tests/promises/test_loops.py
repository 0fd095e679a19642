"""One middleware, several event loops: its limits hold, or it says clearly why it does not work."""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import acme
import aiohttp
import attrs
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from oracle import most_in_window
from promises.conftest import Figure, Scale
from raw_server import raw_serving

import resilient
from resilient.credentials import Bearer
from resilient.testing import VirtualTimeLoop

T = TypeVar("T")

THREADS = 8
PATIENCE = 20.0
"""Real seconds after which threads that have not ended are a deadlock."""

NEEDS_EAGER = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are of 3.12")


@pytest.fixture
def config(tmp_path: Path) -> resilient.Config:
    """A service on this machine, with a limit."""
    limits = {"calls": {"rate": "20/s", "per": ["credential"]}}
    keys = {"catalog": acme.write(tmp_path, limits=limits), "hosts": ["127.0.0.1"]}
    return resilient.load({"services": {"acme": {**keys, "timeout": "10m"}}})


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let Python switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[], object]) -> list[object]:
    """Run `work` in several threads that start together, and return what came of each.

    What is raised is a result, too; None stands for a thread that did not end.
    """
    found: list[object] = [None] * THREADS
    together = threading.Barrier(THREADS)

    def run_one(number: int) -> None:
        together.wait()
        try:
            found[number] = work()
        except Exception as error:  # noqa: BLE001 - a result
            found[number] = error

    threads = [threading.Thread(target=run_one, args=(n,), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return found


@attrs.define(eq=False)
class Race:
    """Threads that use one middleware at the same time; who gets in waits for the others."""

    middleware: Any
    inside: list[int] = attrs.field(factory=list)
    refused: list[int] = attrs.field(factory=list)

    def run(self) -> str:
        """Be one of the threads."""
        try:
            asyncio.run(self._call())
        except resilient.ConfigError as error:
            self.refused.append(1)
            return str(error)
        return "it worked"

    async def _call(self) -> None:
        async with aiohttp.ClientSession(middlewares=(self.middleware, self._wait)) as http:
            with suppress(aiohttp.ClientError):
                await http.get("http://127.0.0.1:9/things")

    async def _wait(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        self.inside.append(1)
        while len(self.inside) + len(self.refused) < THREADS:  # noqa: ASYNC110 - of threads
            await asyncio.sleep(0.001)
        raise aiohttp.InvalidURL("nowhere")


def check_race(race: Race) -> None:
    """Check that one thread got in, and that the others were told why they did not."""
    found = in_threads(race.run)
    assert None not in found, "a deadlock"
    assert 1 == found.count("it worked"), "several at once"
    assert THREADS - 1 == sum("another event loop" in str(each) for each in found)


def test_threads(config: resilient.Config, hurried: None, scale: Scale, figure: Figure) -> None:
    """Of threads that use it at the same time one works; the others get a ConfigError."""
    rounds = scale(10, 200)
    for _ in range(rounds):
        check_race(Race(resilient.Middleware(config, credentials={"acme": "key"})))
    figure("K1", "deadlocks", 0, of=rounds)
    figure("K1", "threads that worked beside another", 0, of=rounds * THREADS)


def test_threads_naively(hurried: None) -> None:
    """The check finds a limiter that lets every loop in."""

    async def careless(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        return await handler(request)

    with pytest.raises(AssertionError, match="several at once"):
        check_race(Race(careless))


def run_from(start: float, main: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, float]:
    """Run in a loop of its own, in virtual time that goes on from `start`; return its end, too."""
    loop = VirtualTimeLoop()
    loop._jumping.now = start
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        found = runner.run(main())
        return found, loop.time()


async def burst(middleware: Any, calls: int) -> list[float]:
    """Make calls at once, and return when each arrived."""
    async with (
        raw_serving() as server,
        aiohttp.ClientSession(middlewares=(middleware,)) as http,
    ):
        async with asyncio.timeout(1000):
            await asyncio.gather(*(http.get(server.url + "/things") for _ in range(calls)))
        return [hit.at for hit in server.hits]


def most(middleware: Callable[[], Any], loops: int, calls: int = 25) -> int:
    """Return the most calls of any second, made in one loop after another."""
    now, times = 1e6, list[float]()
    for _ in range(loops):
        found, now = run_from(now, partial(burst, middleware(), calls))
        times += found
    assert loops * calls == len(times)
    return most_in_window(((time, 1) for time in times), 1.0)


def test_successive_loops(config: resilient.Config, scale: Scale, figure: Figure) -> None:
    """Used in one loop after another, as by several `asyncio.run`, it keeps its limits."""
    middleware, loops = resilient.Middleware(config, credentials={"acme": "key"}), scale(5, 100)
    found = most(lambda: middleware, loops)
    assert 17 <= found <= 20
    figure("K1", "calls in a second, of 20 allowed, in successive loops", found, of=loops)


def test_successive_loops_naively() -> None:
    """The same measure of a limiter that belongs to its loop: it begins anew with each."""

    def limited() -> Any:
        room = asyncio.Semaphore(20)

        async def naive(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            await room.acquire()
            asyncio.get_running_loop().call_later(1.0, room.release)
            return await handler(request)

        return naive

    assert 20 < most(limited, 2)


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("busy", ["queue", "load", "factory", "attempt"])
def test_a_loop_that_ends_badly(config: resilient.Config, busy: str) -> None:
    """A loop that is closed under its calls takes nothing along: in the next one calls flow."""
    stuck = busy

    async def pass_by(where: str) -> str:
        if stuck == where:
            await asyncio.sleep(1000)
        return "token"

    async def factory(_: str) -> Bearer:
        await pass_by("factory")
        return Bearer(partial(pass_by, "load"))

    async def inner(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        await pass_by("attempt")
        raise aiohttp.InvalidURL("nowhere")

    async def begin() -> tuple[aiohttp.ClientSession, list[Any]]:
        http = aiohttp.ClientSession(middlewares=(middleware, inner))
        url = "http://127.0.0.1:9/things"
        calls = [asyncio.ensure_future(http.get(url)) for _ in range(9)]
        await asyncio.sleep(0.2)
        return http, calls

    middleware = resilient.Middleware(config, credentials={"acme": factory})
    loop = VirtualTimeLoop()
    with resilient.options(credential="mine"):
        http, calls = loop.run_until_complete(begin())
        assert not all(call.done() for call in calls)
        loop.close()
        http.detach()
        stuck = ""
        found, _ = run_from(loop.time(), partial(burst, middleware, 3))
    assert 3 == len(found)
    calls.clear()
    gc.collect()


@NEEDS_EAGER
def test_eager_tasks(config: resilient.Config) -> None:
    """Where tasks start at once, limits hold, one load serves all, and a cancel leaves nothing."""
    loads = []

    async def load() -> str:
        loads.append(1)
        await asyncio.sleep(0.2)
        return "token"

    middleware = resilient.Middleware(config, credentials={"acme": Bearer(load)})

    async def eagerly() -> list[float]:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - 3.12
        async with (
            raw_serving() as server,
            aiohttp.ClientSession(middlewares=(middleware,)) as http,
        ):
            calls = [asyncio.create_task(_status(http, server.url)) for _ in range(60)]
            await asyncio.sleep(1)
            for call in calls[1::2]:
                call.cancel()
            await asyncio.wait(calls)
            states = middleware.state().values()
            assert {(0, 0)} == {(state.in_flight, state.waiting) for state in states}
            return [hit.at for hit in server.hits]

    times, _ = run_from(1e6, eagerly)
    assert 20 >= most_in_window(((time, 1) for time in times), 1.0)
    assert 30 < len(times) < 60
    assert [1] == loads


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url + "/things") as response:
        return response.status
