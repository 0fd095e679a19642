"""The sockets: one that listens, and those of the clients, with every byte that came over them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from aiohttp import web

from resilient.clock import Clock
from resilient.testing.emulator.arrival import Arrival, Arrivals

Answering: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_QUIET: dict[str, Any] = {"access_log": None}


class Wire(web.RequestHandler):
    """One connection: aiohttp reads the requests, and this keeps their bytes.

    Attributes:
        arrivals: What came over it.
    """

    def __init__(self, server: web.Server, wires: "Wires", number: int) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **_QUIET)
        self._wires = wires
        self.arrivals = Arrivals(number, most=wires.most)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up a connection."""
        self._wires.open[self] = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Keep what came, and have it read."""
        before = self.arrivals.heads
        self.arrivals.feed(data)
        self._wires.heads += self.arrivals.heads - before
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell of the requests that nobody has answered, and end."""
        self._wires.open.pop(self, None)
        super().connection_lost(exc)
        while self.arrivals.waiting:
            self._wires.unanswered(self.arrivals.take())


def arrival_of(request: web.BaseRequest) -> Arrival:
    """Return the bytes of a request; called once for each, in their order."""
    return cast("Wire", request.protocol).arrivals.take()


class Wires:
    """Where clients connect.

    Args:
        answering: Answers a request. It is cancelled when its client goes.
        unanswered: Is told of a request that was broken off, or was none.
        most: How many bytes of each request are kept.

    Attributes:
        heads: How many requests have come as far as the end of their head.
        open: The connections.
    """

    def __init__(
        self, answering: Answering, unanswered: Callable[[Arrival], None], *, most: int
    ) -> None:
        self._answering, self.unanswered, self.most = answering, unanswered, most
        self.heads = 0
        self.open: dict[Wire, asyncio.Transport] = {}
        self._numbers = 0
        self._server: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def is_listening(self) -> bool:
        """Whether clients can connect."""
        return self._listener is not None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        loop = asyncio.get_running_loop()
        server = web.Server(self._answering, handler_cancellation=True)

        def connected() -> Wire:
            self._numbers += 1
            return Wire(server, self, self._numbers)

        self._listener = await loop.create_server(connected, host, port)
        self._server = server
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and every connection, whatever happens on it."""
        if self._listener is None or self._server is None:
            return
        listener, server, self._listener, self._server = self._listener, self._server, None, None
        listener.close()
        while self.open:
            for transport in tuple(self.open.values()):
                transport.abort()
            await Clock.sleep(0)
        await server.shutdown(1.0)
        await listener.wait_closed()
        # The sockets close in the loop's next rounds: leave none behind.
        await Clock.sleep(0)
