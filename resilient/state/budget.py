"""How many retries a service may spend: a server that fails is not hit the harder for it.

Retries are paid from successes, so they end when the server stops answering well, and cannot
keep an overload alive that began elsewhere. First sends are never held back. A back-off costs
nothing: its scope sends one probe for all who wait.
"""

from collections import deque
from collections.abc import Callable

import attrs

from resilient.policy import RetryBudget

WINDOW = 10
"""Seconds that a success pays, and that a retry weighs."""


@attrs.define(eq=False)
class _Recent:
    """Counts what happened in the last seconds, by whole ones."""

    seconds: int
    _counted: "deque[list[int]]" = attrs.field(factory=deque, init=False)
    _total: int = attrs.field(default=0, init=False)

    def add(self, now: float) -> None:
        second = int(now)
        if not self._counted or self._counted[-1][0] != second:
            self.count(now)
            self._counted.append([second, 0])
        self._counted[-1][1] += 1
        self._total += 1

    def count(self, now: float) -> int:
        oldest = int(now) - self.seconds
        while self._counted and self._counted[-1][0] > int(now):  # the clock began anew
            self._total -= self._counted.pop()[1]
        while self._counted and self._counted[0][0] <= oldest:
            self._total -= self._counted.popleft()[1]
        return self._total


@attrs.define(eq=False)
class Budget:
    """The retry budget of one service.

    In any ten seconds there are at most `floor` retries and `ratio` of the successes more.

    Attributes:
        allowance: What the configuration allows; None: everything.
        earn: Notes a success, of this time.
    """

    allowance: RetryBudget | None
    _successes: _Recent = attrs.field(factory=lambda: _Recent(WINDOW), init=False)
    earn: Callable[[float], None] = attrs.field(init=False)
    # One second more: a window that ends within a second began within one.
    _retries: _Recent = attrs.field(factory=lambda: _Recent(WINDOW + 1), init=False)

    def __attrs_post_init__(self) -> None:
        self.earn = self._successes.add

    def affords(self, now: float) -> bool:
        """Tell whether one more retry may be made."""
        if self.allowance is None:
            return True
        earned = self.allowance.ratio * self._successes.count(now)
        return self._retries.count(now) + 1 <= self.allowance.floor + earned

    def spend(self, now: float) -> None:
        """Note a retry."""
        self._retries.add(now)
