"""Waiting for a lock that somebody else holds: asking again, a little less often each time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from resilient.clock import Clock
from resilient.credentials.protocol import CredentialUnavailable
from resilient.credentials.tokens.store import Lock

FIRST = 0.02
"""Seconds until it is asked again; then twice as long."""

LONGEST = 0.2
"""Seconds between two questions at most."""

PATIENCE = 60.0
"""Seconds after which the wait is given up: whoever holds the lock does not get on."""


@attrs.define
class Patience:
    """The pauses between questions, and how long they may take together."""

    _pause: float = FIRST
    _waited: float = 0.0

    async def pause(self) -> None:
        """Wait until it is time to ask again.

        Raises:
            CredentialUnavailable: It has taken too long.
        """
        if self._waited >= PATIENCE:
            raise CredentialUnavailable(
                f"Somebody else has been renewing the credential for {PATIENCE:g} s."
            )
        await Clock.sleep(self._pause)
        self._waited += self._pause
        self._pause = min(self._pause * 2, LONGEST)


@asynccontextmanager
async def turn(lock: Lock) -> AsyncIterator[int]:
    """Hold a lock, after any wait for it.

    Raises:
        CredentialUnavailable: It is somebody else's for too long.
    """
    patience = Patience()
    while True:
        async with lock() as number:
            if number is not None:
                yield number
                return
        await patience.pause()
