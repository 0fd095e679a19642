"""The quota: an exact count of a long window, in slices of it."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from resilient.core import pacing

if TYPE_CHECKING:
    from resilient.core.adapting import Lowered

_HAIR: Final = 1e-9
"""A time that is early by a rounding error is in the slice that it belongs to."""


class Steady:
    """A gauge whose rate never changes."""

    __slots__ = ()

    rate: float
    lowered: "Lowered | None" = None

    def rate_at(self, now: float) -> float:  # noqa: ARG002 - of any time
        """Return the rate."""
        return self.rate

    def cap(self, rate: float, now: float) -> None:
        """Change nothing."""

    def woken(self, due: float, now: float) -> None:
        """Change nothing: a count loses nothing by lateness."""

    def restore(self, now: float) -> bool:  # noqa: ARG002 - as above
        """Return that there was nothing to do."""
        return False


class Quota(Steady):
    """An exact count in slices of the window: never more than `calls` in any `period`."""

    __slots__ = ("_latest", "_period", "_slices", "_total", "_width", "most", "rate")

    def __init__(self, calls: int, period: float) -> None:
        self.most, self.rate, self._period = calls, calls / period, period
        self._width = period / pacing.SLICES
        self._slices: list[list[int]] = []
        self._total, self._latest = 0, -math.inf

    def wait(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` could be taken, 0 if it could be now."""
        now = self._forget(now)
        free = self.most - self._total
        for index, count in self._slices:
            if free >= cost:
                break
            free += count
            gone = (index + pacing.SLICES + 1) * self._width
            if free >= cost:
                return max(gone - now, _HAIR)
        return 0.0

    def has(self, cost: int, now: float) -> bool:
        """Tell, in a hurry, that `cost` could be taken now; where it cannot tell, `wait` does."""
        # What has left the window since is room in addition.
        if self._total + cost > self.most:
            self._forget(now)
        return self._total + cost <= self.most

    def foresee(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` single calls could have gone, at the earliest."""
        rounds, rest = divmod(cost - 1, self.most)
        return self.wait(rest + 1, now) + rounds * self._period

    def take(self, cost: int, now: float) -> None:
        """Take, whether or not there is enough."""
        index = self._index(self._forget(now))
        if not self._slices or self._slices[-1][0] < index:
            self._slices.append([index, 0])
        self._slices[-1][1] += cost
        self._total += cost

    def give_back(self, cost: int, taken: float, now: float) -> None:
        """Undo a take of the time `taken`: nothing, if that is out of the window by now."""
        self._forget(now)
        index = self._index(taken)
        for slice_ in self._slices:
            if slice_[0] == index:
                slice_[1] -= cost
                self._total -= cost

    def empty(self, now: float) -> None:
        """Change nothing: what was counted is exact."""

    def exhaust(self, cost: int, now: float) -> None:
        """Take `cost`, or what there is: somebody may have, and nobody knows."""
        self._forget(now)
        self.take(min(cost, max(0, self.most - self._total)), now)

    def doubt(self, now: float) -> None:
        """Count as if all calls of the window had gone, evenly."""
        first = self._index(self._forget(now)) - pacing.SLICES + 1
        gone = [self.most * slice_ // pacing.SLICES for slice_ in range(pacing.SLICES + 1)]
        self._slices = [
            [first + at, after - before] for at, (before, after) in enumerate(pairwise(gone))
        ]
        self._total = self.most

    def level(self, now: float) -> float:
        """Return the calls in the window."""
        self._forget(now)
        return self._total

    def learn(self, level: float, now: float) -> None:
        """Let there be `level` calls in the window: the latest of those known, and the rest now."""
        self._forget(now)
        self.take(max(0, round(level) - self._total), now)
        while self._total > level:
            oldest = self._slices[0]
            gone = min(oldest[1], self._total - round(level))
            oldest[1] -= gone
            self._total -= gone
            if not oldest[1]:
                self._slices.pop(0)

    def idle(self, now: float) -> bool:
        """Tell whether nothing is counted."""
        self._forget(now)
        return not self._total

    def _index(self, now: float) -> int:
        return math.floor(now / self._width + _HAIR)

    def _forget(self, now: float) -> float:
        """Drop what is out of the window; return the time, which never goes back."""
        now = self._latest = max(now, self._latest)
        oldest = self._index(now) - pacing.SLICES
        while self._slices and self._slices[0][0] < oldest:
            self._total -= self._slices.pop(0)[1]
        return now
