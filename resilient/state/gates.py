"""The gates that a call passes: limits, scopes and connections, each with who waits at it."""

import asyncio
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

import attrs

from resilient.model import Scope
from resilient.state.gauge import Gauge
from resilient.state.scope import ScopeState

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient.state.lane import Lane

Reason = Literal["limit", "pause", "probe", "connection", "blocked"]
"""What a call waits for; `blocked` is refused, not waited for."""

_REASONS: dict[str, Reason] = {
    "pause": "pause",
    "probe": "probe",
    "in_flight": "probe",
    "blocked": "blocked",
}

_CROWDED: Final = 64
"""Heads in a heap before those that have left are looked for; then twice what is left."""

A_MOMENT: Final = 1e-3
"""Seconds: by so much a younger call lets an older one, ready at the same time, go first."""


_NO_TIME: Final = 1e-6
"""Seconds: a wait so short may not move the clock at all, and would be begun for ever."""


@attrs.frozen
class Wait:
    """A gate is shut for a call.

    Attributes:
        seconds: For how long; None where only an event can tell.
        again: Seconds after which to look again all the same: somebody else may open it.
    """

    gate: "Gate"
    reason: Reason
    seconds: float | None
    again: float | None = None


Heap: TypeAlias = "list[tuple[int, Lane]] | tuple[()]"
"""Heads of lanes by their arrival. It is made for the first: at most gates nobody ever waits."""


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Gate:
    """Something that can hold calls up.

    The head of each lane that is held up is filed under the gate that holds it up longest,
    in order of arrival. Only there is it looked for when room appears.

    Attributes:
        heads: The heads filed here.
        due: Heads that pass here too, and are known to be ready elsewhere at some time.
        yielded: Whether somebody lets one of those due go first.
        timer: When to look again.
        queued: The cost of all who wait in the lanes filed here.
    """

    reason: ClassVar[Reason] = "limit"

    heads: Heap = attrs.field(default=(), init=False)
    due: Heap = attrs.field(default=(), init=False)
    yielded: bool = attrs.field(default=False, init=False)
    timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    queued: int = attrs.field(default=0, init=False)
    _crowded: int = attrs.field(default=_CROWDED, init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        raise NotImplementedError  # pragma: no cover - every kind of gate has its own

    def foresee(self, ahead: int, cost: int, now: float) -> float:
        """Return the seconds until calls ahead and one of this cost could have gone."""
        wait = self.check(cost, now)
        return 0.0 if wait is None else wait.seconds or 0.0

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a call goes through."""

    def file(self, arrival: int, lane: "Lane") -> None:
        """Let a lane's head wait here."""
        lane.unfile()
        lane.filed, lane.filed_for = self, arrival
        self.queued += lane.queued
        if len(self.heads) + len(self.due) >= self._crowded:
            self._tidy()
        self.heads = _pushed(self.heads, arrival, lane)

    def expect(self, arrival: int, lane: "Lane") -> None:
        """Let no younger call make a head wait longer that is ready elsewhere soon."""
        self.due = _pushed(self.due, arrival, lane)

    def first(self) -> "Lane | None":
        """Return the lane whose head is the oldest that waits here."""
        self.heads = _pruned(self.heads, self._is_filed)
        return self.heads[0][1] if self.heads else None

    def yields(self, arrival: int, cost: int, now: float) -> Wait | None:
        """Return that a call has to let an older one go first, or None.

        It may pass where the older one, when it is ready, still finds what it needs.
        """
        if self.heads and (first := self.first()) and first.arrival < arrival:
            return Wait(self, self.reason, None)
        if self.due:
            self.due = _pruned(self.due, self._is_due)
        if not self.due or self.due[0][0] >= arrival:
            return None
        older = self.due[0][1]
        left = older.ready - now
        head = older.head()
        if head is None or left + A_MOMENT < _NO_TIME or self.foresee(cost, head.cost, now) <= left:
            return None
        self.yielded = True
        return Wait(self, self.reason, left + A_MOMENT)

    def _is_filed(self, arrival: int, lane: "Lane") -> bool:
        return lane.filed is self and lane.arrival == arrival

    def _is_due(self, arrival: int, lane: "Lane") -> bool:
        return lane.filed not in (None, self) and lane.arrival == arrival

    def _tidy(self) -> None:
        """Drop heads that have left: those who give up pile up behind one that stays."""
        self.heads = _standing(self.heads, self._is_filed)
        self.due = _standing(self.due, self._is_due)
        self._crowded = max(_CROWDED, 2 * (len(self.heads) + len(self.due)))


def _pushed(heap: Heap, arrival: int, lane: "Lane") -> Heap:
    found = heap or []
    heappush(found, (arrival, lane))
    return found


def _pruned(heap: Heap, stands: "Callable[[int, Lane], bool]") -> Heap:
    while heap and not stands(*heap[0]):
        heappop(heap)
    return heap or ()


def _standing(heap: Heap, stands: "Callable[[int, Lane], bool]") -> Heap:
    found = [each for each in heap if stands(*each)]
    heapify(found)
    return found or ()


@attrs.define(eq=False, repr=False, weakref_slot=False)
class LimitGate(Gate):
    """A limit of one scope.

    Attributes:
        name: The limit's name.
        scope: Whom it holds for; of several kinds for a compound scope.
        gauge: How much of it is left.
    """

    name: str
    scope: Scope
    gauge: Gauge

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        seconds = self.gauge.wait(cost, now)
        return Wait(self, "limit", seconds) if seconds else None

    def foresee(self, ahead: int, cost: int, now: float) -> float:
        """Return the seconds until calls ahead and one of this cost could have gone."""
        return max(self.gauge.wait(cost, now), self.gauge.foresee(ahead + cost, now))

    def enter(self, call: object, cost: int, now: float) -> None:
        """Take from the limit."""
        self.gauge.take(cost, now)

    def give_back(self, cost: int, taken: float, now: float, *, granted_here: bool = True) -> None:
        """Undo what a call took at the time `taken`: it was not sent.

        Args:
            cost: What it took.
            taken: When.
            now: The time.
            granted_here: Whether by this process alone.
        """
        self.gauge.give_back(cost, taken, now)


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
        hold = self.state.hold(now)
        return None if hold is None else Wait(self, _REASONS[hold.why], hold.wait)

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a call is in flight, and perhaps the probe."""
        if self.state.enter(call, now):
            for limit in self.limits:
                limit.gauge.empty(now)

    def join(self, lane: "Lane") -> None:
        """Note that a call waits, in this lane."""
        self.state.waiting += 1
        self.lanes = self.lanes or {}
        self.lanes[lane] = None

    def leave(self, lane: "Lane") -> None:
        """Note that a call waits no more."""
        self.state.waiting -= 1
        if not lane.live and self.lanes:
            self.lanes.pop(lane, None)
            self.lanes = self.lanes or ()

    def release(self, now: float) -> bool:
        """Lift a pause and a block by hand; a probe goes first. Tell whether there was one."""
        return self.state.release(now)

    def idle(self, now: float) -> bool:
        """Tell whether nothing would be lost with it."""
        return self.state.idle(now) and all(limit.gauge.idle(now) for limit in self.limits)

    def rates(self) -> dict[str, float]:
        """Return the calls a second that its limits allow, by their names."""
        return {limit.name: limit.gauge.rate for limit in self.limits}


@attrs.define(eq=False, repr=False, weakref_slot=False)
class PoolGate(Gate):
    """A connector's connections, all of them or those to one host.

    Attributes:
        room: How many there may be.
        used: How many calls of ours hold one.
    """

    reason = "connection"

    room: int
    used: int = 0

    def check(self, cost: int, now: float) -> Wait | None:
        """Return that a call is held up, or None."""
        return None if self.used < self.room else Wait(self, "connection", None)

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a connection is held."""
        self.used += 1
