"""The ban rule: a scope that is refused too often in a row is shut out for a while."""

from collections import deque

import attrs

from resilient.catalog import Ban, ScopeKind
from resilient.testing.emulator.asked import Asked

LENGTH = 300.0
"""Seconds that a ban lasts unless told: no vendor says."""

_KINDS: tuple[ScopeKind, ...] = ("credential", "ip", "host", "endpoint")


@attrs.frozen(kw_only=True)
class Banned:
    """A ban that was pronounced.

    Attributes:
        scope: Such as `host:acme.amocrm.ru`.
        since: When, on the emulator's clock.
        until: Until when.
    """

    scope: str
    since: float
    until: float


class Bans:
    """Counts refusals in a row, and bans.

    Args:
        rule: The catalog's; None: nobody is ever banned.
        length: Seconds that a ban lasts.
    """

    def __init__(self, rule: Ban | None, *, length: float = LENGTH) -> None:
        self._rule = rule
        self._length = length
        self._refusals: dict[str, deque[float]] = {}
        self._until: dict[str, float] = {}
        self.pronounced: list[Banned] = []

    def is_banned(self, asked: Asked) -> bool:
        """Tell whether any scope of a request is shut out."""
        if not self._until:
            return False
        scopes = (asked.scope((kind,)) for kind in _KINDS)
        return any(self._until.get(scope, 0.0) > asked.time for scope in scopes)

    def refused(self, asked: Asked, kind: ScopeKind) -> None:
        """Note a refusal; one too many within the time is a ban."""
        if self._rule is None:
            return
        scope, now = asked.scope((kind,)), asked.time
        row = self._refusals.setdefault(scope, deque(maxlen=self._rule.after))
        row.append(now)
        if len(row) == self._rule.after and now - row[0] < self._rule.within:
            row.clear()
            self._until[scope] = now + self._length
            self.pronounced.append(Banned(scope=scope, since=now, until=now + self._length))

    def succeeded(self, asked: Asked) -> None:
        """Note a success: the row is broken."""
        if self._refusals:
            for kind in _KINDS:
                self._refusals.pop(asked.scope((kind,)), None)

    def lift(self) -> None:
        """Forget all bans and refusals, as a vendor's support would."""
        self._refusals.clear()
        self._until.clear()
