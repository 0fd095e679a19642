"""A lane: the calls that need the same gates, first come, first served."""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from contextvars import copy_context
from functools import partial
from itertools import islice, takewhile
from typing import Any

import attrs

from resilient.state.gates import Gate, LimitGate, PoolGate, ScopeGate
from resilient.state.waiting import OnDelay

_COMPACT = 64


@attrs.define(eq=False, repr=False)
class Waiter:
    """A call that waits.

    Attributes:
        arrival: Its place in the order of all calls; a refresh call comes before every other.
        future: Gets the grant, or why there is none.
        deadline: When it gives up.
        on_delay: Is told that it has to wait.
        timer: Ends the wait at the deadline.
    """

    arrival: int
    cost: int
    deadline: float
    future: asyncio.Future[Any]
    on_delay: OnDelay | None = None
    timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Lane:
    """The queue before one set of gates.

    Attributes:
        scopes: The scopes of a call, each of another kind.
        shared: Whether other processes share them: then a store has to agree to each call.
        asks: Whether the store is asked for its oldest.
        asked: For whom, once that is sent.
        passage: What the store knows its gates by; its own business.
        untold: Those who learn of their wait when the store has answered.
        waiters: Made for the first: a queue takes half a KiB, and most lanes need none.
        filed: The gate that holds the head up.
        filed_for: The head's place in the order of all calls when it was filed.
        ready: When the gate is expected to let it go; infinity where only an event can tell.
        queued: The cost of all who wait.
        earliest: No deadline of theirs is earlier.
        live: How many wait; those who gave up stay in `waiters` until their turn.
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
    untold: list[Waiter] | tuple[()] = attrs.field(default=(), init=False)
    waiters: deque[Waiter] | tuple[()] = attrs.field(default=(), init=False)
    filed: Gate | None = attrs.field(default=None, init=False)
    filed_for: int = attrs.field(default=-1, init=False)
    ready: float = attrs.field(default=float("inf"), init=False)
    queued: int = attrs.field(default=0, init=False)
    earliest: float = attrs.field(default=float("inf"), init=False)
    live: int = attrs.field(default=0, init=False)
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
        while self.waiters and self.waiters[0].future.done():
            self.waiters.popleft()
        return self.waiters[0] if self.waiters else None

    def first(self, count: int, before: float) -> tuple[Waiter, ...]:
        """Return the oldest who wait, at most `count`, and only those that came `before`."""
        waiting = (each for each in self.waiters if not each.future.done())
        return tuple(takewhile(lambda each: each.arrival < before, islice(waiting, count)))

    def tell_later(self, waiter: Waiter) -> None:
        """Let a call hear of its wait, if it has to wait, when the store has answered."""
        if waiter.on_delay is not None:
            # Whoever brings the answer does so for all: what is told is told to its own call.
            waiter.on_delay = partial(copy_context().run, waiter.on_delay)  # type: ignore[call-arg]
        self.untold = self.untold or []
        self.untold.append(waiter)

    def places(self, those: Iterable[Waiter]) -> list[tuple[Waiter, int, int]]:
        """Return of some who wait, in order, how many there are from each on, and at what cost."""
        sought = {each for each in those if not each.future.done()}
        found, count, cost = list[tuple[Waiter, int, int]](), 0, 0
        for waiter in reversed(self.waiters):
            if len(found) == len(sought):
                break
            if not waiter.future.done():
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
