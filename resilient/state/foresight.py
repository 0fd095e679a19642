"""What a call that may have to wait is told: for how long, or why it is refused at once."""

import attrs

from resilient.state.gate import A_MOMENT, Wait
from resilient.state.gates import LimitGate, ScopeGate
from resilient.state.lane import Lane
from resilient.state.order import Order
from resilient.state.waiting import Delay, Refused


@attrs.define(eq=False, repr=False)
class Foresight(Order):
    """Foresees waits."""

    def _refuse_at_once(self, lane: Lane, cost: int, deadline: float, now: float) -> None:
        for gate in lane.scopes:
            hold = None if gate.state.calm else gate.check(cost, now)
            if hold is not None and hold.reason == "blocked":
                raise Refused("blocked", hold.seconds, gate.state.scope)
        if (crowded := self._beyond(lane, cost)) is not None:
            raise crowded
        seconds = self.foresee(lane, cost)
        if now + seconds > deadline - A_MOMENT:
            raise Refused("deadline", seconds)

    def _beyond(self, lane: Lane, cost: int, others: int = 0) -> Refused | None:
        """Return that too many wait already, beside `others` that do not count, or None."""
        for gate in lane.scopes if not lane.urgent else ():
            if gate.state.waiting - others >= lane.max_queue:
                return Refused("queue", self.foresee(lane, cost), gate.state.scope)
        return None

    def foresee(self, lane: Lane, cost: int, later: int = 0) -> float:
        """Return the seconds that a call would wait at least, were it to queue now.

        Args:
            lane: Where it queues.
            cost: What it takes.
            later: What those take who wait and come after it, itself included if it waits.
        """
        now = self.now()
        if lane.urgent:
            waits = (gate.check(cost, now) for gate in lane.gates)
            return max((wait.seconds or 0.0 for wait in waits if wait), default=0.0)
        seconds = 0.0
        for gate in lane.gates:
            # Written out, for it is asked for each that queues.
            ahead = gate.queued if gate is lane.filed else gate.queued + lane.queued
            found = gate.foresee(ahead - later, cost, now)
            seconds = max(seconds, found)
        return seconds

    def _delay(
        self, lane: Lane, cost: int, wait: Wait | None, behind: int = 0, later: int = 0
    ) -> Delay:
        now = self.now()
        gate = wait.gate if wait is not None else lane.filed or lane.gates[0]
        held = gate.check(cost, now)
        seconds: float | None = None
        if held is None or held.seconds is not None:
            ahead = ((gate, lane.ahead(gate) - later) for gate in lane.gates)
            waits = [gate.foresee(those, cost, now) for gate, those in ahead]
            seconds = max(waits)
            gate = lane.gates[waits.index(seconds)] if seconds else gate
            held = gate.check(cost, now)
        return Delay(
            # Of an answer, or a free connection, nobody knows when it comes.
            seconds=seconds or None,
            position=lane.live - behind + 1,
            reason=gate.reason if held is None else held.reason,
            limit=gate.name if isinstance(gate, LimitGate) else None,
            scope=str(gate.state.scope) if isinstance(gate, ScopeGate) else None,
        )
