"""A vendor who counts exactly and punishes: pure, told the time, and asked once for each call.

It keeps the log of one key: every call that it let through in the last period. A call that
finds the log full is refused, and is not counted. Refusals in a row, near each other, end in a
ban. Who else uses the key is never refused, and counts.
"""

import math
from bisect import bisect_right
from collections import deque

import attrs

OK, FORBIDDEN, TOO_MANY = 200, 403, 429


@attrs.frozen
class Answer:
    """What a call is told.

    Attributes:
        status: 200, 429 refused, or 403 banned.
        retry_after: Whole seconds until a call is free, with a 429; else None.
    """

    status: int
    retry_after: int | None = None


@attrs.frozen(kw_only=True)
class Rules:
    """How a vendor counts and punishes. Times are seconds; moments, since the first one told.

    Attributes:
        limit: Calls that are let through in any `period`.
        period: How long a call counts.
        ban_after: So many refusals in a row
        ban_within: that are no further apart than this
        ban_for: shut a key out for so long.
        before: Calls that the key made in the period before the start, evenly.
        neighbour: Calls that somebody else makes with the key in each period, evenly.
        cut_at: When the limit becomes `cut_to`; None: never.
        cut_to: The limit from then on.
    """

    limit: int = 1200
    period: float = 60.0
    ban_after: int = 3
    ban_within: float = 10.0
    ban_for: float = 300.0
    before: int = 0
    neighbour: int = 0
    cut_at: float | None = None
    cut_to: int = 600


@attrs.define(eq=False)
class Vendor:
    """The vendor of one key, from the first time it is told on.

    Attributes:
        rules: How it counts and punishes.
        accepted: When each of our calls was let through, in order.
        refused: When each of our calls was refused with a 429.
        shunned: When each of our calls met a ban.
        bans: When each ban began.
    """

    rules: Rules = attrs.field(factory=Rules)
    accepted: list[float] = attrs.field(factory=list, init=False)
    refused: list[float] = attrs.field(factory=list, init=False)
    shunned: list[float] = attrs.field(factory=list, init=False)
    bans: list[float] = attrs.field(factory=list, init=False)
    _start: float | None = attrs.field(default=None, init=False)
    _log: deque[float] = attrs.field(factory=deque, init=False)
    _row: deque[float] = attrs.field(factory=deque, init=False)
    _neighbours: int = attrs.field(default=0, init=False)

    @property
    def limit(self) -> int:
        """The limit that held at the last call."""
        return self.limit_at(self._log[-1]) if self._log else self.rules.limit

    def limit_at(self, now: float) -> int:
        """Return the limit that holds at a time."""
        cut_at, start = self.rules.cut_at, now if self._start is None else self._start
        cut = cut_at is not None and now - start >= cut_at
        return self.rules.cut_to if cut else self.rules.limit

    def open(self, now: float) -> None:
        """Begin: moments of the rules are counted from now. The first call does it, else."""
        self._start = now
        each = self.rules.period / max(1, self.rules.before)
        self._log.extend(now - self.rules.period + each * (n + 1) for n in range(self.rules.before))

    def arrive(self, now: float) -> Answer:
        """Answer a call of ours; times never go back."""
        if self._start is None:
            self.open(now)
        self._pass(now)
        if self.bans and now < self.bans[-1] + self.rules.ban_for:
            self.shunned.append(now)
            return Answer(FORBIDDEN)
        limit = self.limit_at(now)
        if len(self._log) >= limit:
            return self._refuse(now, self._log[len(self._log) - limit] + self.rules.period - now)
        self._row.clear()
        self._log.append(now)
        self.accepted.append(now)
        return Answer(OK)

    def accepted_between(self, since: float, until: float) -> int:
        """Return how many of our calls were let through after `since`, at the latest at `until`."""
        return bisect_right(self.accepted, until) - bisect_right(self.accepted, since)

    def _refuse(self, now: float, free_in: float) -> Answer:
        self.refused.append(now)
        self._row.append(now)
        while now - self._row[0] > self.rules.ban_within:
            self._row.popleft()
        if len(self._row) >= self.rules.ban_after:
            self._row.clear()
            self.bans.append(now)
        return Answer(TOO_MANY, max(1, math.ceil(free_in)))

    def _pass(self, now: float) -> None:
        """Let time pass: the neighbour calls, and what is older than a period is forgotten."""
        self._neighbour_calls(now)
        while self._log and self._log[0] <= now - self.rules.period:
            self._log.popleft()

    def _neighbour_calls(self, now: float) -> None:
        if not self.rules.neighbour or self._start is None:
            return
        each = self.rules.period / self.rules.neighbour
        while (at := self._start + (self._neighbours + 1) * each) <= now:
            self._neighbours += 1
            self._log.append(at)
