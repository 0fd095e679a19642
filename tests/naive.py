"""How clients are often written: each shows what a promise is a promise against."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import attrs

from resilient.catalog import Limit
from resilient.core.pacing import Bucket


def full_bucket(limit: Limit, _share: object = 1) -> Bucket:
    """Pace a limit with a bucket of its own size: nearly twice as many pass in one window."""
    rate = limit.calls / limit.period
    return Bucket(capacity=limit.calls, rate=rate, calls=limit.calls, period=limit.period)


@attrs.frozen(kw_only=True)
class Retry:
    """A middleware that tries again on an error status and on no answer, as cookbooks show it.

    It looks at neither method nor body, drops a failed response as it is, and raises the last
    exception as it came.

    Attributes:
        attempts: How often it tries.
        delay: Seconds between two attempts.
        failed: Told of a call that failed.
    """

    attempts: int = 3
    delay: float = 0.0
    failed: Callable[[Exception], None] = lambda _: None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send until it works."""
        try:
            for _ in range(self.attempts - 1):
                try:
                    response = await handler(request)
                except aiohttp.ClientError:
                    pass
                else:
                    if response.status < 500 and response.status != 429:
                        return response
                await asyncio.sleep(self.delay)
            return await handler(request)
        except Exception as error:
            self.failed(error)
            raise


@attrs.frozen
class Peek:
    """A middleware that looks into each response, and has no clock.

    Attributes:
        size: How many bytes it reads before it hands the response on.
    """

    size: int

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send, and read a few bytes."""
        response = await handler(request)
        await response.content.readexactly(self.size)
        return response


@attrs.define(eq=False)
class LockedRefresh:
    """A middleware that renews a refused token under a lock, and asks nobody whether it was done.

    Attributes:
        token: Signs calls.
        refresh: Returns the next token.
    """

    token: str
    refresh: Callable[[], Awaitable[str]]
    _lock: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send, and once more with a new token."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = await handler(request)
        if response.status != 401:
            return response
        response.close()
        async with self._lock:
            self.token = await self.refresh()
        request.headers["Authorization"] = f"Bearer {self.token}"
        return await handler(request)
