"""A lane: the calls that need the same gates, first come, first served."""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from contextvars import copy_context
from functools import partial
from itertools import islice, takewhile
from typing import Any, Final, Protocol

import attrs

from resilient.state.deadlines import Deadlines
from resilient.state.gate import Gate
from resilient.state.gates import LimitGate, PoolGate, ScopeGate
from resilient.state.waiting import OnDelay

_COMPACT = 64
"""Those who gave up are left in a queue until there are so many, and twice those who wait."""


class Waiter(asyncio.Future[Any]):
    """A call that waits: the future of its grant.

    Whoever awaits it and is cancelled cancels it, as any future; that is how it gives up. It is
    all there is of a wait: there may be a million of them.

    Attributes:
        desk: Where it gives up.
        lane: Where it queues.
        arrival: Its place in the order of all calls; a refresh call comes before every other.
        cost: What it takes.
        deadline: When it gives up of itself.
    """

    __slots__ = ("arrival", "cost", "deadline", "desk", "lane")

    def __init__(
        self, desk: "Desk", lane: "Lane", arrival: int, cost: int, deadline: float
    ) -> None:
        super().__init__()
        self.desk, self.lane = desk, lane
        self.arrival, self.cost, self.deadline = arrival, cost, deadline

    def cancel(self, msg: Any = None) -> bool:
        """Give up. A grant that nobody has taken yet is given back."""
        # Whoever cancels may stand outside of the loop, as `asyncio.run` does at its end: so it
        # leaves soon, and first of all, before the task that waits goes on.
        self.get_loop().call_soon(partial(self.desk.abandon, self, waited=not self.done()))
        return super().cancel(msg)


class Desk(Protocol):
    """Where calls queue."""

    def abandon(self, waiter: Waiter, *, waited: bool) -> None:
        """Let a call go that gives up; unless it `waited`, it has been granted or refused."""


