"""What a vendor who counts exactly sees: how full windows are."""

from collections.abc import Sequence

HAIR = 1e-6
"""Seconds by which rounding may place a call, in the favour of whoever is measured."""


def most_within(times: Sequence[float], period: float) -> int:
    """Return the most calls that any half-open window of `period` seconds holds.

    Args:
        times: When calls were sent, in order.
        period: Seconds.
    """
    most, first = 0, 0
    for last, time in enumerate(times):
        while time - times[first] > period - HAIR:
            first += 1
        most = max(most, last - first + 1)
    return most


def last_period(times: Sequence[float], period: float, at: Sequence[float]) -> list[int]:
    """Return how many calls stood in the `period` seconds up to each of the moments `at`.

    Args:
        times: When calls were sent, in order.
        period: Seconds.
        at: Moments, in order.
    """
    counts, first, end = [], 0, 0
    for moment in at:
        while end < len(times) and times[end] <= moment:
            end += 1
        while first < end and times[first] <= moment - period:
            first += 1
        counts.append(end - first)
    return counts
