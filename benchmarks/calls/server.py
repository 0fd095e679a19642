"""A server in a process of its own that answers each GET with the same bytes."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

BODY = b'{"result": [%s]}' % b", ".join([b'{"id": 12345678, "title": "Customers"}'] * 7)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Answering(asyncio.Protocol):
    """Knows no HTTP: a GET is a head and no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


@contextmanager
def serving() -> Iterator[int]:
    """Serve on the loopback, and give the port."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: "Connection") -> None:
    asyncio.run(_listen(pipe))


async def _listen(pipe: "Connection") -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()
