"""A server that does one request after the other, and a load that does not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import attrs
from aiohttp import web

Call = Callable[[], Awaitable[int]]
"""Makes a call and returns its status."""


@attrs.define(eq=False)
class Overloaded:
    """A server's capacity: a default for the scripted server.

    It works on every request that has arrived, whether anybody still waits for it or not: that
    is what keeps an overload alive.

    Attributes:
        capacity: Requests a second.
        free_at: When it has done all that has arrived.
    """

    capacity: float
    free_at: float = 0.0

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer when the work is done."""
        now = asyncio.get_running_loop().time()
        self.free_at = max(now, self.free_at) + 1 / self.capacity
        await asyncio.sleep(self.free_at - now)
        return web.Response()

    def stall(self, seconds: float) -> None:
        """Do nothing for some seconds."""
        self.free_at = max(asyncio.get_running_loop().time(), self.free_at) + seconds


@attrs.frozen
class Load:
    """What became of an open load.

    Attributes:
        good: For each second of the load, how many of the calls that began then succeeded.
        calls: How many were made.
    """

    good: tuple[int, ...]
    calls: int

    def recovered(self, since: int, rate: int) -> float:
        """Return the seconds after `since` from which on every call succeeds."""
        bad = [second for second, good in enumerate(self.good) if good < rate]
        return max([*bad, since - 1]) + 1 - since if len(self.good) - 1 not in bad else float("inf")


async def load(call: Call, *, rate: int, seconds: int) -> Load:
    """Begin `rate` calls each second, evenly, however long they take."""
    good = [0] * seconds

    async def one(second: int) -> None:
        try:
            good[second] += await call() < 400
        except (aiohttp.ClientError, TimeoutError):
            return

    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            group.create_task(one(number // rate))
            await asyncio.sleep(1 / rate)
    return Load(tuple(good), rate * seconds)
