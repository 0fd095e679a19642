"""The user's own `load` and `save`, as a token store without versions and without a lock."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from resilient.credentials.tokens.pair import Intent, Stored, TokenPair

Load = Callable[[], Awaitable[Any] | Any]
"""Returns a pair, or a mapping with the same names."""

Save = Callable[[TokenPair], Awaitable[None] | None]
"""Stores a pair."""


@attrs.frozen(eq=False)
class Callables:
    """Two callables, async or not.

    A pair's version is what tells it from others, and whoever stores last has stored.

    Attributes:
        read: Returns the pair.
        write: Stores a pair.
    """

    read: Load = attrs.field(repr=False)
    write: Save = attrs.field(repr=False)

    async def load(self) -> Stored:
        """Return what is stored.

        Raises:
            ValueError: It is no pair.
        """
        return _as_stored(TokenPair.of(await _awaited(self.read())))

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int:  # noqa: ARG002
        """Store a pair."""
        await _awaited(self.write(pair))
        return _as_stored(pair).version

    async def note(self, intent: Intent | None, number: int) -> bool:  # noqa: ARG002
        """Let it go unnoted: there is no place for it."""
        return True


def _as_stored(pair: TokenPair) -> Stored:
    return Stored(pair, hash(pair.access_token))


async def _awaited(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found
