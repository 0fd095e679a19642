"""The lock in Redis: one holder, numbers that grow, an end by itself, and nothing without it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest
from redis_server import RedisServer

from resilient.config.service import SharedStore
from resilient.state.redis.lease import UNGUARDED, Lease
from resilient.state.redis.link import Command, ErrorReply, Link, Unreachable, make_link

pytestmark = pytest.mark.real_time

KEY = "{crm}:lease"


@attrs.define(eq=False)
class Run:
    """The way to Redis, which may lose what it is given, or the answer.

    Attributes:
        loses: What happens to the next commands.
    """

    link: Link
    loses: str = ""

    async def __call__(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands."""
        loses, self.loses = self.loses, ""
        if loses == "commands":
            raise Unreachable("lost", sent=False)
        replies = await self.link.run(commands)
        if loses == "answer":
            raise Unreachable("lost")
        return [ErrorReply("OOM no memory")] if loses == "error" else replies


@pytest.fixture
async def run(redis_server: RedisServer) -> AsyncIterator[Run]:
    """The way to a Redis."""
    link = make_link(SharedStore(url=redis_server.url))
    yield Run(link)
    await link.aclose()


@asynccontextmanager
async def _gone(server: RedisServer) -> AsyncIterator[None]:
    """Wait until a lock has ended by itself."""
    yield
    server.wait_until(lambda: not server.command("EXISTS", KEY), "it does not end")


async def test_kept(run: Run, redis_server: RedisServer) -> None:
    """Whoever holds it keeps it for as long as he lives, longer than it lasts."""
    async with Lease(run=run, key=KEY, lasts=0.3).lock() as number:
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert f"{number}:" in redis_server.command("GET", KEY)
            async with Lease(run=run, key=KEY).lock() as other:
                assert other is None
    assert 0 == redis_server.command("EXISTS", KEY)


async def test_ends_by_itself(run: Run, redis_server: RedisServer) -> None:
    """That of somebody who does not free it ends when it has lasted."""
    async with _gone(redis_server):
        await run([("SET", KEY, "7:somebody", "PX", 100)])
    async with Lease(run=run, key=KEY).lock() as number:
        assert 1 == number


async def test_lost(run: Run, redis_server: RedisServer) -> None:
    """Who has lost it to somebody else frees nothing, and keeps nothing alive."""
    async with Lease(run=run, key=KEY, lasts=0.15).lock():
        await run([("SET", KEY, "9:somebody", "PX", 400)])
        await asyncio.sleep(0.2)
    assert "9:somebody" == redis_server.command("GET", KEY)
    async with _gone(redis_server):
        pass


@pytest.mark.parametrize("loses", ["commands", "answer", "error"])
async def test_store_that_is_down(run: Run, redis_server: RedisServer, loses: str) -> None:
    """Without an answer the work goes on without the lock, and none is left behind."""
    run.loses = loses
    async with Lease(run=run, key=KEY).lock() as number:
        assert UNGUARDED == number
        assert (loses != "commands") == redis_server.command("EXISTS", KEY)
    assert 0 == redis_server.command("EXISTS", KEY)


async def test_store_that_goes_down(run: Run, redis_server: RedisServer) -> None:
    """A lock that cannot be freed is nobody's trouble, and ends by itself."""
    async with _gone(redis_server), Lease(run=run, key=KEY, lasts=0.2).lock() as number:
        assert 1 == number
        run.loses = "commands"


async def test_cancelled(run: Run, redis_server: RedisServer) -> None:
    """Cancelled while he holds it, or asks for it, nobody leaves it behind for longer."""

    async def hold() -> None:
        async with Lease(run=run, key=KEY, lasts=0.3).lock():
            await asyncio.sleep(60)

    for steps in range(1, 30):
        task = asyncio.create_task(hold())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    async with _gone(redis_server):
        pass
    assert 1 == len(asyncio.all_tasks())


async def test_numbers(run: Run) -> None:
    """Numbers grow from holder to holder, and come to no end."""
    found = []
    for _ in range(5):
        async with Lease(run=run, key=KEY).lock() as number:
            found.append(number)
    assert [1, 2, 3, 4, 5] == found


async def test_keys_apart(run: Run) -> None:
    """Locks of other keys are others."""
    async with AsyncExitStack() as stack:
        locks = [Lease(run=run, key=f"{{crm}}:{n}").lock() for n in range(3)]
        assert [1, 1, 1] == [await stack.enter_async_context(each) for each in locks]
