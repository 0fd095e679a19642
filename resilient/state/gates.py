"""The gates that a call passes: limits, scopes and connections."""

import math
from typing import TYPE_CHECKING

import attrs

from resilient.model import Scope
from resilient.state.allowance import Allowance
from resilient.state.gate import NO_TIME, Gate, Reason, Wait
from resilient.state.gauge import Gauge
from resilient.state.scope import ScopeState

if TYPE_CHECKING:
    from resilient.state.lane import Lane

_REASONS: dict[str, Reason] = {
    "pause": "pause",
    "probe": "probe",
    "in_flight": "probe",
    "blocked": "blocked",
}


@attrs.define(eq=False, repr=False, weakref_slot=False)
class LimitGate(Gate):
    """A limit of one scope.

    Attributes:
        name: The limit's name.
        scope: Whom it holds for; of several kinds for a compound scope.
        gauge: How much of it is left.
        allowance: What the server says is left, where that is less.
    """

    name: str
    scope: Scope
    gauge: Gauge
    allowance: Allowance | None = attrs.field(default=None, init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        allowance = self.allowance
        if allowance is not None and (told := self.told(cost, now)) is not None:
            return told
        seconds = self.gauge.wait(cost, now)
        if not seconds:
            return None
        return Wait(self, "limit", seconds, None if allowance is None else allowance.until - now)

    def woken(self, due: float, now: float) -> None:
        """Note when it was looked here, and when it was to be: nothing is lost by lateness."""
        self.gauge.woken(due, now)

    def told(self, cost: int, now: float) -> Wait | None:
        """Return how long a call is held up by what the server said is left, or None."""
        allowance = self.allowance
        left = -1.0 if allowance is None else allowance.until - now
        if allowance is None or left < NO_TIME:
            self.allow(None, now)
            return None
        return Wait(self, "limit", left, left) if cost > allowance.left else None

    def allow(self, allowance: Allowance | None, now: float) -> None:
        """Go by what the server says is left; None: by the limit alone."""
        self.allowance = allowance
        self.gauge.cap(math.inf if allowance is None else allowance.rate(now), now)

    def release(self, now: float) -> bool:
        """Go by what is documented again; tell whether it did not."""
        was_told = self.allowance is not None
        self.allow(None, now)
        return self.gauge.restore(now) or was_told

    def foresee(self, ahead: int, cost: int, now: float) -> float:
        """Return the seconds until calls ahead and one of this cost could have gone."""
        seconds = self.gauge.foresee(ahead + cost, now)
        if cost > 1:  # what saves up may take longer than as many single calls
            seconds = max(seconds, self.gauge.wait(cost, now))
        told = None if self.allowance is None else self.told(ahead + cost, now)
        return seconds if told is None else max(seconds, told.seconds or 0.0)

    def enter(self, call: object, cost: int, now: float) -> None:
        """Take from the limit."""
        if self.allowance is not None:
            self.allowance.take(cost)
        self.gauge.take(cost, now)

    def give_back(self, cost: int, taken: float, now: float, *, granted_here: bool = True) -> None:
        """Undo what a call took at the time `taken`: it was not sent.

        Args:
            cost: What it took.
            taken: When.
            now: The time.
            granted_here: Whether by this process alone.
        """
        if self.allowance is not None:
            self.allowance.give_back(cost, taken)
        self.gauge.give_back(cost, taken, now)

    def idle(self, now: float) -> bool:
        """Tell whether nothing would be lost with it."""
        told = self.allowance
        return self.gauge.idle(now) and (told is None or now >= told.until)


@attrs.define(eq=False, repr=False, weakref_slot=False)
class ScopeGate(Gate):
    """A scope: its pause, its block, its probe.

    Attributes:
        limits: The limits within it.
        lanes: Those in which somebody waits; made for the first, as a gate's heads are.
    """

    reason = "probe"

    state: ScopeState
    limits: tuple[LimitGate, ...] = attrs.field(default=(), init=False)
    lanes: "dict[Lane, None] | tuple[()]" = attrs.field(default=(), init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call is held up, or None."""
        hold = None if self.state.calm else self.state.hold(now)
        return None if hold is None else Wait(self, _REASONS[hold.why], hold.wait)

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a call is in flight, and perhaps the probe."""
        if self.state.enter(call, now):
            for limit in self.limits:
                limit.gauge.empty(now)

    def join(self, lane: "Lane") -> None:
        """Note that calls wait in this lane."""
        self.lanes = self.lanes or {}
        self.lanes[lane] = None

    def leave(self, lane: "Lane") -> None:
        """Note that nobody waits in this lane."""
        if self.lanes:
            self.lanes.pop(lane, None)
            self.lanes = self.lanes or ()

    def release(self, now: float) -> bool:
        """Lift a pause and a block by hand; a probe goes first. Tell whether there was one.

        Its limits are as documented again.
        """
        was_slow = [limit.release(now) for limit in self.limits]
        return self.state.release(now) or any(was_slow)

    def idle(self, now: float) -> bool:
        """Tell whether nothing would be lost with it."""
        return self.state.idle(now) and all(limit.idle(now) for limit in self.limits)

    def rates(self, now: float) -> dict[str, float]:
        """Return the calls a second that its limits allow, by their names."""
        return {limit.name: limit.gauge.rate_at(now) for limit in self.limits}


@attrs.define(eq=False, repr=False)
class PoolGate(Gate):
    """A connector's connections, all of them or those to one host.

    Attributes:
        room: How many there may be.
        host: Where to; empty: all of them.
        used: How many calls of ours hold one.
    """

    reason = "connection"

    room: int
    host: str
    used: int = 0

    def check(self, cost: int, now: float) -> Wait | None:
        """Return that a call is held up, or None."""
        return None if self.used < self.room else Wait(self, "connection", None)

    def idle(self, now: float) -> bool:
        """Tell whether nothing would be lost with it; all connections last as long as these do."""
        return bool(self.host) and not self.used
