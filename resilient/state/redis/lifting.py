"""Lifting pauses and blocks for all processes, also those that this one has not met."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from resilient.model import Scope
from resilient.state.redis import keys, wire
from resilient.state.redis.link import Run

MOST: Final = 1000
"""Scopes that one script call lifts at most."""


async def lift(
    run: Run, prefix: str, known: Iterable[Scope], service: str, wanted: Callable[[Scope], bool]
) -> list[Scope]:
    """Release scopes of a service, and return those that were paused or blocked.

    Args:
        run: Sends commands.
        prefix: Of all keys.
        known: Scopes that this process has met: of others a key may tell a digest alone.
        service: Whose scopes.
        wanted: Tells whether a scope is meant.
    """
    found = {keys.scope(prefix, scope): scope for scope in known if scope.service == service}
    async for key in _stored(run, prefix, service):
        if key not in found and (scope := keys.scope_of(prefix, service, key)) is not None:
            found[key] = scope
    meant = [each for each in found.items() if wanted(each[1])]
    lifted: list[Scope] = []
    for start in range(0, len(meant), MOST):
        part = meant[start : start + MOST]
        (reply,) = await run([wire.release([key for key, _ in part])])
        were = wire.released(reply, len(part))
        lifted += [scope for (_, scope), was in zip(part, were, strict=True) if was]
    return lifted


async def _stored(run: Run, prefix: str, service: str) -> AsyncIterator[str]:
    """Yield the keys of all scopes of a service."""
    cursor = b"0"
    while True:
        (page,) = await run([wire.names(prefix, service, cursor)])
        cursor, names = wire.named(page)
        for name in names:
            yield name
        if cursor == b"0":
            return
