"""A server of bytes on loopback, for what no well-behaved one does: it resets, stalls and lies."""

import asyncio
import itertools
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache

import attrs
import rst

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
"""An answer, whole."""


@attrs.define(kw_only=True)
class Request:
    """One request as it arrived; its body once that was read."""

    at: float
    method: str
    target: str
    headers: dict[str, str]
    connection: int
    body: bytes = b""


@attrs.define(eq=False)
class Wire:
    """The connection that a request came on.

    Attributes:
        number: Of the connection, from 1.
        request: The request being answered, its body not read yet.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    request: Request

    async def body(self) -> bytes:
        """Read the request's body."""
        self.request.body = await self._body()
        return self.request.body

    async def _body(self) -> bytes:
        headers = self.request.headers
        if "chunked" not in headers.get("transfer-encoding", ""):
            return await self.reader.readexactly(int(headers.get("content-length", "0")))
        found = b""
        while size := int(await self.reader.readline(), 16):
            found += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return found

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with RST."""
        rst.reset(self.writer)


Answer = Callable[[Wire], Awaitable[bool]]
"""Answers a request; tells whether the connection stays open, else it ends with FIN."""


def reply(data: bytes = OK, *, keep: bool = True) -> Answer:
    """Read the request, then send bytes; unless `keep`, FIN follows."""

    async def answer(wire: Wire) -> bool:
        await wire.body()
        await wire.send(data)
        return keep

    return answer


def early(status: str, body: bytes = b"{}", *, closes: bool = True) -> Answer:
    """Answer before the request's body is read; then close, or wait for the rest of it."""

    async def answer(wire: Wire) -> bool:
        await wire.send(whole(status, body, *["Connection: close"] * closes))
        if not closes:
            await wire.body()
        return not closes

    return answer


def reset(before: bytes = b"") -> Answer:
    """Read the request, send some bytes, then RST."""

    async def answer(wire: Wire) -> bool:
        await wire.body()
        if before:
            await wire.send(before)
        wire.reset()
        return False

    return answer


async def stall(wire: Wire) -> bool:
    """Read the request and never answer."""
    await wire.body()
    await wire.reader.read()
    return False


def endless(start: bytes, chunk: bytes, *, every: float = 0.0) -> Answer:
    """Send `start`, then chunks until the client has enough."""

    async def answer(wire: Wire) -> bool:
        await wire.body()
        await wire.send(start)
        gone = asyncio.ensure_future(wire.reader.read())
        while not gone.done():
            await wire.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await asyncio.wait([gone], timeout=every or None if every else 0)
        return False

    return answer


def head(status: str, *headers: str) -> bytes:
    """Return the head of an answer; JSON unless a header says otherwise."""
    kinds = [line for line in headers if line.lower().startswith("content-type")]
    lines = [*headers, *([] if kinds else ["Content-Type: application/json"])]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def whole(status: str, body: bytes, *headers: str) -> bytes:
    """Return an answer with its length."""
    return head(status, f"Content-Length: {len(body)}", *headers) + body


def chunked(status: str, body: bytes, *headers: str, size: int = 1000) -> bytes:
    """Return an answer in chunks."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head(status, "Transfer-Encoding: chunked", *headers) + framed + b"0\r\n\r\n"


@cache
def bomb(megabytes: int) -> bytes:
    """Return gzip that unpacks to megabytes of spaces."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(megabytes)) + packer.flush()


@attrs.define(eq=False)
class RawServer:
    """Answers from `script` in order, then with `default`.

    Attributes:
        hits: The requests whose head arrived.
        connections: How many were opened.
        open: How many of them are open now.
    """

    port: int = 0
    hits: list[Request] = attrs.field(factory=list)
    script: deque[Answer] = attrs.field(factory=deque)
    default: Answer = attrs.field(factory=reply)
    connections: int = 0
    open: int = 0
    _tasks: set["asyncio.Task[None]"] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        """What to write under `hosts`."""
        return f"127.0.0.1:{self.port}"

    def then(self, *answers: Answer) -> None:
        """Script answers."""
        self.script.extend(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                await self._answer_all(reader, writer, self.connections)
        finally:
            self.open -= 1
            self._tasks.discard(task)
            writer.close()

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        for _ in itertools.count():
            request = _parsed(await reader.readuntil(b"\r\n\r\n"), number)
            self.hits.append(request)
            answer = self.script.popleft() if self.script else self.default
            wire = Wire(reader, writer, number, request)
            if not await answer(wire):
                return

    async def close(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()
        while self._tasks:
            await asyncio.wait(list(self._tasks))


def _parsed(data: bytes, connection: int) -> Request:
    first, *lines = data.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    now = asyncio.get_running_loop().time()
    return Request(at=now, method=method, target=target, headers=headers, connection=connection)


@asynccontextmanager
async def raw_serving() -> AsyncIterator[RawServer]:
    """Run a raw server for the length of a block."""
    server = RawServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 20)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.close()
        await listener.wait_closed()
