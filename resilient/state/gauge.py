"""How much of a limit is left: the bucket that paces, and the quota that counts.

Both are told the time. They never wait themselves: they say how long it would take.
"""

import math
from itertools import pairwise
from typing import Protocol

from aiolimiter import AsyncLimiter

from resilient.core import pacing

_HAIR = 1e-9
"""A wake-up that is early by a rounding error must not spin."""


class Gauge(Protocol):
    """One limit of one scope."""

    most: int
    """The largest cost that can ever be granted."""

    rate: float
    """Calls a second in the long run."""

    def wait(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` could be taken, 0 if it could be now."""

    def foresee(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` single calls could have gone, at the earliest."""

    def take(self, cost: int, now: float) -> None:
        """Take, whether or not there is enough."""

    def give_back(self, cost: int, taken: float, now: float) -> None:
        """Undo a take of the time `taken`: the call was not sent."""

    def empty(self, now: float) -> None:
        """Leave room for a single call."""

    def exhaust(self, cost: int, now: float) -> None:
        """Take `cost`, or what there is: somebody may have, and nobody knows."""

    def doubt(self, now: float) -> None:
        """Count as if others had taken what they may: nobody says what they took."""

    def level(self, now: float) -> float:
        """Return what is taken: a bucket's seconds until it is full, a quota's calls."""

    def learn(self, level: float, now: float) -> None:
        """Let that be taken which somebody else knows to be."""

    def idle(self, now: float) -> bool:
        """Tell whether a new gauge would know no less."""


def gauge(pace: pacing.Pace, most: int, now: float) -> "Gauge":
    """Return a new gauge. It holds one call, not its burst: what was spent is unknown."""
    if isinstance(pace, pacing.Quota):
        return Quota(pace.calls, pace.period + pace.jitter)
    return Bucket(pace.capacity, pace.rate, most, now)


class Bucket(AsyncLimiter):
    """A leaky bucket: at most `capacity` at once, refilled at `rate` calls a second.

    aiolimiter keeps the level; its waiting is not used, for it is neither in order nor able
    to say how long it takes. A cost above the capacity is granted once the bucket has been
    full, untouched, for as long as the rest would take, and leaves it in debt.
    """

    __slots__ = ("_full_at", "most", "rate")

    def __init__(self, capacity: int, rate: float, most: int, now: float) -> None:
        super().__init__(capacity, capacity / rate)
        # A third of a KiB for what is not used here.
        del self._waiters, self._next_count, self._rate_per_sec, self.time_period
        self.most, self.rate = most, rate
        self._last_check = now
        self._level = float(capacity - 1)
        self._full_at = now + self._level / rate

    def wait(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` could be taken, 0 if it could be now."""
        self._leak_until(now)
        if cost > self.max_rate:
            needed = self._full_at + (cost - self.max_rate) / self.rate - self._last_check
        else:
            needed = (self._level + cost - self.max_rate) / self.rate
        return needed if needed > _HAIR else 0.0

    def foresee(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` single calls could have gone, at the earliest."""
        self._leak_until(now)
        return max(0.0, (self._level + cost - self.max_rate) / self.rate)

    def take(self, cost: int, now: float) -> None:
        """Take, whether or not there is enough."""
        self._change(cost, now)

    def give_back(self, cost: int, taken: float, now: float) -> None:
        """Undo a take of the time `taken`; what has been refilled since was not lost by it."""
        self._change(-max(0.0, cost - max(0.0, now - taken) * self.rate), now)

    def empty(self, now: float) -> None:
        """Leave room for a single call; a debt stays."""
        self._leak_until(now)
        self._change(max(0.0, self.max_rate - 1 - self._level), now)

    def exhaust(self, cost: int, now: float) -> None:
        """Take `cost`, or what there is: somebody may have, and nobody knows."""
        self._leak_until(now)
        self._change(min(cost, max(0.0, self.max_rate - self._level)), now)

    def doubt(self, now: float) -> None:
        """Leave room for a single call."""
        self.empty(now)

    def level(self, now: float) -> float:
        """Return the seconds until it is full."""
        return max(0.0, self._full_at - now)

    def learn(self, level: float, now: float) -> None:
        """Let it be full after `level` seconds; since when it is full, it knows itself."""
        self._last_check = max(now, self._last_check)
        self._level = max(0.0, level * self.rate)
        self._full_at = self._last_check + level if level > 0 else min(self._full_at, now)

    def idle(self, now: float) -> bool:
        """Tell whether it is full."""
        return now >= self._full_at

    def _change(self, cost: float, now: float) -> None:
        self._leak_until(now)
        self._level = max(0.0, self._level + cost)
        self._full_at = self._last_check + self._level / self.rate

    def _leak_until(self, now: float) -> None:
        # A clock that steps back drips nothing.
        elapsed = max(0.0, now - self._last_check)
        self._level = max(0.0, self._level - elapsed * self.rate)
        self._last_check = max(now, self._last_check)


class Quota:
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
