"""What goes over the wire for an answer: its head, its body, and what a fault makes of both."""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus

import attrs

from resilient.core.envelope import BODILESS
from resilient.testing.emulator.answer import Answer
from resilient.testing.emulator.document import CONTENT_TYPES, Words, page
from resilient.testing.emulator.faults import After, Fault, GzipBomb, HtmlPage, WrongType
from resilient.testing.emulator.retry_after import http_date

_GZIP = 31
_PIECE = 1 << 20


@attrs.frozen(kw_only=True)
class Reply:
    """A response as it is sent.

    Attributes:
        headers: Without those that frame the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes = attrs.field(repr=False)

    def head(self, framing: str) -> bytes:
        """Return the status line and the headers, with one that frames the body."""
        lines = [f"HTTP/1.1 {self.status} {phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, framing, "", ""]).encode("latin-1")

    @property
    def length(self) -> str:
        """The header that frames the body by its length."""
        return f"Content-Length: {len(self.body)}"

    @property
    def whole(self) -> bytes:
        """All of it."""
        return self.head(self.length) + self.body

    def until(self, after: After) -> bytes:
        """Return what is sent of it before the connection ends."""
        if after == "reply":
            return self.whole
        if isinstance(after, str):
            return b""
        if isinstance(after, int):
            return self.whole[:after]
        return self.head(self.length) + self.part(after)

    def part(self, share: float) -> bytes:
        """Return a part of the body; never all of it, if there is any."""
        return self.body[: min(int(len(self.body) * share), max(len(self.body) - 1, 0))]


def reply_to(answer: Answer, fault: Fault | None, *, method: str, wall: float) -> Reply:
    """Return what is sent for an answer, with a fault that lies in what is said.

    Args:
        answer: The vendor's.
        fault: What goes wrong; one that lies in how it is sent makes no difference here.
        method: The request's: HEAD is answered without a body.
        wall: Seconds since the epoch, for the Date.
    """
    status, headers, body = answer.status, dict(answer.headers), answer.body
    if isinstance(fault, HtmlPage):
        status = fault.status or status
        words = Words(name=phrase(status), message="No answer from the API.", status=status)
        headers["Content-Type"], body = CONTENT_TYPES["html"], page(words)
    elif isinstance(fault, WrongType):
        headers["Content-Type"] = fault.content_type
    elif isinstance(fault, GzipBomb):
        headers.setdefault("Content-Type", CONTENT_TYPES["json"])
        headers["Content-Encoding"], body = "gzip", bomb(fault.size)
    if method == "HEAD" or status in BODILESS:
        body = b""
    return Reply(status=status, headers={"Date": http_date(wall), **headers}, body=body)


def phrase(status: int) -> str:
    """Return what a status is called; nothing for one that nobody has heard of."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@lru_cache(maxsize=4)
def bomb(size: int) -> bytes:
    """Return gzip that unpacks to so many spaces: JSON that has not begun yet."""
    packer = zlib.compressobj(9, wbits=_GZIP)
    piece = b" " * min(size, _PIECE)
    packed = b"".join(packer.compress(piece) for _ in range(size // len(piece)))
    return packed + packer.compress(piece[: size % len(piece)]) + packer.flush()


def chunk(data: bytes) -> bytes:
    """Return data as one chunk; nothing for none, which would be the last."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Yield data, some bytes at a time."""
    return (data[at : at + size] for at in range(0, len(data), size))
