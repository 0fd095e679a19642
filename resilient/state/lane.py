"""A lane: the calls that need the same gates, first come, first served."""

import asyncio
from collections import deque
from typing import Any

import attrs

from resilient.state.gates import Gate, LimitGate, PoolGate, ScopeGate

_COMPACT = 64


@attrs.define(eq=False)
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


@attrs.define(eq=False)
class Lane:
    """The queue before one set of gates.

    Attributes:
        scopes: The scopes of a call, by kind.
        filed: The gate that holds the head up.
        filed_for: The head's place in the order of all calls when it was filed.
        live: How many wait; those who gave up stay in `waiters` until their turn.
    """

    scopes: dict[str, ScopeGate]
    limits: tuple[LimitGate, ...]
    pools: tuple[PoolGate, ...]
    max_queue: int
    urgent: bool = False
    waiters: deque[Waiter] = attrs.field(factory=deque, init=False)
    filed: Gate | None = attrs.field(default=None, init=False)
    filed_for: int = attrs.field(default=-1, init=False)
    live: int = attrs.field(default=0, init=False)
    gates: tuple[Gate, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gates = (*self.scopes.values(), *self.limits, *self.pools)

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
        self.waiters.append(waiter)
        self.live += 1
        for gate in self.gates:
            gate.queued += waiter.cost
        for scope in self.scopes.values():
            scope.state.waiting += 1
            scope.lanes.add(self)

    def leave(self, waiter: Waiter) -> None:
        """Count a call out that was granted, refused or gave up."""
        self.live -= 1
        for gate in self.gates:
            gate.queued -= waiter.cost
        for scope in self.scopes.values():
            scope.state.waiting -= 1
            if not self.live:
                scope.lanes.discard(self)
        if len(self.waiters) > 2 * self.live + _COMPACT:
            self.waiters = deque(each for each in self.waiters if not each.future.done())
