"""The gates that a call passes: limits, scopes and connections, each with who waits at it."""

import asyncio
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal

import attrs

from resilient.state.gauge import Gauge
from resilient.state.scope import ScopeState

if TYPE_CHECKING:
    from resilient.state.lane import Lane

Reason = Literal["limit", "pause", "probe", "connection", "blocked"]
"""What a call waits for; `blocked` is refused, not waited for."""

_REASONS: dict[str, Reason] = {
    "pause": "pause",
    "probe": "probe",
    "in_flight": "probe",
    "blocked": "blocked",
}


@attrs.frozen
class Wait:
    """A gate is shut for a call; `seconds` is None where only an event can tell for how long."""

    gate: "Gate"
    reason: Reason
    seconds: float | None


@attrs.define(eq=False)
class Gate:
    """Something that can hold calls up.

    The head of each lane that is held up is filed under the gate that holds it up longest,
    in order of arrival. Only there is it looked for when room appears.
    """

    heads: "list[tuple[int, Lane]]" = attrs.field(factory=list, init=False)
    timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    queued: int = attrs.field(default=0, init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        raise NotImplementedError  # pragma: no cover - every kind of gate has its own

    def foresee(self, cost: int, now: float) -> float:
        """Return the seconds until those queued and a call of this cost could have gone."""
        wait = self.check(cost, now)
        return 0.0 if wait is None else wait.seconds or 0.0

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a call goes through."""

    def file(self, arrival: int, lane: "Lane") -> None:
        """Let a lane's head wait here."""
        lane.filed, lane.filed_for = self, arrival
        heappush(self.heads, (arrival, lane))

    def first(self) -> "tuple[int, Lane] | None":
        """Return the oldest head that waits here."""
        while self.heads:
            arrival, lane = self.heads[0]
            if lane.filed is self and lane.arrival == arrival:
                return arrival, lane
            heappop(self.heads)
        return None


@attrs.define(eq=False)
class LimitGate(Gate):
    """A limit of one scope."""

    name: str
    gauge: Gauge
    parents: tuple[ScopeState, ...] = ()

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        seconds = self.gauge.wait(cost, now)
        return Wait(self, "limit", seconds) if seconds else None

    def foresee(self, cost: int, now: float) -> float:
        """Return the seconds until those queued and a call of this cost could have gone."""
        return max(self.gauge.wait(cost, now), self.gauge.foresee(self.queued + cost, now))

    def enter(self, call: object, cost: int, now: float) -> None:
        """Take from the limit."""
        self.gauge.take(cost, now)


@attrs.define(eq=False)
class ScopeGate(Gate):
    """A scope: its pause, its block, its probe."""

    state: ScopeState
    lanes: "set[Lane]" = attrs.field(factory=set, init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call is held up, or None."""
        hold = self.state.hold(now)
        return None if hold is None else Wait(self, _REASONS[hold.why], hold.wait)

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a call is in flight, and perhaps the probe."""
        self.state.enter(call, now)


@attrs.define(eq=False)
class PoolGate(Gate):
    """A connector's connections, all of them or those to one host.

    Attributes:
        room: How many there may be.
        used: How many calls of ours hold one.
    """

    room: int
    used: int = 0

    def check(self, cost: int, now: float) -> Wait | None:
        """Return that a call is held up, or None."""
        return None if self.used < self.room else Wait(self, "connection", None)

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a connection is held."""
        self.used += 1
