"""What can go wrong on the wire, as values. What performs them is `delivery`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import attrs

from resilient.testing.emulator.arguments import (
    checked,
    flag,
    header,
    seconds,
    share,
    status,
    whole,
    wrong_type,
)
from resilient.testing.emulator.one_of import one_of

LONGEST = 3600.0
"""Seconds after which a fault is over, whatever it waits for: the connection is closed."""

MOMENTS = ("head", "request", "reply")
After: TypeAlias = Literal["head", "request", "reply"] | int | float
"""When a connection ends.

`head`: the head of the request has come; its body is not read, and the API never saw it.
`request`: the request was processed; no byte of the reply is sent.
A whole number: so many bytes of the reply are sent, its head included.
A fraction: its head is, and such a share of its body, but never all of it.
`reply`: all of it is, and the connection ends without a word.
"""


def _moment(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, float) and 0 <= value <= 1:
        return
    if (type(value) is int and value >= 0) or value in MOMENTS:
        return
    raise ValueError(
        f"{field.name} is {value!r}: it takes {', '.join(map(repr, MOMENTS))}, "
        "a number of bytes, or a share as a fraction from 0.0 to 1.0"
    )


_share = checked(share)
_seconds = checked(seconds, most=LONGEST)
_size = checked(whole, least=1)


@attrs.frozen
class Reset:
    """The connection ends with RST, at the moment that `After` tells."""

    after: After = attrs.field(default="request", validator=_moment)


@attrs.frozen
class Close:
    """The connection ends with FIN, at the moment that `After` tells."""

    after: After = attrs.field(default="request", validator=_moment)


@attrs.frozen(kw_only=True)
class Truncated:
    """The whole body is announced, and FIN comes before its end.

    Attributes:
        share: How much of the body is sent; never all of it.
        chunked: Sent in chunks, and the last one is missing; else Content-Length is too large.
    """

    share: float = attrs.field(default=0.5, validator=_share)
    chunked: bool = attrs.field(default=False, validator=checked(flag))


@attrs.frozen(kw_only=True)
class StalledHead:
    """Some bytes of the reply's head, then nothing, then FIN.

    Attributes:
        after: How many bytes are sent.
        seconds: How long nothing comes.
    """

    after: int = attrs.field(default=0, validator=checked(whole))
    seconds: float = attrs.field(default=LONGEST, validator=_seconds)


@attrs.frozen(kw_only=True)
class StalledBody:
    """The head and a part of the body, then nothing, then FIN.

    Attributes:
        share: How much of the body is sent.
        seconds: How long nothing comes.
    """

    share: float = attrs.field(default=0.5, validator=_share)
    seconds: float = attrs.field(default=LONGEST, validator=_seconds)


@attrs.frozen(kw_only=True)
class Drip:
    """The body comes a few bytes at a time; it is whole in the end.

    Attributes:
        size: Bytes at a time.
        every: Seconds between them.
    """

    size: int = attrs.field(default=1, validator=_size)
    every: float = attrs.field(default=0.1, validator=_seconds)


@attrs.frozen
class WrongType:
    """The body is announced as something that it is not."""

    content_type: str = attrs.field(default="text/html; charset=utf-8", validator=checked(header))


@attrs.frozen
class HtmlPage:
    """A page as a proxy in front of the API writes it, instead of what the API said.

    Attributes:
        status: The proxy's; None for the one that the API answered with.
    """

    status: int | None = attrs.field(default=502, validator=checked(status, or_none=True))


@attrs.frozen
class GzipBomb:
    """A body that unpacks to much more than it is: about a thousandth goes over the wire.

    Attributes:
        size: Bytes of it, unpacked.
    """

    size: int = attrs.field(default=10 * 1024 * 1024, validator=_size)


@attrs.frozen(kw_only=True)
class Endless:
    """The body, and then more and more of it, in chunks.

    Attributes:
        size: Bytes of a chunk.
        every: Seconds between two.
        most: Bytes after which FIN comes all the same.
    """

    size: int = attrs.field(default=64 * 1024, validator=_size)
    every: float = attrs.field(default=0.01, validator=_seconds)
    most: int = attrs.field(default=64 * 1024 * 1024, validator=_size)


ContentFault: TypeAlias = WrongType | HtmlPage | GzipBomb
"""A fault that lies in what is sent."""

DeliveryFault: TypeAlias = Reset | Close | Truncated | StalledHead | StalledBody | Drip | Endless
"""A fault that lies in how it is sent."""

Fault: TypeAlias = ContentFault | DeliveryFault
"""One thing that goes wrong with one reply."""

FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "reset-early": Reset("head"),
        "reset": Reset("request"),
        "reset-in-head": Reset(20),
        "reset-in-body": Reset(0.5),
        "reset-late": Reset("reply"),
        "close-early": Close("head"),
        "close": Close("request"),
        "close-in-head": Close(20),
        "close-late": Close("reply"),
        "truncated": Truncated(),
        "truncated-chunked": Truncated(chunked=True),
        "stalled-head": StalledHead(),
        "stalled-body": StalledBody(),
        "drip": Drip(),
        "wrong-type": WrongType(),
        "html-page": HtmlPage(),
        "gzip-bomb": GzipBomb(),
        "endless": Endless(),
    }
)
"""The faults that have a name: where one is asked for, its name will do."""


def fault_of(what: Fault | str) -> Fault:
    """Return the fault of a name.

    Raises:
        TypeError: It is neither a fault nor a name.
        ValueError: There is none; it says which there are.
    """
    if isinstance(what, str):
        return FAULTS[one_of(FAULTS, what, "fault")]
    if not isinstance(what, Fault):
        raise wrong_type("fault", what, "a fault, such as Drip(), or its name, such as 'drip'")
    return what


def is_early(fault: Fault | None) -> bool:
    """Tell whether a fault strikes before the request is read."""
    return isinstance(fault, Reset | Close) and fault.after == "head"
