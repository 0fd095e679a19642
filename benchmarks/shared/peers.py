"""The other libraries, each used as its documentation shows; and PING, which limits nothing.

A contender is opened with the address of a server and some limits, and gives what a call awaits
before it is sent. Those that know one limit at a time are asked for each, one after another.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeAlias

from benchmarks.shared.model import Limit

Acquire: TypeAlias = Callable[[], Awaitable[object]]
Open: TypeAlias = Callable[[str, Sequence[Limit]], AbstractAsyncContextManager[Acquire]]

POLL = 0.02
"""Seconds between two questions to a library that only says yes or no."""

PATIENCE = 3600
"""Seconds that a call may wait: more than any run."""

STEP = 0.01
"""Seconds between two refills, where they have to be said."""


def one_by_one(acquires: Sequence[Acquire]) -> Acquire:
    """Return what passes all limits."""
    if len(acquires) == 1:
        return acquires[0]

    async def acquire() -> None:
        for each in acquires:
            await each()

    return acquire


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Any]:
    """Open redis-py with a pool of its own."""
    async with import_module("redis.asyncio").Redis.from_url(url) as redis:
        yield redis


@asynccontextmanager
async def ping(url: str, _limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
    """Send PING, the least that a question to Redis can cost."""
    async with client(url) as redis:
        yield redis.ping


@asynccontextmanager
async def limits_moving_window(url: str, limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
    """Ask `limits` again and again, for it does not wait."""
    async with client(url) as redis:
        storage = import_module("limits.aio.storage").RedisStorage(
            f"async+{url}", implementation="redispy", connection_pool=redis.connection_pool
        )
        window = import_module("limits.aio.strategies").MovingWindowRateLimiter(storage)
        per_second = import_module("limits").RateLimitItemPerSecond

        def acquire_of(name: str, limit: Limit) -> Acquire:
            item = per_second(limit.calls, limit.seconds)

            async def acquire() -> None:
                while not await window.hit(item, name):  # noqa: ASYNC110 - there is no event
                    await asyncio.sleep(POLL)

            return acquire

        yield one_by_one([acquire_of(f"measured{n}", limit) for n, limit in enumerate(limits)])


@asynccontextmanager
async def throttled(url: str, limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
    """Let throttled-py wait, by its generic cell rate algorithm."""
    package = import_module("throttled.asyncio")
    quota = import_module("throttled.asyncio.rate_limiter").per_duration
    store = package.store.RedisStore(server=url)

    def acquire_of(name: str, limit: Limit) -> Acquire:
        found: Acquire = package.Throttled(
            key=name,
            using="gcra",
            quota=quota(timedelta(seconds=limit.seconds), limit.calls),
            store=store,
            timeout=PATIENCE,
        ).limit
        return found

    yield one_by_one([acquire_of(f"measured{n}", limit) for n, limit in enumerate(limits)])


@asynccontextmanager
async def steindamm(url: str, limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
    """Enter a token bucket of steindamm's."""
    async with client(url) as redis:
        create = import_module("steindamm").AsyncTokenBucket.create

        def acquire_of(name: str, limit: Limit) -> Acquire:
            bucket = create(
                connection=redis,
                name=name,
                capacity=limit.calls,
                refill_frequency=STEP,
                refill_amount=limit.calls * STEP / limit.seconds,
                max_sleep=PATIENCE,
            )

            async def acquire() -> None:
                async with bucket:
                    pass

            return acquire

        yield one_by_one([acquire_of(f"measured{n}", limit) for n, limit in enumerate(limits)])


def pyrate(bucket_of: Callable[[Any, str, Any], Awaitable[Any]]) -> Open:
    """Return pyrate-limiter with one of its buckets."""

    @asynccontextmanager
    async def opened(url: str, limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
        package = import_module("pyrate_limiter")
        async with client(url) as redis:

            async def acquire_of(name: str, limit: Limit) -> Acquire:
                rate = package.Rate(limit.calls, limit.seconds * 1000)
                found: Acquire = package.Limiter(
                    await bucket_of(redis, name, rate)
                ).try_acquire_async
                return found

            named = [(f"measured{n}", limit) for n, limit in enumerate(limits)]
            yield one_by_one([await acquire_of(*each) for each in named])

    return opened


async def sorted_set(redis: Any, name: str, rate: Any) -> Any:
    """Return pyrate-limiter's exact log."""
    return await import_module("pyrate_limiter").RedisBucket.init([rate], redis, name)


async def gcra(redis: Any, name: str, rate: Any) -> Any:
    """Return pyrate-limiter's constant state."""
    package = import_module("pyrate_limiter")
    return package.StateBucket([rate], store=package.RedisStateStore(redis, name))
