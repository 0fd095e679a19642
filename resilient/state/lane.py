"""A lane: the calls that need the same gates, first come, first served."""

import asyncio
from collections import deque
from typing import Any

import attrs

from resilient.state.gates import Gate, LimitGate, PoolGate, ScopeGate

_COMPACT = 64


@attrs.define(eq=False, repr=False)
class Waiter:
    """A call that waits.

    Attributes:
        arrival: Its place in the order of all calls; a refresh call comes before every other.
        future: Gets the grant, or why there is none.
        deadline: When it gives up.
    """

    arrival: int
    cost: int
    deadline: float
    future: asyncio.Future[Any]


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Lane:
    """The queue before one set of gates.

    Attributes:
        scopes: The scopes of a call, each of another kind.
        waiters: Made for the first: a queue takes half a KiB, and most lanes need none.
        filed: The gate that holds the head up.
        filed_for: The head's place in the order of all calls when it was filed.
        ready: When the gate is expected to let it go; infinity where only an event can tell.
        queued: The cost of all who wait.
        earliest: No deadline of theirs is earlier.
        live: How many wait; those who gave up stay in `waiters` until their turn.
    """

    scopes: tuple[ScopeGate, ...]
    limits: tuple[LimitGate, ...]
    pools: tuple[PoolGate, ...]
    max_queue: int
    urgent: bool = False
    waiters: deque[Waiter] | tuple[()] = attrs.field(default=(), init=False)
    filed: Gate | None = attrs.field(default=None, init=False)
    filed_for: int = attrs.field(default=-1, init=False)
    ready: float = attrs.field(default=float("inf"), init=False)
    queued: int = attrs.field(default=0, init=False)
    earliest: float = attrs.field(default=float("inf"), init=False)
    live: int = attrs.field(default=0, init=False)
    gates: tuple[Gate, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gates = (*self.scopes, *self.limits, *self.pools)

    @property
    def arrival(self) -> int:
        """The head's place in the order of all calls; -1 if nobody waits."""
        head = self.head()
        return -1 if head is None else head.arrival

    @property
    def most(self) -> int | None:
        """The largest cost that can ever be granted; None: any."""
        return min((limit.gauge.most for limit in self.limits), default=None)

    def head(self) -> Waiter | None:
        """Return who is first, those who gave up left out."""
        while self.waiters and self.waiters[0].future.done():
            self.waiters.popleft()
        return self.waiters[0] if self.waiters else None

    def join(self, waiter: Waiter) -> None:
        """Queue a call."""
        self.waiters = self.waiters or deque()
        self.waiters.append(waiter)
        self.live += 1
        self.earliest = min(self.earliest, waiter.deadline)
        self._queue(waiter.cost)
        for scope in self.scopes:
            scope.join(self)

    def leave(self, waiter: Waiter) -> None:
        """Count a call out that was granted, refused or gave up."""
        self.live -= 1
        self._queue(-waiter.cost)
        for scope in self.scopes:
            scope.leave(self)
        if not self.live:
            self.waiters = ()
        elif len(self.waiters) > 2 * self.live + _COMPACT:
            self.waiters = deque(each for each in self.waiters if not each.future.done())

    def ending(self, end: float | None) -> list[Waiter]:
        """Return those whose deadline is before `end`; all for None."""
        if end is not None and self.earliest >= end:
            return []
        waiting = [each for each in self.waiters if not each.future.done()]
        going = [each for each in waiting if end is None or each.deadline < end]
        kept = (each.deadline for each in waiting if end is not None and each.deadline >= end)
        self.earliest = min(kept, default=float("inf"))
        return going

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

    def _queue(self, cost: int) -> None:
        self.queued += cost
        if self.filed is not None:
            self.filed.queued += cost
