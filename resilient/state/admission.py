"""Who may send now: all gates or none, in order of arrival, at the moment of sending.

Only the scheduler takes, when it wakes a waiter. A wait holds no token and no connection.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final

import attrs

from resilient.model import Scope
from resilient.state.asking import Asking
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane, Waiter
from resilient.state.memory import Memory
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

    async def admit(
        self, lane: Lane, cost: int, deadline: float, on_delay: OnDelay | None = None
    ) -> Grant:
        """Wait until a call may be sent, and take what it costs from all its limits.

        Raises:
            Refused: It cannot be, or not before `deadline`.
            ValueError: The cost is above one of its limits.
        """
        if cost > lane.most:
            raise ValueError(f"a cost of {cost} is above the limit's {lane.most} calls")
        if self.closed:
            raise Refused("closed", None)
        arrival = next(self._arrivals) + (_URGENT if lane.urgent else 0)
        now = self.now()
        if now >= deadline:
            raise Refused("deadline", None)
        wait, rule = None, self.store.rule(lane) if lane.shared else "here"
        if rule == "nobody":
            raise Refused("store", None)
        if not lane.live:
            wait = self._held(lane, arrival, cost, now)
            if wait is None and rule == "here":
                return self._grant(lane, cost, now)
        waiter = Waiter(arrival, cost, deadline, _future(), on_delay)
        delay = None
        if rule == "store" and wait is None and lane.filed is None:
            lane.tell_later(waiter)
        else:
            self._refuse_at_once(lane, waiter)
            delay = self._delay(lane, waiter, wait)
        lane.join(waiter)
        if lane.filed is None and not lane.asks:
            self._file(lane, wait, now)
        return await self._wait(lane, waiter, delay)

    def foresee_delay(self, lane: Lane, cost: int) -> Delay | None:
        """Return the wait that a call would meet now, or None."""
        wait = self._held(lane, next(self._arrivals), cost, self.now())
        if wait is None:
            return None
        return self._delay(lane, Waiter(0, cost, float("inf"), _future()), wait)

    def pretend(self, lane: Lane, cost: int) -> Grant:
        """Take for a call that goes in any case, so that the next one's wait is known."""
        return self._grant(lane, cost, self.now())

    async def _wait(self, lane: Lane, waiter: Waiter, delay: Delay | None) -> Grant:
        # Whoever has to wait for the store alone does so for a moment at most.
        if delay is not None or waiter.deadline - self.now() < SOON:
            self._set_timer(lane, waiter)
        try:
            if delay is not None and waiter.on_delay is not None:
                waiter.on_delay(delay)
            grant: Grant = await waiter.future
        except (Refused, GeneratorExit):  # the latter: its loop has ended, and all are forgotten
            raise
        except BaseException:
            self._abandon(lane, waiter)
            raise
        finally:
            if waiter.timer is not None:
                waiter.timer.cancel()
        return grant

    def _set_timer(self, lane: Lane, waiter: Waiter) -> None:
        if waiter.deadline != float("inf") and waiter.timer is None:
            loop = asyncio.get_running_loop()
            waiter.timer = loop.call_at(waiter.deadline, self._expire, lane, waiter)

    def _expire(self, lane: Lane, waiter: Waiter) -> None:
        if not waiter.future.done():
            self._refuse(lane, waiter, Refused("deadline", self.foresee(lane, waiter.cost)))
            self._moved_up(lane)

    def _abandon(self, lane: Lane, waiter: Waiter) -> None:
        if waiter.future.done() and not waiter.future.cancelled():
            # It was granted, and then cancelled before it could go.
            if waiter.future.exception() is None:
                grant: Grant = waiter.future.result()
                grant.cancel()
            return
        waiter.future.cancel()
        lane.leave(waiter)
        self._moved_up(lane)

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
                self.serve([gate])
        return changes

    def forget_timers(self) -> None:
        """Let go of the timers of a loop that has ended, and of who waited in it."""
        self._delays.clear()
        for lane in self.memory.lanes.values():
            for waiter in lane.ending(None):
                lane.leave(waiter)
            lane.unfile()
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


def _future() -> "asyncio.Future[Grant]":
    return asyncio.get_running_loop().create_future()
