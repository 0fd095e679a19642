"""When those who wait in a queue give up: one timer for all of them."""

import asyncio
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient.state.lane import Lane, Waiter

_CROWDED: Final = 64
"""Deadlines in a heap before those who left are looked for; then twice what is left."""


@attrs.define(eq=False, repr=False, weakref_slot=False)
class Deadlines:
    """The deadlines of those who wait in a lane.

    Most have the same time to wait, so that their deadlines come in the order of the queue and
    nothing has to be kept. Whoever gives up before one that came earlier is kept in a heap.

    Attributes:
        hasty: These, with their deadlines and their places in the order of all calls.
        latest: The latest deadline of the others.
        timer: Rings at the earliest deadline, or before.
    """

    hasty: "list[tuple[float, int, Waiter]]" = attrs.field(factory=list)
    latest: float = float("-inf")
    timer: asyncio.TimerHandle | None = None
    _crowded: int = _CROWDED

    def add(self, waiter: "Waiter") -> None:
        """Note the deadline of one who joins the queue."""
        if waiter.deadline >= self.latest:
            self.latest = waiter.deadline
            return
        heappush(self.hasty, (waiter.deadline, waiter.arrival, waiter))
        if len(self.hasty) >= self._crowded:
            self.hasty = [each for each in self.hasty if not each[2].done()]
            heapify(self.hasty)
            self._crowded = max(_CROWDED, 2 * len(self.hasty))

    def earliest(self, head: "Waiter | None") -> float:
        """Return when the first gives up, if `head` is the head of the queue.

        Of those in order the head is the first; if it is hasty itself, none of them is earlier.
        """
        while self.hasty and self.hasty[0][2].done():
            heappop(self.hasty)
        found = float("inf") if head is None else head.deadline
        return min(found, self.hasty[0][0]) if self.hasty else found

    def over(self, until: float) -> "list[Waiter]":
        """Return the hasty whose deadline has come, and forget them."""
        found: list[Waiter] = []
        while self.hasty and self.hasty[0][0] <= until:
            found.append(heappop(self.hasty)[2])
        return found

    def watch(self, when: float, ring: "Callable[[Lane], None]", lane: "Lane") -> None:
        """Let the timer ring at a time, unless it does so earlier."""
        if when == float("inf"):
            return
        if self.timer is not None:
            if self.timer.when() <= when:
                return
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_at(when, ring, lane)

    def rung(self) -> float:
        """Return when the timer was to ring that rings now; there is none until the next."""
        timer, self.timer = self.timer, None
        return float("-inf") if timer is None else timer.when()

    def end(self) -> None:
        """Ring no more: nobody waits."""
        if self.timer is not None:
            self.timer.cancel()
