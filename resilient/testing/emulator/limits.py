"""Documented limits, enforced and measured by an exact log of arrivals.

A window is half-open: of two arrivals exactly one period apart only one is in it.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import attrs

from resilient.catalog import Limit
from resilient.testing.emulator.asked import Asked


@attrs.define(eq=False)
class Window:
    """The arrivals of the last `period` seconds."""

    period: float
    times: deque[float] = attrs.field(factory=deque)

    def slide(self, now: float) -> int:
        """Drop what has left the window that ends now; return how many are in it."""
        times, period = self.times, self.period
        while times and now - times[0] >= period:
            times.popleft()
        return len(times)


@attrs.define(eq=False, kw_only=True)
class Tally:
    """What one limit saw of one scope.

    Attributes:
        limit: The limit.
        scope: Such as `ip:127.0.0.1`.
        most: The most arrivals that any window of the period held, refused ones too.
        refused: How many calls were refused for it.
    """

    limit: Limit = attrs.field(repr=lambda limit: repr(limit.name))
    scope: str
    most: int = 0
    refused: int = 0
    _arrived: Window = attrs.field(repr=False)
    _counted: Window = attrs.field(repr=False)

    @classmethod
    def of(cls, limit: Limit, scope: str) -> "Tally":
        """Return an empty tally."""
        return cls(
            limit=limit,
            scope=scope,
            arrived=Window(limit.period),
            counted=Window(limit.period),
        )

    @property
    def holds(self) -> bool:
        """Whether no window held more than the limit allows."""
        return self.most <= self.limit.calls

    def arrive(self, now: float) -> None:
        """Measure an arrival."""
        self._arrived.times.append(now)
        self.most = max(self.most, self._arrived.slide(now))

    def is_full(self, now: float) -> bool:
        """Tell whether one more call would break the limit."""
        return self._counted.slide(now) >= self.limit.calls

    def count(self, now: float) -> None:
        """Let a call count towards the limit."""
        self._counted.times.append(now)

    def left(self, now: float) -> int:
        """Return how many calls there is room for."""
        return max(0, self.limit.calls - self._counted.slide(now))

    def until_more(self, now: float) -> float:
        """Return the seconds for which there is room for no more than that."""
        if self._counted.slide(now) <= self.limit.calls:
            oldest = next(iter(self._counted.times), now)
            return oldest + self.limit.period - now
        return self.wait(now)

    def wait(self, now: float) -> float:
        """Return the seconds until there is room for one call."""
        if not self.is_full(now):
            return 0.0
        return self._counted.times[-self.limit.calls] + self.limit.period - now


class Limits:
    """The tallies of a catalog's limits.

    Args:
        limits: The catalog's.
        enforced: Whether calls over a limit are refused, or only measured.
        count_refused: Whether a refused call counts towards the limit.
    """

    def __init__(
        self, limits: Iterable[Limit], *, enforced: bool = True, count_refused: bool = False
    ) -> None:
        self._limits = tuple(limits)
        self._enforced = enforced
        self._count_refused = count_refused
        self._tallies: dict[tuple[str, str], Tally] = {}

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What each limit saw of each scope."""
        return tuple(self._tallies.values())

    def arrive(self, asked: Asked) -> tuple[Tally, ...]:
        """Measure an arrival; return the tallies of the limits that it is under."""
        under = tuple(self._under(asked))
        for tally in under:
            tally.arrive(asked.time)
        return under

    def take(self, under: Iterable[Tally], now: float) -> Tally | None:
        """Count a call towards all its limits, or none; return the one that refuses it."""
        found = tuple(under)
        full = next((each for each in found if each.is_full(now)), None)
        if full is not None and self._enforced:
            full.refused += 1
        if full is None or not self._enforced or self._count_refused:
            for tally in found:
                tally.count(now)
        return full if self._enforced else None

    def _under(self, asked: Asked) -> Iterator[Tally]:
        for limit in self._limits:
            if limit.endpoint in (None, asked.endpoint):
                for kinds in limit.per:
                    scope = asked.scope(kinds)
                    key = (limit.name, scope)
                    tally = self._tallies.get(key)
                    if tally is None:
                        tally = self._tallies[key] = Tally.of(limit, scope)
                    yield tally
