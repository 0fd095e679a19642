"""What all gates have in common: who waits at each, and who is to go first there."""

import asyncio
from heapq import heapify, heappop, heappush, heapreplace
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient.state.lane import Lane

Reason = Literal["limit", "pause", "probe", "connection", "blocked"]
"""What a call waits for; `blocked` is refused, not waited for."""

_CROWDED: Final = 64
"""Heads in a heap before those that have left are looked for; then twice what is left."""

A_MOMENT: Final = 1e-3
"""Seconds: by so much a younger call lets an older one, ready at the same time, go first."""


NO_TIME: Final = 1e-6
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
        lanes_here: How many lanes lead here.
    """

    reason: ClassVar[Reason] = "limit"

    heads: Heap = attrs.field(default=(), init=False)
    due: Heap = attrs.field(default=(), init=False)
    yielded: bool = attrs.field(default=False, init=False)
    timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    queued: int = attrs.field(default=0, init=False)
    lanes_here: int = attrs.field(default=0, init=False)
    _crowded: int = attrs.field(default=_CROWDED, init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        raise NotImplementedError  # pragma: no cover - every kind of gate has its own

    def foresee(self, ahead: int, cost: int, now: float) -> float:  # noqa: ARG002 - as a limit does
        """Return the seconds until calls ahead and one of this cost could have gone."""
        wait = self.check(cost, now)
        return 0.0 if wait is None else wait.seconds or 0.0

    def enter(self, call: object, cost: int, now: float) -> None:
        """Note that a call goes through."""

    def idle(self, now: float) -> bool:
        """Tell whether nothing would be lost with it."""
        raise NotImplementedError  # pragma: no cover - every kind of gate has its own

    def woken(self, due: float, now: float) -> None:
        """Note when it was looked here, and when it was to be."""

    def file(self, arrival: int, lane: "Lane") -> None:
        """Let a lane's head wait here."""
        if lane.filed is self and self.heads and self.heads[0][1] is lane:
            # The next one of the same lane: that is how a long queue moves on.
            lane.filed_for, lane.ready = arrival, float("inf")
            heapreplace(self.heads, (arrival, lane))
            return
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
        while self.heads:
            arrival, lane = self.heads[0]
            head = lane.head() if lane.filed is self else None
            if head is not None and head.arrival == arrival:
                return lane
            heappop(self.heads)
        self.heads = ()
        return None

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
        if head is None or left + A_MOMENT < NO_TIME or self.foresee(cost, head.cost, now) <= left:
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
