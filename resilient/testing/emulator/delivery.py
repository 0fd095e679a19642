"""Sends a reply, or as much of it as a fault leaves, and ends the connection as the fault does."""

import asyncio
import socket
import struct
from typing import assert_never, cast

import attrs
from aiohttp import web

from resilient.clock import Clock
from resilient.testing.emulator.faults import (
    LONGEST,
    Close,
    ContentFault,
    DeliveryFault,
    Drip,
    Endless,
    Fault,
    Reset,
    StalledBody,
    StalledHead,
    Truncated,
)
from resilient.testing.emulator.reply import Reply, chunk, pieces

_CHUNKED = "Transfer-Encoding: chunked"
_AT_ONCE = struct.pack("ii", 1, 0)


class Sent(web.StreamResponse):
    """Tells aiohttp that there is nothing left to send, nor a connection to keep."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


async def deliver(
    request: web.BaseRequest, reply: Reply, fault: Fault | None
) -> web.StreamResponse:
    """Send a reply; what is returned is for aiohttp to finish."""
    if fault is None or isinstance(fault, ContentFault):
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
    return await cut_short(request, reply, fault)


async def cut_short(request: web.BaseRequest, reply: Reply, fault: DeliveryFault) -> Sent:
    """Send of a reply what a fault leaves of it, and end the connection."""
    # There is one: when a client goes, this is cancelled.
    transport = cast("asyncio.Transport", request.transport)
    # What was written has gone to the kernel before the connection ends.
    transport.set_write_buffer_limits(high=0)
    try:
        async with asyncio.timeout(LONGEST):
            await _Delivery(request, reply).send(fault)
    except TimeoutError:
        pass  # the client does not read
    if isinstance(fault, Reset):
        _reset(transport)
    request.protocol.force_close()
    return Sent()


@attrs.frozen
class _Delivery:
    request: web.BaseRequest
    reply: Reply

    async def send(self, fault: DeliveryFault) -> None:
        match fault:
            case Reset() | Close():
                await self._write(self.reply.until(fault.after))
            case Truncated():
                await self._truncated(fault)
            case StalledHead():
                await self._write(self._head[: min(fault.after, len(self._head) - 1)])
                await Clock.sleep(fault.seconds)
            case StalledBody():
                await self._write(self._head + self.reply.part(fault.share))
                await Clock.sleep(fault.seconds)
            case Drip():
                await self._drip(fault)
            case Endless():
                await self._endless(fault)
            case _:
                assert_never(fault)

    @property
    def _head(self) -> bytes:
        return self.reply.head(self.reply.length)

    async def _truncated(self, fault: Truncated) -> None:
        part = self.reply.part(fault.share)
        await self._write(
            self.reply.head(_CHUNKED) + chunk(part) if fault.chunked else self._head + part
        )

    async def _drip(self, fault: Drip) -> None:
        await self._write(self._head)
        for piece in pieces(self.reply.body, fault.size):
            await Clock.sleep(fault.every)
            await self._write(piece)

    async def _endless(self, fault: Endless) -> None:
        await self._write(self.reply.head(_CHUNKED) + chunk(self.reply.body))
        piece = chunk(b" " * fault.size)
        for _ in range(0, fault.most, fault.size):
            await Clock.sleep(fault.every)
            await self._write(piece)

    async def _write(self, data: bytes) -> None:
        await self.request.writer.write(data)
        await self.request.writer.drain()


def _reset(transport: asyncio.Transport) -> None:
    end = transport.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
