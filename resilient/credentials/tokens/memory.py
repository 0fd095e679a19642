"""Tokens in memory: for one process, and for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from resilient.credentials.tokens.pair import Intent, Stored, TokenPair


@attrs.define(eq=False)
class MemoryTokens:
    """A pair in this process's memory: it is lost when the process ends.

    Attributes:
        pair: The pair to begin with.
    """

    _pair: TokenPair | None = attrs.field(default=None)
    _version: int = attrs.field(init=False)
    _intent: Intent | None = attrs.field(default=None, init=False)
    _number: int = attrs.field(default=0, init=False)
    _held: bool = attrs.field(default=False, init=False)

    @_version.default
    def _first_version(self) -> int:
        return 0 if self._pair is None else 1

    async def load(self) -> Stored | None:
        """Return what is stored, or None."""
        return None if self._pair is None else Stored(self._pair, self._version, self._intent)

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Store a pair; None if another has been stored since `replaces`."""
        version = replaces or 0 if self._pair is None else self._version
        if replaces not in (None, version):
            return None
        self._pair, self._version = pair, version + 1
        return self._version

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Let one renew at a time."""
        if self._held:
            yield None
            return
        self._held, self._number = True, self._number + 1
        try:
            yield self._number
        finally:
            self._held = False

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note that a renewal begins."""
        if number != self._number:
            return False
        self._intent = intent
        return True
