"""What a server said is left of a limit, until it counts anew."""

import attrs

MOST_PACED = 60.0
"""Seconds: what is left for longer is counted, not paced, as longer windows are."""


@attrs.define(eq=False, repr=False)
class Allowance:
    """So many calls until then, and no more.

    Attributes:
        left: Calls that may go yet.
        until: When the server counts anew.
        since: When that was said.
        sent_at: When the call was sent that it was said to.
    """

    left: int
    until: float
    since: float
    sent_at: float

    def take(self, cost: int) -> None:
        """Count a call."""
        self.left -= cost

    def give_back(self, cost: int, taken: float) -> None:
        """Count a call of the time `taken` out: it was not sent."""
        if taken >= self.since:
            self.left += cost

    def rate(self, now: float) -> float:
        """Return calls a second that use it up evenly; infinity for what is only counted."""
        seconds = self.until - now
        return max(1, self.left) / seconds if 0 < seconds <= MOST_PACED else float("inf")
