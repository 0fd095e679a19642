"""Who may send now: all gates or none, in order of arrival, at the moment of sending.

Only the scheduler takes, when it wakes a waiter. A wait holds no token and no connection.
A younger head may pass an older one where that holds nobody up: each head is filed under
the gate that holds it up longest, and only there is it looked for when room appears. At its
other limits it is expected at the time when that gate opens, and nobody younger takes there
what would make it wait longer.
"""

import asyncio
from collections.abc import Callable, Iterable
from itertools import count

import attrs

from resilient.model import Scope
from resilient.state.gates import A_MOMENT, Gate, LimitGate, ScopeGate, Wait
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane, Waiter
from resilient.state.memory import Memory
from resilient.state.waiting import Delay, OnDelay, Refused, Why

_URGENT = -(10**15)
"""Where the arrivals of refresh calls begin: before every other."""


@attrs.define(eq=False, repr=False)
class Admission:
    """The scheduler of one middleware.

    Attributes:
        now: Returns monotonic seconds.
    """

    now: Callable[[], float]
    memory: Memory = attrs.field(factory=Memory)
    closed: bool = False
    _arrivals: "count[int]" = attrs.field(factory=count, init=False)
    _delays: "set[asyncio.Future[None]]" = attrs.field(factory=set, init=False)

    async def admit(
        self, lane: Lane, cost: int, deadline: float, on_delay: OnDelay | None = None
    ) -> Grant:
        """Wait until a call may be sent, and take what it costs from all its limits.

        Raises:
            Refused: It cannot be, or not before `deadline`.
            ValueError: The cost is above one of its limits.
        """
        if lane.most is not None and cost > lane.most:
            raise ValueError(f"a cost of {cost} is above the limit's {lane.most} calls")
        if self.closed:
            raise Refused("closed", None)
        arrival = next(self._arrivals) + (_URGENT if lane.urgent else 0)
        now = self.now()
        if now >= deadline:
            raise Refused("deadline", None)
        wait = None
        if not lane.live:
            wait = self._held(lane, arrival, cost, now)
            if wait is None:
                return self._grant(lane, cost, now)
        return await self._wait(lane, Waiter(arrival, cost, deadline, _future()), wait, on_delay)

    def foresee_delay(self, lane: Lane, cost: int) -> Delay | None:
        """Return the wait that a call would meet now, or None."""
        wait = self._held(lane, next(self._arrivals), cost, self.now())
        if wait is None:
            return None
        return self._delay(lane, Waiter(0, cost, float("inf"), _future()), wait)

    def pretend(self, lane: Lane, cost: int) -> Grant:
        """Take for a call that goes in any case, so that the next one's wait is known."""
        return self._grant(lane, cost, self.now())

    async def _wait(
        self, lane: Lane, waiter: Waiter, wait: Wait | None, on_delay: OnDelay | None
    ) -> Grant:
        self._refuse_at_once(lane, waiter)
        delay = self._delay(lane, waiter, wait)
        lane.join(waiter)
        if lane.filed is None:
            self._file(lane, wait, self.now())
        loop = asyncio.get_running_loop()
        timer = None
        if waiter.deadline != float("inf"):
            timer = loop.call_at(waiter.deadline, self._expire, lane, waiter)
        try:
            if on_delay is not None:
                on_delay(delay)
            grant: Grant = await waiter.future
        except (Refused, GeneratorExit):  # the latter: its loop has ended, and all are forgotten
            raise
        except BaseException:
            self._abandon(lane, waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return grant

    def _refuse_at_once(self, lane: Lane, waiter: Waiter) -> None:
        now = self.now()
        for gate in lane.scopes:
            hold = gate.check(waiter.cost, now)
            if hold is not None and hold.reason == "blocked":
                raise Refused("blocked", hold.seconds, gate.state.scope)
            if gate.state.waiting >= lane.max_queue and not lane.urgent:
                raise Refused("queue", self.foresee(lane, waiter.cost), gate.state.scope)
        seconds = self.foresee(lane, waiter.cost)
        if now + seconds > waiter.deadline - A_MOMENT:
            raise Refused("deadline", seconds)

    def foresee(self, lane: Lane, cost: int) -> float:
        """Return the seconds that a call would wait at least, were it to queue now."""
        now = self.now()
        if lane.urgent:
            waits = (gate.check(cost, now) for gate in lane.gates)
            return max((wait.seconds or 0.0 for wait in waits if wait), default=0.0)
        return max((gate.foresee(lane.ahead(gate), cost, now) for gate in lane.gates), default=0.0)

    def _delay(self, lane: Lane, waiter: Waiter, wait: Wait | None) -> Delay:
        now = self.now()
        gate = wait.gate if wait is not None else lane.filed or lane.gates[0]
        held = gate.check(waiter.cost, now)
        seconds: float | None = None
        if held is None or held.seconds is not None:
            waits = [gate.foresee(lane.ahead(gate), waiter.cost, now) for gate in lane.gates]
            seconds = max(waits)
            gate = lane.gates[waits.index(seconds)] if seconds else gate
            held = gate.check(waiter.cost, now)
        return Delay(
            # Of an answer, or a free connection, nobody knows when it comes.
            seconds=seconds or None,
            position=lane.live + 1,
            reason=gate.reason if held is None else held.reason,
            limit=gate.name if isinstance(gate, LimitGate) else None,
            scope=str(gate.state.scope) if isinstance(gate, ScopeGate) else None,
        )

    def _held(self, lane: Lane, arrival: int, cost: int, now: float) -> Wait | None:
        """Return what holds a call up longest, or None if it may go."""
        longest: Wait | None = None
        for gate in lane.gates:
            wait = gate.check(cost, now)
            if wait is None:
                wait = gate.yields(arrival, cost, now)
            elif wait.reason == "blocked":
                return wait
            if wait is not None and (longest is None or _length(wait) > _length(longest)):
                longest = wait
        return longest

    def _grant(self, lane: Lane, cost: int, now: float) -> Grant:
        grant = Grant(self, lane, cost, now)
        # Scopes first: one that comes out of a pause empties its buckets before we take.
        for gate in lane.gates:
            gate.enter(grant, cost, now)
        return grant

    def _file(self, lane: Lane, wait: Wait | None, now: float) -> None:
        """File a lane's head under the gate that holds it up, or let it go."""
        self._let_pass(lane)
        head = lane.head()
        if head is None:
            lane.unfile()
            return
        if wait is None:
            wait = self._held(lane, head.arrival, head.cost, now)
        gate = lane.gates[0] if wait is None else wait.gate
        gate.file(head.arrival, lane)
        if wait is None:
            self._arm(gate, now)
        else:
            self._expect(lane, wait, now)

    def _expect(self, lane: Lane, wait: Wait, now: float) -> None:
        """See to it that a head is looked at when its gate is expected to open."""
        if wait.seconds is not None:
            if now + wait.seconds > lane.ready + A_MOMENT:
                self._let_pass(lane)
            lane.is_ready_at(now + wait.seconds)
            self._arm(wait.gate, now + wait.seconds)

    def _let_pass(self, lane: Lane) -> None:
        """Wake those who let a lane's head go first: it went elsewhere, or comes later."""
        for limit in lane.limits:
            if limit.yielded:
                self.wake(limit)

    def wake(self, gate: Gate) -> None:
        """Look soon whether somebody who waits at a gate may go."""
        if gate.heads:
            self._arm(gate, self.now())

    def _arm(self, gate: Gate, when: float) -> None:
        if gate.timer is not None:
            if gate.timer.when() <= when:
                return
            gate.timer.cancel()
        gate.timer = asyncio.get_running_loop().call_at(when, self._fire, gate)

    def _fire(self, gate: Gate) -> None:
        gate.timer = None
        self._serve(gate)

    def serve(self, gates: Iterable[Gate]) -> None:
        """Look whether somebody who waits at these gates may go now."""
        for gate in gates:
            if gate.heads:
                self._serve(gate)

    def _serve(self, gate: Gate) -> None:
        now = self.now()
        gate.yielded = False
        while (lane := gate.first()) is not None and (waiter := lane.head()) is not None:
            wait = self._held(lane, waiter.arrival, waiter.cost, now)
            if wait is None:
                lane.leave(waiter)
                waiter.future.set_result(self._grant(lane, waiter.cost, now))
                self._next(lane, gate)
            elif wait.reason == "blocked":
                self._refuse(lane, waiter, Refused("blocked", wait.seconds, _scope(wait.gate)))
                self._next(lane, gate)
            elif wait.gate is gate:
                self._expect(lane, wait, now)
                return
            else:
                self._file(lane, wait, now)

    def _next(self, lane: Lane, gate: Gate) -> None:
        self._let_pass(lane)
        head = lane.head()
        if head is None:
            lane.unfile()
        else:
            gate.file(head.arrival, lane)

    def _refuse(self, lane: Lane, waiter: Waiter, refusal: Refused) -> None:
        if not waiter.future.done():
            lane.leave(waiter)
            waiter.future.set_exception(refusal)

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

    def _moved_up(self, lane: Lane) -> None:
        """A waiter left: if it was the head, the next one may be able to go."""
        gate = lane.filed
        if gate is not None and lane.arrival != lane.filed_for:
            self._file(lane, None, self.now())
            self._serve(gate)

    def moved(self, gates: Iterable[ScopeGate]) -> None:
        """A pause or block moved later: refuse those whom it no longer fits, then and there."""
        for gate in gates:
            now = self.now()
            held = gate.check(1, now)
            if held is None or held.seconds is None:
                continue
            why: Why = "blocked" if held.reason == "blocked" else "deadline"
            for lane in list(gate.lanes):
                for waiter in lane.ending(None if why == "blocked" else now + held.seconds):
                    self._refuse(lane, waiter, Refused(why, held.seconds, gate.state.scope))
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
            if wanted(scope) and gate.state.release(self.now()):
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
        for gate in self.memory.gates():
            gate.timer = None

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


def _length(wait: Wait) -> float:
    return float("inf") if wait.seconds is None else wait.seconds


def _scope(gate: Gate) -> Scope | None:
    return gate.state.scope if isinstance(gate, ScopeGate) else None


def _future() -> "asyncio.Future[Grant]":
    return asyncio.get_running_loop().create_future()