_NOBODY: Final[deque[Waiter]] = deque(maxlen=0)
"""The queue of a lane without one. A queue takes half a KiB, and most lanes need none."""


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Lane:
    """The queue before one set of gates.

    Attributes:
        scopes: The scopes of a call, each of another kind.
        shared: Whether other processes share them: then a store has to agree to each call.
        asks: Whether the store is asked for its oldest.
        asked: For whom, once that is sent.
        passage: What the store knows its gates by; its own business.
        untold: Those who learn of their wait when the store has answered, and how.
        waiters: The queue; those who gave up stay in it until their turn.
        filed: The gate that holds the head up.
        filed_for: The head's place in the order of all calls when it was filed.
        ready: When the gate is expected to let it go; infinity where only an event can tell.
        queued: The cost of all who wait.
        deadlines: When they give up.
        live: How many wait.
        ways: How many ways lead here, as the memory counts them.
        most: The largest cost that can ever be granted.
    """

    scopes: tuple[ScopeGate, ...]
    limits: tuple[LimitGate, ...]
    pools: tuple[PoolGate, ...]
    max_queue: int
    urgent: bool = False
    shared: bool = False
    asks: bool = attrs.field(default=False, init=False)
    asked: tuple[Waiter, ...] = attrs.field(default=(), init=False)
    passage: object = attrs.field(default=None, init=False)
    untold: list[tuple[Waiter, OnDelay | None]] | tuple[()] = attrs.field(default=(), init=False)
    waiters: deque[Waiter] = attrs.field(default=_NOBODY, init=False)
    filed: Gate | None = attrs.field(default=None, init=False)
    filed_for: int = attrs.field(default=-1, init=False)
    ready: float = attrs.field(default=float("inf"), init=False)
    queued: int = attrs.field(default=0, init=False)
    deadlines: Deadlines | None = attrs.field(default=None, init=False)
    live: int = attrs.field(default=0, init=False)
    ways: int = attrs.field(default=0, init=False)
    gates: tuple[Gate, ...] = attrs.field(init=False)
    most: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gates = (*self.scopes, *self.limits, *self.pools)
        self.most = min((limit.gauge.most for limit in self.limits), default=math.inf)

    @property
    def arrival(self) -> int:
        """The head's place in the order of all calls; -1 if nobody waits."""
        head = self.head()
        return -1 if head is None else head.arrival

    def head(self) -> Waiter | None:
        """Return who is first, those who gave up left out."""
        while self.waiters and self.waiters[0].done():
            del self.waiters[0]
        return self.waiters[0] if self.waiters else None

    def first(self, count: int, before: float) -> tuple[Waiter, ...]:
        """Return the oldest who wait, at most `count`, and only those that came `before`."""
        waiting = (each for each in self.waiters if not each.done())
        return tuple(takewhile(lambda each: each.arrival < before, islice(waiting, count)))

    def tell_later(self, waiter: Waiter, on_delay: OnDelay | None) -> None:
        """Let a call hear of its wait, if it has to wait, when the store has answered."""
        if on_delay is not None:
            # Whoever brings the answer does so for all: what is told is told to its own call.
            on_delay = partial(copy_context().run, on_delay)  # type: ignore[call-arg]
        self.untold = self.untold or []
        self.untold.append((waiter, on_delay))

    def places(self, those: Iterable[Waiter]) -> list[tuple[Waiter, int, int]]:
        """Return of some who wait, in order, how many there are from each on, and at what cost."""
        sought = {each for each in those if not each.done()}
        found, count, cost = list[tuple[Waiter, int, int]](), 0, 0
        for waiter in reversed(self.waiters):
            if len(found) == len(sought):
                break
            if not waiter.done():
                count, cost = count + 1, cost + waiter.cost
                if waiter in sought:
                    found.append((waiter, count, cost))
        return found[::-1]

    def reserve(self, count: int) -> None:
        """Keep connections free for those who ask, or let go of them."""
        for pool in self.pools:
            pool.used += count

    def stop_asking(self) -> None:
        """Ask no more: there is an answer, or there will be none."""
        self.reserve(-len(self.asked))
        self.asks, self.asked = False, ()

    def join(self, waiter: Waiter) -> None:
        """Queue a call."""
        deadlines = self.deadlines or self._begin()
        deadlines.add(waiter)
        self.waiters.append(waiter)
        self.live += 1
        self.queued += waiter.cost
        if self.filed is not None:
            self.filed.queued += waiter.cost
        for scope in self.scopes:
            scope.state.waiting += 1

    def leave(self, waiter: Waiter) -> None:
        """Count a call out that was granted, refused or gave up."""
        self.live -= 1
        self.queued -= waiter.cost
        if self.filed is not None:
            self.filed.queued -= waiter.cost
        for scope in self.scopes:
            scope.state.waiting -= 1
        if not self.live:
            self._end()
        elif len(self.waiters) > 2 * self.live + _COMPACT:
            self.waiters = deque(each for each in self.waiters if not each.done())

    def _begin(self) -> Deadlines:
        self.waiters, self.deadlines = deque(), Deadlines()
        for scope in self.scopes:
            scope.join(self)
        return self.deadlines

    def _end(self) -> None:
        if self.deadlines is not None:
            self.deadlines.end()
        self.waiters, self.deadlines = _NOBODY, None
        for scope in self.scopes:
            scope.leave(self)

    def forget(self) -> None:
        """Let go of all who wait, those too who gave up and have not left: their loop has ended."""
        self.unfile()
        for scope in self.scopes:
            scope.state.waiting -= self.live
        self.live = self.queued = 0
        self._end()

    @property
    def earliest(self) -> float:
        """No deadline of those who wait is earlier."""
        return math.inf if self.deadlines is None else self.deadlines.earliest(self.head())

    def ending(self, end: float | None) -> list[Waiter]:
        """Return those whose deadline is before `end`; all for None."""
        if end is not None and self.earliest >= end:
            return []
        waiting = [each for each in self.waiters if not each.done()]
        return [each for each in waiting if end is None or each.deadline < end]

    def over(self, until: float) -> list[Waiter]:
        """Return those whose deadline has come; they are no longer in the queue."""
        found = [] if self.deadlines is None else self.deadlines.over(until)
        while (head := self.head()) is not None and head.deadline <= until:
            found.append(self.waiters.popleft())
        return found

    def unfile(self) -> None:
        """Let the head wait nowhere."""
        if self.filed is not None:
            self.filed.queued -= self.queued
        self.filed, self.ready = None, float("inf")

    def is_ready_at(self, when: float) -> None:
        """Note when the gate will let the head go, so that nobody makes it wait longer."""
        if self.ready == float("inf"):
            for limit in self.limits:
                if limit is not self.filed:
                    limit.expect(self.filed_for, self)
        self.ready = when

    def ahead(self, gate: Gate) -> int:
        """Return the cost of those who go before a call that joins, as far as is certain."""
        return gate.queued if gate is self.filed else gate.queued + self.queued
