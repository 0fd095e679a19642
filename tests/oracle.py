"""What a vendor that counts exactly would have seen."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

Spent = tuple[float, int]
"""When something was sent, and what it cost."""


def most_in_window(spent: Iterable[Spent], period: float) -> int:
    """Return the most that any half-open window of `period` seconds holds.

    A fullest window begins with a call, so those that do are all that need counting.
    """
    ordered = sorted(spent)
    times = [time for time, _ in ordered]
    totals = [0, *accumulate(cost for _, cost in ordered)]
    ends = (bisect_left(times, time + period) for time in times)
    return max((totals[end] - totals[start] for start, end in enumerate(ends)), default=0)
