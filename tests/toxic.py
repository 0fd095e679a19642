"""A TCP proxy on loopback that spoils what passes: late, in pieces, cut off, or not at all.

It works in real and in virtual time. What waits in it is bounded, so that a client that sends
into a stall is held up as by a server that has ceased to read.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal, Self

import attrs
from rst import reset

Ending = Literal["fin", "rst"]
"""How a connection ends."""

_CHUNK = 64 * 1024
_DEPTH = 16


@attrs.frozen(kw_only=True, eq=False)
class Toxin:
    """What is done to the bytes of one direction.

    Bytes are counted for each connection, from when the toxin was set.

    Attributes:
        latency: Gives the seconds by which the next chunk is late; the order is kept.
        piece: Bytes that are written at a time.
        cut: Bytes that pass until the connection ends; 0: it ends instead of the first one.
        ending: How it ends then.
        stall: Bytes that pass until nothing passes any more.
        change: Gives what passes instead of a chunk.
    """

    latency: Callable[[], float] | None = None
    piece: int | None = None
    cut: int | None = None
    ending: Ending = "rst"
    stall: int | None = None
    change: Callable[[bytes], bytes] | None = None


@attrs.define(eq=False)
class Flow:
    """One direction of a connection.

    Attributes:
        toxin: Gives the one in force.
        record: How many bytes are remembered.
        seen: The first bytes that arrived at the proxy.
        passed: How many were handed on.
    """

    source: asyncio.StreamReader
    sink: asyncio.StreamWriter
    toxin: Callable[[], Toxin]
    record: int
    seen: bytearray = attrs.field(factory=bytearray)
    passed: int = 0
    _queue: "asyncio.Queue[tuple[float, bytes]]" = attrs.field(
        factory=lambda: asyncio.Queue(_DEPTH)
    )
    _over: asyncio.Event = attrs.field(factory=asyncio.Event)
    _counted: int = 0
    _counts_for: Toxin | None = None

    async def run(self) -> Ending:
        """Hand on until an end; return how the connection is to end."""
        reading = asyncio.ensure_future(self._read())
        try:
            return await self._write() or await reading
        except OSError:
            return "rst"
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self) -> Ending:
        due, loop = 0.0, asyncio.get_running_loop()
        try:
            while data := await self.source.read(_CHUNK):
                self.seen += data[: max(0, self.record - len(self.seen))]
                late = self.toxin().latency
                due = max(due, loop.time() + (late() if late is not None else 0.0))
                await self._queue.put((due, data))
        except OSError:
            return "rst"
        else:
            return "fin"
        finally:
            self._over.set()
            with suppress(asyncio.QueueFull):  # then the writer finds `_over` set
                self._queue.put_nowait((due, b""))

    async def _write(self) -> Ending | None:
        loop = asyncio.get_running_loop()
        while not (self._over.is_set() and self._queue.empty()):
            due, data = await self._queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            data = self._changed(data)
            while data:
                room = self._room()
                if room == 0:
                    return await self._end()
                data, piece = data[room:], data[:room]
                self.sink.write(piece)
                await self.sink.drain()
                self.passed += len(piece)
                self._counted += len(piece)
                for _ in range(2):  # the other end is told of it, and reads it
                    await asyncio.sleep(0)
            if self._is_cut():
                return self.toxin().ending
        return None

    def _changed(self, data: bytes) -> bytes:
        change = self.toxin().change
        return data if change is None or not data else change(data)

    def _room(self) -> int:
        """Return how many bytes may be written at once now; 0: none ever."""
        toxin = self.toxin()
        if toxin is not self._counts_for:
            self._counts_for, self._counted = toxin, 0
        ends = [end for end in (toxin.cut, toxin.stall) if end is not None]
        return min([toxin.piece or _CHUNK, *(max(0, end - self._counted) for end in ends)])

    def _is_cut(self) -> bool:
        """Tell whether the last byte that may pass has passed."""
        toxin = self.toxin()
        return toxin is self._counts_for and 0 < self._counted == toxin.cut

    async def _end(self) -> Ending | None:
        toxin = self.toxin()
        if toxin.cut is not None and self._counted >= toxin.cut:
            return toxin.ending
        await self._over.wait()
        return None


@attrs.define(eq=False)
class Connection:
    """A connection through the proxy: `up` leads to the server, `down` to the client."""

    up: Flow
    down: Flow

    async def run(self) -> None:
        """Relay until one side ends, and end the other in the same way."""
        ways = [asyncio.ensure_future(flow.run()) for flow in (self.up, self.down)]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            self.end("rst" if any(way.result() == "rst" for way in done) else "fin")
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            self.end("fin")

    def end(self, ending: Ending) -> None:
        """End both sides."""
        for writer in (self.up.sink, self.down.sink):
            if ending == "rst" and not writer.is_closing():
                reset(writer)
            else:
                writer.close()


@attrs.define(eq=False)
class Proxy:
    """A proxy in front of a port on loopback.

    Attributes:
        target: The port of the server.
        up: What is done to what clients send; may be set at any time.
        down: What is done to what the server sends; may be set at any time.
        record: How many bytes are remembered of each direction of each connection.
        connections: Every connection that was made, in order.
        port: Where it listens.
    """

    target: int
    up: Toxin = attrs.field(factory=Toxin)
    down: Toxin = attrs.field(factory=Toxin)
    record: int = 1 << 20
    connections: list[Connection] = attrs.field(factory=list)
    port: int = 0
    _held: socket.socket | None = None
    _listener: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = attrs.field(factory=set)

    @property
    def host(self) -> str:
        """What to write under `hosts`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.host}"

    async def __aenter__(self) -> Self:
        """Open it on a free port, which it holds even while it refuses."""
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = self._held.getsockname()[1]
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every connection and close it."""
        await self.refuse()
        await self.cut("fin")
        if self._held is not None:
            self._held.close()

    async def accept(self) -> None:
        """Accept connections; it does from the start."""
        if self._listener is None:
            self._listener = await asyncio.start_server(
                self._accepted, "127.0.0.1", self.port, reuse_address=True
            )

    async def refuse(self) -> None:
        """Refuse connections from now on; those that are open stay so."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            await asyncio.sleep(0)

    async def cut(self, ending: Ending = "rst") -> None:
        """End all connections that are open."""
        for connection in self.connections:
            connection.end(ending)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            beyond = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        except BaseException:
            writer.close()
            raise
        for each in (writer, beyond[1]):
            each.transport.set_write_buffer_limits(high=0)  # drained means: the kernel has it
        up = Flow(reader, beyond[1], lambda: self.up, self.record)
        down = Flow(beyond[0], writer, lambda: self.down, self.record)
        connection = Connection(up, down)
        self.connections.append(connection)
        await connection.run()


@asynccontextmanager
async def toxic(
    target: int,
    *,
    latency: Callable[[], float] | None = None,
    up: Toxin | None = None,
    down: Toxin | None = None,
    record: int = 1 << 20,
) -> AsyncIterator[Proxy]:
    """Run a proxy for the length of a block.

    Args:
        target: The port of the server, on loopback.
        latency: Gives the seconds by which the next chunk is late, in either direction where
            no toxin is given.
        up: What is done to what clients send.
        down: What is done to what the server sends.
        record: How many bytes are remembered of each direction of each connection.
    """
    plain = Toxin(latency=latency)
    async with Proxy(target, up or plain, down or plain, record) as proxy:
        yield proxy
