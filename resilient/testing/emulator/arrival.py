"""Where one request ends and the next begins, in the bytes of a connection.

Only for the record: what a request means is aiohttp's to say.
"""

from collections import deque
from collections.abc import Generator
from typing import TypeAlias

import attrs

_Parsing: TypeAlias = Generator[None, None, None]
_END = b"\r\n\r\n"


@attrs.define(eq=False)
class Arrival:
    """One request, byte by byte.

    Attributes:
        connection: The number of the connection that it came on, from 1.
        complete: Whether it came to its end.
    """

    connection: int
    _most: int = attrs.field(repr=False)
    complete: bool = False
    _bytes: bytearray = attrs.field(factory=bytearray, repr=False)

    @property
    def raw(self) -> bytes:
        """What has come so far, cut at the most that is kept."""
        return bytes(self._bytes)

    def keep(self, data: bytes) -> None:
        """Add what came."""
        self._bytes += data[: self._most - len(self._bytes)]


class Arrivals:
    """The requests of one connection.

    Args:
        connection: Its number.
        most: How many bytes of a request are kept.

    Attributes:
        heads: How many requests have come as far as the end of their head.
        waiting: Those of them that nobody has taken yet, oldest first.
    """

    def __init__(self, connection: int, *, most: int) -> None:
        self.heads = 0
        self.waiting: deque[Arrival] = deque()
        self._connection, self._most = connection, most
        self._data, self._at = b"", 0
        self._current = Arrival(connection, most)
        self._parsing = self._requests()
        next(self._parsing)

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if data:
            self._data, self._at = data, 0
            next(self._parsing)

    def take(self) -> Arrival:
        """Return the oldest request that nobody has taken."""
        return self.waiting.popleft()

    # Each of these runs until the data is used up, yields, and finds new data when it goes on.

    def _requests(self) -> _Parsing:
        yield
        while True:
            self._current = Arrival(self._connection, self._most)
            head = yield from self._head()
            self.heads += 1
            self.waiting.append(self._current)
            yield from self._body(_fields(head))
            self._current.complete = True

    def _head(self) -> Generator[None, None, list[bytes]]:
        while self._at == len(self._data):
            yield
        end = self._data.find(_END, self._at)
        if end > self._at:  # as always, but for clients that dawdle
            return self._used(end + len(_END)).split(b"\n")
        head: list[bytes] = []
        while not head or head[-1].strip():
            line = yield from self._line()
            head += [line] if head or line.strip() else []
        return head

    def _body(self, fields: dict[bytes, bytes]) -> _Parsing:
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            yield from self._chunks()
        else:
            yield from self._skip(_number(fields.get(b"content-length", b"0"), 10))

    def _chunks(self) -> _Parsing:
        size = -1
        while size:
            line = yield from self._line()
            size = _number(line.partition(b";")[0], 16)
            yield from self._skip(size)
            if size:
                yield from self._line()
        while (yield from self._line()).strip():
            pass  # trailers

    def _line(self) -> Generator[None, None, bytes]:
        line = b""
        while not line.endswith(b"\n"):
            while self._at == len(self._data):
                yield
            line += self._used(self._data.find(b"\n", self._at) + 1 or len(self._data))
        return line

    def _skip(self, count: int) -> _Parsing:
        while count:
            while self._at == len(self._data):
                yield
            count -= len(self._used(min(self._at + count, len(self._data))))

    def _used(self, end: int) -> bytes:
        piece = self._data[self._at : end]
        self._at = end
        self._current.keep(piece)
        return piece


def _fields(head: list[bytes]) -> dict[bytes, bytes]:
    found = (line.partition(b":") for line in head[1:])
    return {name.strip().lower(): value.strip() for name, _, value in found}


def _number(text: bytes, base: int) -> int:
    """Return a length; one that is none leaves all that follows to this request."""
    try:
        return max(int(text, base), 0)
    except ValueError:
        return 1 << 62
