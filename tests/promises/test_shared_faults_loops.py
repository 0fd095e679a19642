"""A Middleware with a shared store in several loops, one after the other, and across a fork."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from promises.conftest import Figure, Scale
from redis_server import RedisServer
from server import Server, serving

import resilient
from resilient.state.redis.errands import Ask
from resilient.state.redis.store import RedisStore

WORKER = Path(__file__).with_name("forking_worker.py")
PATIENCE = 20.0
CALLS = 4


@pytest.mark.real_time
async def test_fork(
    server: Server, redis_server: RedisServer, scale: Scale, figure: Figure
) -> None:
    """After a fork parent and child call themselves differently, and share no connection."""
    times = scale(1, 10)
    for _ in range(times):
        server.hits.clear()
        command = (str(WORKER), server.url, redis_server.unix_url, str(CALLS))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE):
            told, _ = await process.communicate()
        assert 0 == process.returncode
        parent, child, again = json.loads(told)
        assert 3 * CALLS == len(server.hits)
        assert parent["pid"] == again["pid"] != child["pid"]
        told_of = (parent, child, again)
        assert 3 == len({each["instance"] for each in told_of})
        assert [1, 1, 1] == [len(each["sockets"]) for each in told_of]
        assert parent["sockets"] != child["sockets"], "a connection is shared"
    figure("K2", "connections shared across a fork", 0, of=times)


def in_a_loop(work: Callable[[], Coroutine[Any, Any, Any]], patience: float) -> Any:
    """Run in a loop of its own, with a bound."""

    async def bounded() -> Any:
        async with asyncio.timeout(patience):
            return await work()

    return asyncio.run(bounded())


async def call(http: aiohttp.ClientSession, server: Server) -> None:
    """Make a call."""
    async with http.get(server.url):
        pass


def middleware(store: RedisServer) -> resilient.Middleware:
    """Return one for any port of this machine."""
    limits = {"calls": {"rate": "20/s", "per": ["ip"]}}
    service = {"catalog": "http", "hosts": ["127.0.0.1"], "egress": "here", "limits": limits}
    shared = {"url": store.unix_url, "timeout": "2s"}
    return resilient.Middleware({"store": shared, "services": {"api": service}})


LEFT_OPEN = pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)


def check_loops(made: resilient.Middleware, store: RedisServer, patience: float = PATIENCE) -> None:
    """Check that it works in a second loop though the first ended while its store was asked."""

    async def leave() -> None:
        async with serving() as server, resilient.session(made) as http:
            await call(http, server)
            left = [asyncio.ensure_future(call(http, server)) for _ in range(3)]
            await asyncio.sleep(0.02)  # one waits for the limit
            store.suspend()
            await asyncio.sleep(0.1)  # and is asked for
            for each in left:
                each.cancel()

    async def go_on() -> int:
        async with serving() as server, resilient.session(made) as http:
            await asyncio.gather(*(call(http, server) for _ in range(3)))
            await made.aclose()
            return len(server.hits)

    in_a_loop(leave, patience)
    store.resume()
    assert 3 == in_a_loop(go_on, patience)


@LEFT_OPEN
def test_successive_loops(redis_server: RedisServer) -> None:
    """Left in the middle of a question, it works in the next loop, under another name."""
    made = middleware(redis_server)
    check_loops(made, redis_server)


@LEFT_OPEN
def test_successive_loops_naively(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check finds a store that does not let go of the loop before."""
    monkeypatch.setattr(RedisStore, "forget", lambda _: None)
    monkeypatch.setattr(Ask, "lost", lambda *_, **__: None)
    made = middleware(redis_server)
    with pytest.raises(TimeoutError):
        check_loops(made, redis_server, patience=2.0)
