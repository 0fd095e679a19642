"""What a vendor who counts exactly would have seen, and the books of what limits have taken."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate, pairwise
from typing import Any

import attrs

from resilient.core.pacing import SLICES
from resilient.state.gates import LimitGate
from resilient.state.gauge import Bucket, Quota
from resilient.state.grant import Grant

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


def inversions(order: Iterable[Any]) -> int:
    """Count neighbours in the wrong order."""
    return sum(a > b for a, b in pairwise(order))


@attrs.define(eq=False)
class Poured:
    """What a leaky bucket holds, from what was poured in and what has leaked since."""

    capacity: float
    rate: float
    at: float
    level: float

    def take(self, cost: float, now: float) -> None:
        """Pour in; negative: out."""
        self.level = max(0.0, self.held(now) + cost)
        self.at = now

    def give_back(self, cost: float, taken: float, now: float) -> None:
        """Take out what is left of what was poured in at `taken`, had it been alone."""
        self.take(-max(0.0, cost - (now - taken) * self.rate), now)

    def turn(self, rate: float, capacity: float, now: float) -> None:
        """Leak at another rate from now on; there is room for as much as before, or less."""
        room = self.capacity - self.held(now)
        self.rate, self.capacity = rate, capacity
        self.level, self.at = max(0.0, capacity - room), now

    def empty(self, now: float) -> None:
        """Fill it, but for one call."""
        self.take(max(0.0, self.capacity - 1 - self.held(now)), now)

    def held(self, now: float) -> float:
        """Return what it holds."""
        return max(0.0, self.level - (now - self.at) * self.rate)


@attrs.define(eq=False)
class Counted:
    """What a quota holds: what was taken in each slice of time, and not given back."""

    width: float
    slices: dict[int, int] = attrs.field(factory=dict)

    def take(self, cost: int, now: float) -> None:
        """Count."""
        self.slices[self._slice(now)] = self.slices.get(self._slice(now), 0) + cost

    def give_back(self, cost: int, taken: float, now: float) -> None:
        """Count no more."""
        self.take(-cost, taken)

    def empty(self, now: float) -> None:
        """Leave it: a count is exact."""

    def held(self, now: float) -> float:
        """Return what it holds."""
        oldest = self._slice(now) - SLICES
        self.slices = {at: count for at, count in self.slices.items() if at >= oldest}
        return sum(self.slices.values())

    def _slice(self, time: float) -> int:
        return math.floor(time / self.width + 1e-9)


@attrs.define(eq=False)
class Ledger:
    """The books of every limit, kept from what was granted and given back, call by call."""

    books: dict[LimitGate, Poured | Counted] = attrs.field(factory=dict)

    def open(self, limits: Iterable[LimitGate], now: float) -> None:
        """Open the books of new limits."""
        for limit in limits:
            if limit not in self.books:
                self.books[limit] = _book(limit.gauge, now)

    def each(self, limits: Iterable[LimitGate], act: Callable[[Any], None]) -> None:
        """Write something down for each of these limits."""
        for limit in limits:
            act(self.books[limit])

    def give_back(self, grant: Grant, now: float) -> None:
        """Note that a call was not sent, in the books that are still kept."""
        kept = [limit for limit in grant.lane.limits if limit in self.books]
        self.each(kept, lambda book: book.give_back(grant.cost, grant.at, now))

    def follow(self, limits: Iterable[LimitGate], now: float) -> None:
        """Turn the buckets to the rates that were adapted just now; how is tested elsewhere."""
        for limit in limits:
            book = self.books.get(limit)
            if isinstance(book, Poured) and isinstance(limit.gauge, Bucket):
                book.turn(limit.gauge.rate, limit.gauge.max_rate, now)

    def differences(self, now: float, hair: float = 1e-9) -> list[str]:
        """Return the limits that hold more or less than the books say, and by how much."""
        found = (
            (gate, held(gate.gauge, now) - book.held(now)) for gate, book in self.books.items()
        )
        return [f"{gate.name}: {more:+.3g}" for gate, more in found if abs(more) > hair]


def held(gauge: Any, now: float) -> float:
    """Return what a bucket or a quota of the library holds."""
    gauge.wait(1, now)
    return float(gauge._level if isinstance(gauge, Bucket) else gauge._total)


def _book(gauge: Any, now: float) -> Poured | Counted:
    if isinstance(gauge, Quota):
        return Counted(gauge._width)
    return Poured(gauge.max_rate, gauge.rate, now, gauge.max_rate - 1.0)
