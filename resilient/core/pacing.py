"""From a documented limit to a pace that holds it.

A bucket of the limit's own size lets nearly twice the limit through in one window: a full
bucket and what refills meanwhile. The bucket here is smaller, and slower by as much:

    capacity C = max(1, N // 200, ceil(0.02 * N / T)), at most N
    rate     r = (N - C + 1) / (T + J)

Any half-open window of T seconds at the server then sees fewer than C + r * (T + J) = N + 1
calls, as long as the time from grant to arrival varies by less than J.
Windows above a minute are a quota, counted exactly: paced evenly, 1600 calls an hour would
never let 45 go in a minute.
"""

import math
from fractions import Fraction

import attrs

from resilient.catalog import Limit

LONGEST_PACED = 60.0
"""Seconds: the longest window that is paced; longer ones are counted."""

SLICES = 64
"""Into how many slices a quota's window is divided."""


@attrs.frozen(kw_only=True)
class Bucket:
    """A pace: `capacity` calls at once, `rate` calls a second.

    Attributes:
        calls: How many the limit allows
        period: in so many seconds,
        jitter: give or take so many.
    """

    capacity: int
    rate: float
    calls: int = 0
    period: float = 0.0
    jitter: float = 0.0


@attrs.frozen(kw_only=True)
class Quota:
    """A count: at most `calls` in any `period` seconds, give or take `jitter`."""

    calls: int
    period: float
    jitter: float = 0.0


Pace = Bucket | Quota
"""How a limit is kept."""


def pace(limit: Limit, share: Fraction = Fraction(1)) -> Pace:
    """Return how to keep `share` of a limit.

    A share below one call per period becomes one call in a longer period.

    Raises:
        ValueError: The burst is above the limit.
    """
    if limit.burst is not None and limit.burst > limit.calls:
        raise ValueError(f"a burst of {limit.burst} is above the limit's {limit.calls} calls")
    calls, period = part(limit, share)
    if period > LONGEST_PACED:
        return Quota(calls=calls, period=period, jitter=limit.jitter)
    burst = limit.burst or max(1, calls // 200, math.ceil(0.02 * calls / period))
    capacity = min(burst, calls)
    rate = (calls - capacity + 1) / (period + limit.jitter)
    return Bucket(capacity=capacity, rate=rate, calls=calls, period=period, jitter=limit.jitter)


def part(limit: Limit, share: Fraction) -> tuple[int, float]:
    """Return the calls and the period that `share` of a limit is."""
    calls = limit.calls * share
    if calls >= 1:
        return math.floor(calls), limit.period
    return 1, float(Fraction(limit.period) / calls)


def time_for(pace: Pace, calls: int) -> float:
    """Return the seconds from a cold start until `calls` have been granted, undisturbed."""
    if isinstance(pace, Quota):
        return (calls - 1) // pace.calls * pace.period
    return max(0, calls - 1) / pace.rate
