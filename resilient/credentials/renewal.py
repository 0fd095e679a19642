"""Which calls belong to a load or a renewal: they are not signed, and go before all others."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

import attrs

from resilient.options import using

T = TypeVar("T")


@attrs.define(eq=False)
class Renewal:
    """One load or renewal of a credential.

    Attributes:
        service: Whose credential it is.
        name: The credential's name.
        over: Whether it has ended: what it started and left running is no part of it.
    """

    service: str
    name: str
    over: bool = attrs.field(default=False, init=False)


_current: ContextVar[Renewal | None] = ContextVar("resilient_renewal", default=None)


under_way = _current.get
"""Returns the load or renewal that began what the current task does, or None; it may be over."""


async def run(service: str, name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Load or renew, in a task of its own, without the options of whoever began it."""
    renewal = Renewal(service, name)
    with using(_current, renewal):
        try:
            return await work()
        finally:
            renewal.over = True
