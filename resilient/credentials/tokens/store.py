"""What a token store is to the rest of the library."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, runtime_checkable

from resilient.credentials.tokens.pair import Intent, Stored, TokenPair

Lock = Callable[[], AbstractAsyncContextManager[int | None]]
"""Gives a lock, or says that it is somebody else's, as `TokenStore.lock` does."""


@asynccontextmanager
async def unlocked() -> AsyncIterator[int | None]:
    """Let everybody in: there is nobody to agree with."""
    yield 0


@runtime_checkable
class TokenStore(Protocol):
    """Keeps one pair for all processes that use it. Anything with these four will do.

    What it raises ends the renewal at hand, and the next call tries again; a `ValueError` says
    that what is stored is no pair, which only a person can mend.
    """

    async def load(self) -> Stored | None:
        """Return what is stored, or None."""
        ...

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Store a pair, so that it outlives whatever happens once this returns.

        Args:
            pair: The pair.
            replaces: The version that it was bought with; None: it replaces whatever is there.

        Returns:
            Its version; None: another pair has been stored since `replaces`, and stays.
        """
        ...

    def lock(self) -> AbstractAsyncContextManager[int | None]:
        """Let one process renew at a time.

        It does not wait: it gives None while somebody else holds the lock. Else it gives a
        number greater than any before, and holds the lock to the end of the block; that of a
        process that has died ends by itself.
        """
        ...

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note that a renewal begins, for whoever comes after it if it never ends.

        Args:
            intent: The renewal; None: the last one ended, and without a pair.
            number: What the lock gave.

        Returns:
            Whether that is still the last number given: else nothing was noted.
        """
        ...
