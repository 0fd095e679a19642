"""The ways to call, each opened with a port: bare aiohttp, and the libraries around it.

Every library is used as its documentation shows, with five attempts where it retries and a limit
that never holds a call up where it limits.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any, TypeAlias

import aiohttp

Call: TypeAlias = Callable[[], Awaitable[object]]
Open: TypeAlias = Callable[[int], AbstractAsyncContextManager[Call]]
Wrap: TypeAlias = Callable[[Call], Call]

PATH = "/en/api/getLists?format=json"
ATTEMPTS = 5
PLENTY = 1_000_000
"""Calls a second: to keep count is what is measured."""

KEY = "a-key-that-is-long-enough"
SIGNED = {"Authorization": f"Bearer {KEY}"}
"""What a session sends with every call: without its credential it would be another call."""


def url(port: int) -> str:
    """Return what everybody asks for."""
    return f"http://127.0.0.1:{port}{PATH}"


def calling(http: Any, port: int) -> Call:
    """Return a call of a session: the answer is read as JSON."""
    address = url(port)

    async def call() -> object:
        async with http.get(address) as response:
            return await response.json()

    return call


@asynccontextmanager
async def bare(port: int) -> AsyncIterator[Call]:
    """Call without any library."""
    async with aiohttp.ClientSession(headers=SIGNED) as http:
        yield calling(http, port)


@asynccontextmanager
async def no_op(port: int) -> AsyncIterator[Call]:
    """Call through a middleware that does nothing."""

    async def pass_on(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        return await handler(request)

    async with aiohttp.ClientSession(headers=SIGNED, middlewares=(pass_on,)) as http:
        yield calling(http, port)


@asynccontextmanager
async def aiohttp_retry(port: int) -> AsyncIterator[Call]:
    """Call through a client that stands in for the session."""
    library = import_module("aiohttp_retry")
    options = library.ExponentialRetry(attempts=ATTEMPTS)
    async with library.RetryClient(retry_options=options, headers=SIGNED) as http:
        yield calling(http, port)


def around(wrap: Wrap) -> Open:
    """Return how to call through what wraps a function. It is made within the loop."""

    @asynccontextmanager
    async def open_(port: int) -> AsyncIterator[Call]:
        async with bare(port) as call:
            yield wrap(call)

    return open_


def hyx(call: Call) -> Call:
    """Limit by a token bucket, and retry."""
    retry, limit = import_module("hyx.retry"), import_module("hyx.ratelimit")
    limited: Call = limit.tokenbucket(PLENTY, 1)(call)
    decorated: Call = retry.retry(on=aiohttp.ClientError, attempts=ATTEMPTS)(limited)
    return decorated


def pyresilience(call: Call) -> Call:
    """Limit by a token bucket, and retry."""
    library = import_module("pyresilience")
    decorated: Call = library.resilient(
        retry=library.RetryConfig(max_attempts=ATTEMPTS, retry_on=(aiohttp.ClientError,)),
        rate_limiter=library.RateLimiterConfig(max_calls=PLENTY, period=1.0, max_wait=60.0),
    )(call)
    return decorated


def stamina(call: Call) -> Call:
    """Retry."""
    library = import_module("stamina")
    decorated: Call = library.retry(on=aiohttp.ClientError, attempts=ATTEMPTS)(call)
    return decorated


def tenacity(call: Call) -> Call:
    """Retry."""
    library = import_module("tenacity")
    decorated: Call = library.retry(
        retry=library.retry_if_exception_type(aiohttp.ClientError),
        stop=library.stop_after_attempt(ATTEMPTS),
        wait=library.wait_exponential_jitter(),
    )(call)
    return decorated


def aiolimiter_tenacity(call: Call) -> Call:
    """Limit each attempt by a leaky bucket, and retry: what most people take."""
    limiter = import_module("aiolimiter").AsyncLimiter(PLENTY, 1)

    async def limited() -> object:
        async with limiter:
            return await call()

    return tenacity(limited)
