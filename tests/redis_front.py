"""A stand-in before a redis-server: it passes everything on, counts, and spoils it when told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import attrs
import hiredis
from rst import reset

_CHUNK = 1 << 16


@attrs.define(eq=False)
class Front:
    """A port of loopback that leads to the socket of a redis-server.

    What is done to replies may be set at any time, also for connections that are open.

    Attributes:
        target: The socket; may be changed, as a name that leads to another machine by now.
        answer: Is said to every command, which goes no further.
        late: Seconds by which replies are late.
        cut: Bytes of the next reply that pass before its connection is reset.
        refuses: Connections are reset at once, and those that are open at the next command.
        opened: When each connection was opened.
        heard: When something was sent.
        names: The commands, in order.
        port: Where it listens.
    """

    target: Path
    answer: bytes | None = None
    late: float = 0.0
    cut: int | None = None
    refuses: bool = False
    opened: list[float] = attrs.field(factory=list)
    heard: list[float] = attrs.field(factory=list)
    names: list[str] = attrs.field(factory=list)
    port: int = 0
    _tasks: "set[asyncio.Task[None]]" = attrs.field(factory=set)
    _server: asyncio.Server | None = None

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def url(self, password: str | None = None) -> str:
        """Return how a store is configured that goes this way."""
        return f"redis://{'' if password is None else f':{password}@'}127.0.0.1:{self.port}/0"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened.append(_now())
        try:
            if not self.refuses:
                await self._lead(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            reset(writer)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead to whatever is there; what answers by itself needs nothing to be there."""
        try:
            behind = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            if self.answer is None:
                raise
            await self._hear(reader, writer, None)
            return
        ways = [
            asyncio.ensure_future(self._hear(reader, writer, behind[1])),
            asyncio.ensure_future(self._say(behind[0], writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            behind[1].close()
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
        for way in ways:
            with suppress(asyncio.CancelledError, OSError):
                way.result()

    async def _hear(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        behind: asyncio.StreamWriter | None,
    ) -> None:
        commands = hiredis.Reader()  # commands are worded as replies are
        while (data := await reader.read(_CHUNK)) and not self.refuses:
            self.heard.append(_now())
            commands.feed(data)
            found = [_name(each) for each in iter(commands.gets, False)]
            self.names += found
            if self.answer is not None:
                writer.write(self.answer * len(found))
            elif behind is not None:
                behind.write(data)

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self.late:
                await asyncio.sleep(self.late)
            if self.cut is not None:
                writer.write(data[: self.cut])
                await asyncio.sleep(0)
                return
            writer.write(data)


def _name(command: Any) -> str:
    return str(command[0].decode())


def _now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def fronting(target: Path) -> AsyncIterator[Front]:
    """Run one for the length of a block."""
    async with Front(target) as front:
        yield front
