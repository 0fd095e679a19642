"""Other libraries' limiters, each used as its documentation shows.

A contender is opened with limits, and gives what a call awaits before it is sent. They know
one limit at a time, and are asked for each, one after another.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeAlias

from aiolimiter import AsyncLimiter

from benchmarks.shared.model import Limit
from benchmarks.shared.peers import PATIENCE, POLL, Acquire, one_by_one

Open: TypeAlias = Callable[[Sequence[Limit]], AbstractAsyncContextManager[Acquire]]
Make: TypeAlias = Callable[[Limit], Acquire]


def opened(make: Make) -> Open:
    """Return what opens a library that knows one limit at a time."""

    @asynccontextmanager
    async def opening(limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
        yield one_by_one([make(limit) for limit in limits])

    return opening


def polled(ask: Callable[[], Awaitable[bool]]) -> Acquire:
    """Ask again and again, for it does not wait; one caller at a time, the others behind him."""
    turn = asyncio.Lock()

    async def acquire() -> None:
        async with turn:
            while not await ask():  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(POLL)

    return acquire


def aiolimiter(limit: Limit) -> Acquire:
    """Make a bucket of the limit's own size, as everybody does."""
    return AsyncLimiter(limit.calls, limit.seconds).acquire


def aiolimiter_paced(limit: Limit) -> Acquire:
    """Make a bucket of one call."""
    return AsyncLimiter(1, limit.seconds / limit.calls).acquire


def pyrate(bucket_of: Callable[[Any, Any], Any]) -> Open:
    """Return what opens pyrate-limiter with one of its buckets."""

    @asynccontextmanager
    async def opening(limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
        package = import_module("pyrate_limiter")
        rates = [package.Rate(limit.calls, limit.seconds * 1000) for limit in limits]
        with ExitStack() as open_ones:
            limiters = [package.Limiter(bucket_of(package, rate)) for rate in rates]
            for each in limiters:
                open_ones.enter_context(each)
            yield one_by_one([each.try_acquire_async for each in limiters])

    return opening


def sliding_log(package: Any, rate: Any) -> Any:
    """Return pyrate-limiter's default bucket, an exact log."""
    return package.InMemoryBucket([rate])


def token_bucket(package: Any, rate: Any) -> Any:
    """Return pyrate-limiter's token bucket."""
    return package.StateBucket([rate], algorithm=package.TokenBucket())


def throttled_by(algorithm: str) -> Make:
    """Return what lets throttled-py wait."""

    def make(limit: Limit) -> Acquire:
        package = import_module("throttled.asyncio")
        quota = import_module("throttled.asyncio.rate_limiter").per_duration
        found: Acquire = package.Throttled(
            key=f"{limit.calls} in {limit.seconds}",
            using=algorithm,
            quota=quota(timedelta(seconds=limit.seconds), limit.calls),
            store=package.store.MemoryStore(),
            timeout=PATIENCE,
        ).limit
        return found

    return make


def limits_by(strategy: str) -> Make:
    """Return what asks `limits`."""

    def make(limit: Limit) -> Acquire:
        storage = import_module("limits.aio.storage").MemoryStorage()
        limiter = getattr(import_module("limits.aio.strategies"), strategy)(storage)
        item = import_module("limits").RateLimitItemPerSecond(limit.calls, limit.seconds)

        async def ask() -> bool:
            return bool(await limiter.hit(item, "measured"))

        return polled(ask)

    return make


def hyx(limit: Limit) -> Acquire:
    """Ask a token bucket of hyx."""
    bucket = import_module("hyx.ratelimit").tokenbucket(limit.calls, limit.seconds)
    exceeded = import_module("hyx.ratelimit.exceptions").RateLimitExceeded

    async def ask() -> bool:
        try:
            async with bucket:
                return True
        except exceeded:
            return False

    return polled(ask)
