"""How a pace follows what a server lets through: down with a refusal, up again with time.

A refusal below the documented pace says that the server allows less than it documents, or that
somebody else uses the same key. How much it does allow it says itself, by refusing: of a call
refused with "come back after R seconds", all that counts against the limit after these R is
what went through in the period's last T - R. Two calls a window less than that is aimed at, so
that it fits. Where nothing of this is known the rate comes down by a factor. It creeps up again
by a constant amount a second, and never above the documented one.
"""

import math

import attrs

from resilient.catalog import Limit
from resilient.core.pacing import Bucket, pace

FACTOR = 0.8
"""What is left of a rate after a refusal that says nothing of what is allowed."""

LEAST = 0.4
"""What is left of a rate after one refusal, at least: a server may ask for more than it needs."""

MARGIN = 0.99
"""How much of what was let through is aimed at."""

RECOVERY = 3600.0
"""Seconds in which a rate would creep from nothing to the documented one."""

PRICE = 10.0
"""How many times as long as a refusal stopped us a rate rests before it creeps: to find out
whether the server allows more by now costs such a pause."""

LONGEST_REST = 3600.0
"""Seconds that a rate rests at most."""


@attrs.frozen(kw_only=True)
class Lowered:
    """A rate that came down.

    Attributes:
        rate: Calls a second, from `at` on.
        at: When.
        rests: Seconds after which it begins to creep up.
        observed: Calls that the server lets through in the limit's period, as far as it can be
            told; None: it cannot.
    """

    rate: float
    at: float
    rests: float
    observed: float | None = None


def span(documented: Bucket, asked: float | None) -> float:
    """Return in how many seconds before a refused call those were sent that are allowed.

    Args:
        documented: The limit's pace.
        asked: Seconds that the server asked for; as long as the period or longer they say
            nothing of how it counts. None: it asked for nothing.
    """
    if asked is None or asked >= documented.period:
        return documented.period
    return documented.period - asked


def lowered(
    documented: Bucket, rate: float, let_through: float | None, pause: float, now: float
) -> Lowered:
    """Return what becomes of a rate when a call is refused.

    Args:
        documented: The limit's pace, which is never exceeded.
        rate: Calls a second until now.
        let_through: Calls that the server let through in `span`; None: that is not known.
        pause: Seconds for which the refusal stops us.
        now: The time.
    """
    rests = min(documented.period + PRICE * pause, LONGEST_REST)
    aim = rate * FACTOR
    if let_through is not None:
        aim = min(rate, pace_of(documented, let_through) * MARGIN)
    return Lowered(rate=max(aim, rate * LEAST), at=now, rests=rests, observed=let_through)


def pace_of(documented: Bucket, calls: float) -> float:
    """Return the rate that holds `calls` in the period, with a burst smaller by as much."""
    capacity = capacity_at(documented, documented.rate * calls / documented.calls)
    return max(1.0, calls - capacity + 1) / (documented.period + documented.jitter)


def capacity_at(documented: Bucket, rate: float) -> int:
    """Return how many calls may go at once at a rate: as much less as the rate is."""
    return max(1, math.floor(documented.capacity * min(1.0, rate / documented.rate)))


def told(documented: Bucket, rate: float, calls: int, period: float, now: float) -> Lowered | None:
    """Return what becomes of a rate when the server says what its limit is; None: nothing.

    Args:
        documented: The limit's pace.
        rate: Calls a second until now.
        calls: How many the server says it allows
        period: in so many seconds.
        now: The time.
    """
    if calls / period >= documented.calls / documented.period:
        return None
    limit = Limit(name="", calls=calls, period=period, per=(), jitter=documented.jitter)
    found = pace(limit)
    if not isinstance(found, Bucket) or found.rate > rate:
        return None
    observed = calls * documented.period / period
    return Lowered(rate=found.rate, at=now, rests=documented.period, observed=observed)


def as_documented(documented: Bucket, now: float) -> Lowered:
    """Return a rate that has come up again."""
    return Lowered(rate=documented.rate, at=now, rests=0.0)


def risen(documented: Bucket, from_: Lowered | None, now: float) -> float:
    """Return the rate that a lowered one has crept up to."""
    if from_ is None:
        return documented.rate
    since = max(0.0, now - from_.at - from_.rests)
    return min(documented.rate, from_.rate + documented.rate * since / RECOVERY)
