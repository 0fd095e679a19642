"""How much of a limit is left: the bucket that paces, and the quota that counts.

Both are told the time. They never wait themselves: they say how long it would take.
"""

from typing import TYPE_CHECKING, Protocol

from aiolimiter import AsyncLimiter

from resilient.core import pacing
from resilient.state.quota import Quota, Steady

__all__ = ["Bucket", "Gauge", "Quota", "gauge"]

if TYPE_CHECKING:
    from resilient.core.adapting import Lowered

_HAIR = 1e-9
"""A wake-up that is early by a rounding error must not spin."""

_LATEST = 0.02
"""Seconds by which a wake-up may be late and nothing is lost by it; a fifth of the jitter, else."""

_IN_TIME = 1e-6
"""Seconds: no later is in time."""


class Gauge(Protocol):
    """One limit of one scope."""

    most: int
    """The largest cost that can ever be granted."""

    rate: float
    """Calls a second in the long run."""

    lowered: "Lowered | None"
    """How a rate came down, if it did, and nobody was told yet that it is as documented."""

    def wait(self, cost: int, now: float) -> float:
        """Return the seconds until `cost` could be taken, 0 if it could be now."""

    def has(self, cost: int, now: float) -> bool:
        """Tell, in a hurry, that `cost` could be taken now; where it cannot tell, `wait` does."""

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

    def rate_at(self, now: float) -> float:
        """Return the rate, as it has crept up until now."""

    def woken(self, due: float, now: float) -> None:
        """Note that who waited was woken at `now`, and not when it was due."""

    def cap(self, rate: float, now: float) -> None:
        """Go no faster than `rate` until told otherwise; infinity: as fast as may be."""

    def restore(self, now: float) -> bool:
        """Go as fast as documented again; tell whether it did not."""


def gauge(pace: pacing.Pace, most: int, now: float) -> "Gauge":
    """Return a new gauge. It holds one call, not its burst: what was spent is unknown."""
    if isinstance(pace, pacing.Quota):
        return Quota(pace.calls, pace.period + pace.jitter)
    return Bucket(pace.capacity, pace.rate, most, now, pace.jitter)


class Bucket(Steady, AsyncLimiter):
    """A leaky bucket: at most `capacity` at once, refilled at `rate` calls a second.

    aiolimiter keeps the level; its waiting is not used, for it is neither in order nor able
    to say how long it takes. A cost above the capacity is granted once the bucket has been
    full, untouched, for as long as the rest would take, and leaves it in debt.
    """

    __slots__ = ("_full_at", "_slack", "most", "rate")

    def __init__(
        self, capacity: int, rate: float, most: int, now: float, jitter: float = 0.0
    ) -> None:
        super().__init__(capacity, capacity / rate)
        # A third of a KiB for what is not used here.
        del self._waiters, self._next_count, self._rate_per_sec, self.time_period
        self.most, self.rate = most, rate
        self._slack = min(_LATEST, jitter / 5)
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

    def has(self, cost: int, now: float) -> bool:
        """Tell, in a hurry, that `cost` could be taken now; where it cannot tell, `wait` does."""
        elapsed = now - self._last_check
        if elapsed > 0:  # as `_leak_until`
            level = self._level - elapsed * self.rate
            if level > 0:
                self._level = level
            elif self._level > 0:
                self._level = 0.0
            self._last_check = now
        return self._level + cost - self.max_rate <= _HAIR * self.rate

    def woken(self, due: float, now: float) -> None:
        """Keep what was refilled while somebody who waited was woken late.

        A bucket of one would lose it: it is full when it is due. The window holds all the same,
        for what is kept is less than what the limit's jitter leaves.
        """
        late = min(now - max(due, self._last_check), self._slack)
        if late > _IN_TIME:
            level = self._level - (now - self._last_check) * self.rate
            self._level, self._last_check = max(level, -late * self.rate), now

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
        if now > self._last_check:
            self._leak_until(now)
        level = self._level + cost
        self._level = level = level if level > 0 else 0.0
        self._full_at = self._last_check + level / self.rate

    def _leak_until(self, now: float) -> None:
        elapsed = now - self._last_check
        if elapsed > 0:  # a clock that steps back drips nothing
            level = self._level - elapsed * self.rate
            if level > 0:
                self._level = level
            elif self._level > 0:
                self._level = 0.0
            self._last_check = now
