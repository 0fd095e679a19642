"""Clients of the invented vendor that share a Redis, each as if it were a process of its own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import acme
import attrs
from acme import Client
from redis_server import RedisServer
from server import Server

import resilient
from resilient.clock import Clock


@attrs.frozen(eq=False)
class Vendor:
    """Opens clients.

    Attributes:
        store: Where they keep their state, as a configuration says it.
    """

    server: Server
    store: object
    folder: Path
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def join(
        self,
        *,
        catalog: Mapping[str, Any] | None = None,
        credentials: Any = acme.KEY,
        **service: Any,
    ) -> Client:
        """Open a client; its arguments are those of `acme.connecting`."""
        file, events = acme.write(self.folder, **(catalog or {})), list[resilient.Event]()
        keys = {"catalog": file, "hosts": [self.server.host], **service}
        middleware = resilient.Middleware(
            {"store": self.store, "services": {"acme": keys}},
            credentials={} if credentials is None else {"acme": credentials},
            listeners=[events.append],
            clock=Clock(chance=lambda: 0.0),
        )
        self._stack.push_async_callback(middleware.aclose)
        http = await self._stack.enter_async_context(resilient.session(middleware))
        return Client(self.server.url, http, middleware, events)

    async def several(self, count: int, **client: Any) -> list[Client]:
        """Open clients that are all alike."""
        return [await self.join(**client) for _ in range(count)]

    async def aclose(self) -> None:
        """Close them."""
        await self._stack.aclose()


def shared(redis_server: RedisServer) -> dict[str, Any]:
    """Return the store of a configuration; it is never down, only late on a busy machine."""
    return {"url": redis_server.url, "timeout": "5s"}


@asynccontextmanager
async def selling(server: Server, store: object, folder: Path) -> AsyncIterator[Vendor]:
    """Open clients for the length of a block."""
    vendor = Vendor(server, store, folder)
    try:
        yield vendor
    finally:
        await vendor.aclose()
