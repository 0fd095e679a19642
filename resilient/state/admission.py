"""Who may send now: all gates or none, in order of arrival, at the moment of sending.

Only the scheduler takes, when it wakes a waiter. A wait holds no token and no connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

import attrs

from resilient.model import Scope
from resilient.state.asking import Asking
from resilient.state.gate import Wait
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane, Waiter
from resilient.state.memory import Memory
from resilient.state.store import Rule
from resilient.state.waiting import Delay, OnDelay, Refused

SOON: Final = 10.0
"""Seconds to a deadline that is watched also while only the store is waited for."""

_URGENT = -(10**15)
"""Where the arrivals of refresh calls begin: before every other."""


@attrs.define(eq=False, repr=False)
class Admission(Asking):
    """The scheduler of one middleware: how calls come, wait and go."""

    closed: bool = False
    _arrivals: "count[int]" = attrs.field(factory=count, init=False)
    _delays: "set[asyncio.Future[None]]" = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self.memory = Memory(self.store.maker)
        self.store.open(self)

    def at_once(  # noqa: C901 - written out, see below
        self, lane: Lane, cost: int, deadline: float, now: float
    ) -> Grant | None:
        """Let a call go that nothing holds up, and nobody goes before; None: `admit` tells.

        It is what `_held` and `_grant` come to where all is calm, written out: nearly every call
        goes this way.
        """
        if self.closed or lane.live or lane.shared or now >= deadline:
            return None
        for scope in lane.scopes:
            if scope.heads or not scope.state.calm:
                return None
        for limit in lane.limits:
            if limit.heads or limit.due or limit.allowance is not None:
                return None
            if not limit.gauge.has(cost, now):
                return None
        for pool in lane.pools:
            if pool.heads or pool.used >= pool.room:
                return None
        for scope in lane.scopes:
            scope.state.in_flight += 1
        for limit in lane.limits:
            limit.gauge.take(cost, now)
        for pool in lane.pools:
            pool.used += 1
        return Grant(self, lane, cost, now)

    def admit(
        self, lane: Lane, cost: int, deadline: float, on_delay: OnDelay | None = None
    ) -> Awaitable[Grant]:
        """Return when a call may be sent, having taken what it costs from all its limits.

        Whoever is cancelled while waiting leaves the queue. A refusal comes at once or later.

        Raises:
            Refused: It cannot be, or not before `deadline`.
            ValueError: The cost is above one of its limits.
        """
        now = self.now()
        rule = self._rule(lane, cost, deadline, now)
        arrival = next(self._arrivals) + (_URGENT if lane.urgent else 0)
        wait = None if lane.live else self._held(lane, arrival, cost, now)
        if wait is None and not lane.live and rule == "here":
            return _given(self._grant(lane, cost, now))
        if rule == "store" and wait is None and lane.filed is None:
            return self._ask_for(Waiter(self, lane, arrival, cost, deadline), on_delay, now)
        self._refuse_at_once(lane, cost, deadline, now)
        delay = None if on_delay is None else self._delay(lane, cost, wait)
        waiter = Waiter(self, lane, arrival, cost, deadline)
        self._queue(waiter, wait, now)
        self._watch(lane, deadline)
        if delay is not None and on_delay is not None:
            self._tell_now(waiter, on_delay, delay)
        return waiter

    def _rule(self, lane: Lane, cost: int, deadline: float, now: float) -> Rule:
        """Return who lets the call go, unless nobody ever does."""
        if cost > lane.most:
            raise ValueError(f"a cost of {cost} is above the limit's {lane.most} calls")
        if self.closed:
            raise Refused("closed", None)
        if now >= deadline:
            raise Refused("deadline", None)
        rule = self.store.rule(lane) if lane.shared else "here"
        if rule == "nobody":
            raise Refused("store", None)
        return rule

    def _queue(self, waiter: Waiter, wait: Wait | None, now: float) -> None:
        lane = waiter.lane
        lane.join(waiter)
        if lane.filed is None and not lane.asks:
            self._file(lane, wait, now)

    def _ask_for(self, waiter: Waiter, on_delay: OnDelay | None, now: float) -> Waiter:
        """Queue a call that perhaps need not wait: the answer of the store tells."""
        waiter.lane.tell_later(waiter, on_delay)
        self._queue(waiter, None, now)
        # Whoever has to wait for the store alone does so for a moment at most.
        if waiter.deadline - now < SOON:
            self._watch(waiter.lane, waiter.deadline)
        return waiter

    def _tell_now(self, waiter: Waiter, on_delay: OnDelay, delay: Delay) -> None:
        try:
            on_delay(delay)
        except BaseException:
            waiter.cancel()
            raise

    def foresee_delay(self, lane: Lane, cost: int) -> Delay | None:
        """Return the wait that a call would meet now, or None."""
        wait = self._held(lane, next(self._arrivals), cost, self.now())
        return None if wait is None else self._delay(lane, cost, wait)

    def pretend(self, lane: Lane, cost: int) -> Grant:
        """Take for a call that goes in any case, so that the next one's wait is known."""
        return self._grant(lane, cost, self.now())

    def _watch(self, lane: Lane, deadline: float) -> None:
        ends = lane.deadlines
        # The latest of all is watched in its turn.
        if ends is not None and (ends.timer is None or deadline < ends.latest):
            ends.watch(deadline, self._ring, lane)

    def _ring(self, lane: Lane) -> None:
        """Refuse those whose deadline has come, and wait for the next."""
        rung = self.now() if lane.deadlines is None else lane.deadlines.rung()
        until = max(rung, self.now())
        for waiter in lane.over(until):
            if not waiter.done():
                self._refuse(lane, waiter, Refused("deadline", self.foresee(lane, waiter.cost)))
        self._moved_up(lane)
        self._watch(lane, lane.earliest)

    def abandon(self, waiter: Waiter, *, waited: bool) -> None:
        """Let a call go that gives up; unless it `waited`, it has been granted or refused."""
        if waited:
            waiter.lane.leave(waiter)
            self._moved_up(waiter.lane)
        elif not waiter.cancelled() and waiter.exception() is None:
            # It was granted, and then cancelled before it could go.
            waiter.result().cancel()

    async def delay(self, seconds: float) -> None:
        """Wait between two attempts.

        Raises:
            Refused: It was closed meanwhile.
        """
        if self.closed:
            raise Refused("closed", None)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _end, future)
        self._delays.add(future)
        try:
            await future
        finally:
            timer.cancel()
            self._delays.discard(future)

    def release(self, wanted: Callable[[Scope], bool]) -> list[Changed]:
        """Lift the pauses and blocks of scopes by hand."""
        changes = []
        for scope, gate in list(self.memory.scopes.items()):
            if wanted(scope) and gate.release(self.now()):
                changes.append(Changed(scope=scope, change="released", reason="by hand"))
                self.serve((gate, *gate.limits))
        return changes

    def forget_timers(self) -> None:
        """Let go of the timers of a loop that has ended, and of who waited in it."""
        self._delays.clear()
        for lane in self.memory.lanes.values():
            if lane.deadlines is not None:
                lane.deadlines.timer = None
            lane.forget()
            lane.stop_asking()
        for gate in self.memory.gates():
            gate.timer = None
        self.store.forget()

    def close(self) -> None:
        """Refuse everybody who waits, and whoever comes."""
        self.closed = True
        for delay in self._delays:
            if not delay.done():
                delay.set_exception(Refused("closed", None))
        for lane in self.memory.lanes.values():
            for waiter in list(lane.waiters):
                self._refuse(lane, waiter, Refused("closed", None))
            lane.unfile()
        for gate in self.memory.gates():
            if gate.timer is not None:
                gate.timer.cancel()
                gate.timer = None


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _given(grant: Grant) -> "asyncio.Future[Grant]":
    future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
    future.set_result(grant)
    return future
