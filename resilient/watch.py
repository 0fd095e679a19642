"""Ends attempts that take too long.

All attempts of a service may last equally long, so they end in the order in which they began,
and one timer watches them all. `asyncio.timeout` around each costs as much as everything else
that a call is taken through.
"""

import asyncio
from contextvars import ContextVar
from itertools import takewhile
from typing import Protocol
from weakref import ref

import attrs
from aiohttp import ClientRequest

_HAIR = 1e-9
"""A timer that is early by a rounding error must find what it came for."""


Sent = ref[ClientRequest]

# Weak: a connection keeps the context in which it was opened for as long as it lives.
_under_way: "ContextVar[Sent | None]" = ContextVar("resilient_sends", default=None)


def is_under_way(request: ClientRequest) -> bool:
    """Tell whether a call further out sends this very request: two layers would multiply."""
    found = _under_way.get()
    return found is not None and found() is request


class Watched(Protocol):
    """What makes attempts, one after the other.

    Attributes:
        request: What it sends.
        sends: How often it was sent.
        task: Who makes them.
        end: When the one under way is cancelled.
        cancels: How often the task had been told to end before it began.
        expired: Whether the attempt was cancelled for having taken too long.
        outer: What a call further out sends meanwhile.
    """

    request: ClientRequest
    sends: int
    task: "asyncio.Task[object] | None"
    end: float
    cancels: int
    expired: bool
    outer: Sent | None


@attrs.define(eq=False, repr=False)
class Watch:
    """Watches the attempts of one service.

    Attributes:
        line: Those under way, the one that ends first at the head.
    """

    line: dict[Watched, None] = attrs.field(factory=dict, init=False)
    _latest: float = attrs.field(default=float("-inf"), init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    _early: dict[Watched, asyncio.TimerHandle] = attrs.field(factory=dict, init=False)

    def begin(self, call: Watched) -> None:
        """Note that an attempt begins; if it takes too long, the call's task is cancelled."""
        call.sends += 1
        call.outer = _under_way.get()
        _under_way.set(ref(call.request))
        if call.end < self._latest:  # before others that began earlier
            loop = asyncio.get_running_loop()
            self._early[call] = loop.call_at(call.end, self._expire, call)
            return
        self._latest = call.end
        self.line[call] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(call.end, self._look)

    def over(self, call: Watched) -> None:
        """Note that the attempt has ended."""
        _under_way.set(call.outer)
        if call in self.line:
            del self.line[call]
        elif (timer := self._early.pop(call, None)) is not None:
            timer.cancel()

    def forget(self) -> None:
        """Let go of a loop that has ended, and of what was under way in it."""
        self.line.clear()
        self._early.clear()
        self._latest, self._timer = float("-inf"), None

    def close(self) -> None:
        """Take the timer away once nothing is under way."""
        if self._timer is not None and not self.line:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        now = loop.time() + _HAIR
        for call in tuple(takewhile(lambda each: each.end <= now, self.line)):
            self._expire(call)
        if (head := next(iter(self.line), None)) is not None:
            self._timer = loop.call_at(head.end, self._look)

    def _expire(self, call: Watched) -> None:
        self.line.pop(call, None)
        self._early.pop(call, None)
        if call.task is not None:  # pragma: no branch - aiohttp makes its requests in tasks
            call.expired = True
            call.task.cancel()


def is_ours(call: Watched) -> bool:
    """Take our own cancellation back; tell whether it alone has ended what the task did.

    As `asyncio.timeout` does: whoever else cancelled the task meanwhile goes first.
    """
    expired, call.expired = call.expired, False
    return expired and call.task is not None and call.task.uncancel() <= call.cancels
