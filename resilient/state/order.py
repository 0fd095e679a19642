"""The order: who may go now, all gates or none, first come first served.

A younger head may pass an older one where that holds nobody up: each head is filed under
the gate that holds it up longest, and only there is it looked for when room appears. At its
other limits it is expected at the time when that gate opens, and nobody younger takes there
what would make it wait longer.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

import attrs

from resilient.model import Scope
from resilient.state.gate import A_MOMENT, Gate, Wait
from resilient.state.gates import ScopeGate
from resilient.state.grant import Grant
from resilient.state.lane import Lane, Waiter
from resilient.state.store import InProcess, Store, Ticket
from resilient.state.waiting import Refused, Why


@attrs.define(eq=False, repr=False)
class Order(ABC):
    """Lets the heads of lanes go.

    Attributes:
        now: Returns monotonic seconds.
        store: Who has to agree as well.
    """

    now: Callable[[], float]
    store: Store = attrs.field(factory=InProcess)

    @abstractmethod
    def ask(self, lane: Lane) -> None:
        """Ask the store for the oldest of a lane."""

    def _asks(self, lane: Lane) -> bool:
        return lane.shared and self.store.rule(lane) == "store"

    def _held(
        self, lane: Lane, arrival: int, cost: int, now: float, at: Gate | None = None
    ) -> Wait | None:
        """Return what holds a call up longest, or None if it may go.

        Args:
            lane: Where it comes from.
            arrival: Its place in the order of all calls.
            cost: What it takes.
            now: The time.
            at: The gate where it is the oldest that waits, if it waits.
        """
        longest: Wait | None = None
        for gate in lane.gates:
            wait = gate.check(cost, now)
            if wait is None:
                if gate.due or (gate.heads and gate is not at):
                    wait = gate.yields(arrival, cost, now)
            elif wait.reason == "blocked":
                return wait
            if wait is not None and (longest is None or _length(wait) > _length(longest)):
                longest = wait
        return longest

    def _grant(self, lane: Lane, cost: int, now: float, ticket: Ticket | None = None) -> Grant:
        grant = Grant(self, lane, cost, now, ticket)
        # Scopes first: one that comes out of a pause empties its buckets before we take.
        for scope in lane.scopes:
            if scope.state.calm:
                scope.state.in_flight += 1
            else:
                scope.enter(grant, cost, now)
        for limit in lane.limits:
            if limit.allowance is None and not lane.shared:
                limit.gauge.take(cost, now)
            else:
                limit.enter(grant, cost, now)
        for pool in lane.pools:
            pool.used += 1
        return grant

    def _file(self, lane: Lane, wait: Wait | None, now: float) -> None:
        """File a lane's head under the gate that holds it up, or let it go."""
        self._let_pass(lane)
        head = lane.head()
        if head is None or lane.asks:
            lane.unfile()
            return
        if wait is None:
            wait = self._held(lane, head.arrival, head.cost, now)
        if wait is None and self._asks(lane):
            self.ask(lane)
            return
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
        if wait.again is not None:
            self._arm(wait.gate, now + wait.again)

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
        gate.timer = asyncio.get_running_loop().call_at(when, self._fire, gate, when)

    def _fire(self, gate: Gate, due: float) -> None:
        gate.woken(due, self.now())
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
        while (lane := gate.first()) is not None:
            waiter = lane.waiters[0]
            wait = self._held(lane, waiter.arrival, waiter.cost, now, gate)
            if wait is None and lane.shared and self._asks(lane):
                self.ask(lane)
            elif wait is None and lane.shared and self.store.rule(lane) == "nobody":
                self._refuse(lane, waiter, Refused("store", None))
                self._next(lane, gate)
            elif wait is None:
                lane.leave(waiter)
                waiter.set_result(self._grant(lane, waiter.cost, now))
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
        if not waiter.done():
            lane.leave(waiter)
            waiter.set_exception(refusal)

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


def _length(wait: Wait) -> float:
    return float("inf") if wait.seconds is None else wait.seconds


def _scope(gate: Gate) -> Scope | None:
    return gate.state.scope if isinstance(gate, ScopeGate) else None
