"""The only door to time, chance and sleep: everything else takes them as arguments."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import attrs


@attrs.frozen(kw_only=True)
class Clock:
    """Time and chance, replaceable in tests.

    Attributes:
        wall: Seconds since the epoch.
        chance: A number in [0, 1).
    """

    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    @staticmethod
    def now() -> float:
        """Return the running loop's time: monotonic seconds."""
        return asyncio.get_running_loop().time()

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(seconds)

    def at(self, seconds: float) -> datetime:
        """Return the aware UTC time that lies `seconds` ahead, at most a century."""
        start = datetime.fromtimestamp(self.wall(), UTC)
        return start + timedelta(seconds=min(seconds, 3.2e9))


def new_id() -> str:
    """Return a fresh identifier for a call: 12 hexadecimal digits."""
    return secrets.token_hex(6)
