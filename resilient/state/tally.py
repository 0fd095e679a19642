"""How many calls went within some seconds, told later: a count that is sampled now and then.

Between two samples calls are taken to have gone evenly, so a span's count is off by less than
two samples' worth, and by nothing where calls are paced evenly.
"""

from array import array
from bisect import bisect_right
from typing import Final

SAMPLES: Final = 64
"""Samples in a limit's period."""

_KEPT: Final = 80
"""Samples kept: the period, and a quarter for the way of an answer."""


class Tally:
    """The count of the latest period and a little more.

    Attributes:
        due: When the next sample is.
    """

    __slots__ = ("_times", "_totals", "_width", "due")

    def __init__(self, period: float, now: float) -> None:
        self._width = period / SAMPLES
        self._times, self._totals = array("d", [now]), array("d", [0.0])
        self.due = now + self._width

    def note(self, total: float, now: float) -> None:
        """Note how many went until now; nothing went since the sample was due."""
        if now > self.due:
            self._append(total, self.due)
        self._append(total, now)
        self.due = now + self._width

    def covers(self, since: float) -> bool:
        """Tell whether it goes back as far."""
        return since >= self._times[0]

    def at(self, when: float, total: float, now: float) -> float:
        """Return how many had gone at a time that it covers; `total` have by now."""
        index = bisect_right(self._times, when) - 1
        began, before = self._times[index], self._totals[index]
        is_last = index + 1 == len(self._times)
        ended = max(now, began) if is_last else self._times[index + 1]
        after = total if is_last else self._totals[index + 1]
        share = (when - began) / (ended - began) if ended > began else 0.0
        return before + (after - before) * min(1.0, share)

    def _append(self, total: float, now: float) -> None:
        self._times.append(now)
        self._totals.append(total)
        if len(self._times) > 2 * _KEPT:
            del self._times[:2], self._totals[:2]
