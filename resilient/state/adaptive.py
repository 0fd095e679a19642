"""A bucket whose rate follows what the server lets through; the rule is `core.adapting`."""

import math
from typing import Final

from resilient.core import adapting, pacing
from resilient.core.adapting import Lowered
from resilient.model import Pause
from resilient.state.gauge import Bucket, Gauge
from resilient.state.gauge import gauge as steady
from resilient.state.tally import SAMPLES, Tally

_NEVER: Final = -math.inf


def gauge(pace: pacing.Pace, most: int, now: float, *, adaptive: bool) -> Gauge:
    """Return a new gauge; if `adaptive`, a bucket follows the server. A quota is a count."""
    if adaptive and isinstance(pace, pacing.Bucket):
        return Adaptive(pace, most, now)
    return steady(pace, most, now)


class Adaptive(Bucket):
    """A bucket that is never faster than documented, and slower after a refusal.

    Attributes:
        documented: The limit's pace.
        lowered: From which rate it creeps up, until it has and that was told.
    """

    __slots__ = (
        "_cap",
        "_due",
        "_heard",
        "_since",
        "_slowed",
        "_taken",
        "_tally",
        "documented",
        "lowered",
    )

    def __init__(self, documented: pacing.Bucket, most: int, now: float) -> None:
        super().__init__(documented.capacity, documented.rate, most, now, documented.jitter)
        self.documented = documented
        self.lowered: Lowered | None = None
        self._tally: Tally | None = None
        self._since, self._taken = now, 0
        self._due = now + documented.period / SAMPLES
        self._heard, self._slowed, self._cap = _NEVER, _NEVER, math.inf

    def take(self, cost: int, now: float) -> None:
        """Take, whether or not there is enough."""
        if now >= self._due:
            self._tick(now)
        self._taken += cost
        if now > self._last_check:
            self._leak_until(now)
        # As `_change`, written out: each call comes by here.
        self._level = level = self._level + cost
        self._full_at = self._last_check + level / self.rate

    def give_back(self, cost: int, taken: float, now: float) -> None:
        """Undo a take of the time `taken`; what has been refilled since was not lost by it."""
        self._taken -= cost
        if taken <= self._slowed:
            # It was faster then: what a call took has been refilled sooner than it would be now.
            taken = now - (now - taken) * self.documented.rate / self.rate
        super().give_back(cost, taken, now)

    def idle(self, now: float) -> bool:
        """Tell whether it is full, and as fast as documented."""
        return super().idle(now) and self.rate_at(now) == self.documented.rate

    def rate_at(self, now: float) -> float:
        """Return the rate, as it has crept up until now."""
        crept = adapting.risen(self.documented, self.lowered, now)
        return min(crept, self._cap)

    def cap(self, rate: float, now: float) -> None:
        """Go no faster than `rate` until told otherwise; infinity: as fast as may be."""
        self._cap = rate
        self._pace(now)

    def restore(self, now: float) -> bool:
        """Go as fast as documented again; tell whether it did not."""
        was_slow = self.rate_at(now) < self.documented.rate
        if self.lowered is not None:
            self.lowered = adapting.as_documented(self.documented, now)
        self.cap(math.inf, now)
        return was_slow

    def has_recovered(self, now: float) -> bool:
        """Tell, once, that it is as fast as documented again."""
        if self.lowered is None or self.rate_at(now) < self.documented.rate:
            return False
        self.lowered = None
        self._pace(now)
        return True

    def sent_since(self, since: float, now: float) -> float:
        """Return how many calls went since a time, as far as that is known: at least so many."""
        return self.went(max(self._since, since), now, now) or 0.0

    def used(self, at: float, now: float) -> float:
        """Return which part of the limit went in the period before a time."""
        since = max(self._since, at - self.documented.period)
        return (self.went(since, at, now) or 0.0) / self.most

    def refused(self, cost: int, at: float, mark: Pause, now: float, *, alone: bool) -> bool:
        """Slow down after the refusal of a call that was sent at a time; tell whether it did.

        Calls that were under way together count once; and what others did before the first call
        is not known, so a refusal that is about that time, too, says nothing. Where other
        processes share the limit (not `alone`) what went here is not what the server let through.
        """
        self._taken -= cost
        span = adapting.span(self.documented, mark.asked)
        if at <= self._heard or at - span < self._since:
            return False
        self._heard = now
        through = self.went(at - span, at, now) if alone else None
        before = adapting.risen(self.documented, self.lowered, now)
        self._slow(adapting.lowered(self.documented, before, through, mark.seconds, now), now)
        return True

    def note(self, now: float) -> None:
        """Note a refusal that says nothing of the rate: nor do those of calls under way."""
        self._heard = now

    def told(self, calls: int, period: float, now: float) -> bool:
        """Go by a limit that the server says it has, if that is less; tell whether it is."""
        before = adapting.risen(self.documented, self.lowered, now)
        found = adapting.told(self.documented, before, calls, period, now)
        if found is not None:
            self._slow(found, now)
        return found is not None

    def went(self, since: float, until: float, now: float) -> float | None:
        """Return how many calls went between two times; None: that is too long ago."""
        if self._tally is None:
            return float(self._taken)
        if not self._tally.covers(since):
            return None
        total = float(self._taken)
        ended = total if until >= now else self._tally.at(until, total, now)
        return ended - self._tally.at(since, total, now)

    def _slow(self, to: Lowered, now: float) -> None:
        self.lowered = to
        self._pace(now)

    def _tick(self, now: float) -> None:
        """Sample the count, and creep up."""
        if self._tally is None:
            self._tally = Tally(self.documented.period, self._since)
        self._tally.note(float(self._taken), now)
        self._due = self._tally.due
        if self.lowered is not None:
            self._pace(now)

    def _pace(self, now: float) -> None:
        """Go at the rate of now: there is room for as many calls as before, or fewer."""
        self._leak_until(now)
        room, before = self.max_rate - self._level, self.rate
        self.rate = self.rate_at(now)
        if self.rate < before:
            self._slowed = now
        self.max_rate = adapting.capacity_at(self.documented, self.rate)
        self._level = max(0.0, self.max_rate - room)
        full_at = self._last_check + self._level / self.rate
        self._full_at = full_at if self._level else min(self._full_at, full_at)
