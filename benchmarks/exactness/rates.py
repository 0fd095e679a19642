"""The rate that is reached in real time, where timers are late."""

import asyncio
from collections.abc import Iterable, Sequence
from statistics import linear_regression

import attrs

from benchmarks.exactness.contenders import OURS, Contender
from benchmarks.exactness.ours import configured
from benchmarks.exactness.saturation import saturate
from benchmarks.shared.model import Limit
from resilient.core.pacing import Bucket, pace

SLOW = {Limit(20, 1): 4.0, Limit(100, 1): 4.0}
"""Limits at which all are measured at once, for they hardly disturb each other; seconds."""

FAST = {Limit(1000, 1): 1.5}
"""Limits at which each has the processor for himself; seconds."""

LIMITS = (*SLOW, *FAST)

SETTLED = 1.2
"""Seconds after which a bucket that began full has only what it refills."""

WHO = (
    OURS.name,
    "aiolimiter(N, T)",
    "aiolimiter(1, T/N)",
    "pyrate-limiter, token bucket",
    "throttled-py, GCRA",
)
"""Those who wait themselves: the rate of the others is that of our asking."""


@attrs.frozen
class Reached:
    """The calls a second that went, and those that the contender's own arithmetic allows."""

    rate: float
    allowed: float

    @property
    def share(self) -> float:
        """The part that was reached."""
        return self.rate / self.allowed


Rates = dict[tuple[str, Limit], Reached]
"""By the contender's name and the limit."""


def allowed(contender: Contender, limit: Limit) -> float:
    """Return the calls a second that a contender means to let through."""
    if contender is not OURS:
        return limit.calls / limit.seconds
    found = pace(configured([limit])["measured"].catalog.limits[0])
    assert isinstance(found, Bucket)
    return found.rate


async def reached(contender: Contender, limit: Limit, seconds: float) -> Reached:
    """Return the rate of a contender in so many seconds, once it is steady."""
    times = list[float]()
    async with contender.open([limit]) as acquire:
        began = asyncio.get_running_loop().time()
        await saturate(acquire, times, SETTLED + seconds)
    steady = [time for time in times if time - began > SETTLED]
    # The slope, and not the count over the time: some let calls go in batches.
    return Reached(linear_regression(steady, range(len(steady))).slope, allowed(contender, limit))


async def rates(contenders: Sequence[Contender], part: float = 1.0) -> Rates:
    """Return what each contender reaches at each limit, in a part of its usual seconds."""
    slow = [(each, limit, SLOW[limit] * part) for limit in SLOW for each in contenders]
    found = await _together(slow)
    for limit, seconds in FAST.items():
        for each in contenders:
            found |= await _together([(each, limit, seconds * part)])
    return found


async def _together(runs: Iterable[tuple[Contender, Limit, float]]) -> Rates:
    runs = list(runs)
    ends = await asyncio.gather(*[reached(*each) for each in runs])
    return {(each.name, limit): end for (each, limit, _), end in zip(runs, ends, strict=True)}
