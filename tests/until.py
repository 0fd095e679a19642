"""Waiting, within bounds, for what happens elsewhere and tells nobody."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], within: float) -> None:
    """Wait until something holds, `within` seconds at most."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - of a store, a server or another process
            await asyncio.sleep(0.001)
