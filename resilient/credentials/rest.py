"""Renewals that do not help: how long until the next one.

A token endpoint may be down for an hour, or sell tokens for an account that the API refuses.
Without this each call would cost one renewal and one or two refusals, and refusals in a row end
in a ban.
"""

import attrs

FIRST = 1.0
"""Seconds until a renewal may follow the second in a row that did not help; then twice as long.

The first counts for chance: a new token may take a moment to be known everywhere.
"""

LONGEST = 60.0
"""Seconds that it takes at most."""


TRUSTED = 10.0
"""Seconds after a success in which a refusal is taken for one endpoint's own."""


@attrs.define(eq=False)
class Rest:
    """How the renewals of one credential fared.

    Attributes:
        until: When the next renewal may be.
        failed: Whether the last one failed; else its values were refused.
        distrusted: Whether the last values were refused, and nothing had succeeded for a while.
    """

    until: float = 0.0
    failed: bool = False
    distrusted: bool = False
    _refused: int = 0
    _next: float = 0.0
    _proved: int = 0
    _worked_at: float = float("-inf")

    def helped(self, generation: int, now: float, *, renewed: bool) -> None:
        """Note that a call succeeded; `renewed` if it had been refused before a renewal."""
        self._proved = max(self._proved, generation)
        if generation >= self._refused:
            self._worked_at, self.distrusted = now, False
        if renewed:
            self._next = 0.0

    def in_vain(self, generation: int, now: float) -> None:
        """Note that values were refused to a call that had been refused the ones before."""
        if generation > self._refused:
            self.failed = False
            self._begin(generation, now)

    def fails(self, generation: int, now: float) -> None:
        """Note that values that were refused could not be renewed."""
        self.failed = True
        self._begin(generation, now)

    def _begin(self, generation: int, now: float) -> None:
        self.until = now + self._next
        self._next = min(self._next * 2 or FIRST, LONGEST)
        # Where other calls succeed meanwhile, it is one endpoint that wants something else.
        self.distrusted = not 0 <= now - self._worked_at <= TRUSTED
        self._refused = generation

    def is_proved(self, generation: int) -> bool:
        """Tell whether a call has succeeded with values."""
        return generation <= self._proved

    def left(self, now: float) -> float:
        """Return the seconds until the next renewal may be; a clock that began anew has none."""
        return left if 0 < (left := self.until - now) <= LONGEST else 0.0

    def distrusts(self, generation: int) -> bool:
        """Tell whether values were refused, and nothing has succeeded for a while."""
        return self.distrusted and generation <= self._refused

    def end(self) -> None:
        """Begin anew: somebody gave other values."""
        self.until = self._next = 0.0
        self.distrusted = False
