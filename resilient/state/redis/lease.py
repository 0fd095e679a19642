"""A lock that processes share: it numbers those who hold it, and ends by itself.

It is for work that may be done twice at worst, such as a renewal: a process that is stopped for
longer than the lock lasts has lost it, and does not know.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import attrs

from resilient.clock import new_id
from resilient.state.redis.link import Run, Unreachable
from resilient.state.redis.scripts import LEASE

UNGUARDED: Final = 0
"""The number of whoever goes without the lock, because the store gives no answer."""

LASTS: Final = 10.0
"""Seconds until the lock of a process that has died ends."""


@attrs.frozen(kw_only=True)
class Lease:
    """A lock in Redis.

    Attributes:
        run: Runs commands; it raises `Unreachable` where there is no answer in time.
        key: The lock's; another key, for the numbers, begins like it.
        lasts: Seconds until it ends by itself; whoever holds it renews it long before.
    """

    run: Run = attrs.field(repr=False)
    key: str
    lasts: float = LASTS

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Give a number greater than any before, and hold the lock to the end of the block.

        It does not wait: it gives None while somebody else holds it, and `UNGUARDED` where the
        store gives no answer.
        """
        owner, taken = new_id(), None
        try:
            taken = await self._ask("take", owner)
            if taken == 0:
                yield None
            elif taken is None:
                yield UNGUARDED
            else:
                async with self._kept(owner):
                    yield taken
        finally:
            if taken != 0:  # without an answer it may be ours all the same
                await self._ask("free", owner)

    @asynccontextmanager
    async def _kept(self, owner: str) -> AsyncIterator[None]:
        over = asyncio.Event()
        keeping = asyncio.create_task(self._keep(owner, over))
        try:
            yield
        finally:
            # Not cancelled: that would cost the connection, and whoever else uses it.
            over.set()
            await asyncio.wait((keeping,))

    async def _keep(self, owner: str, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                async with asyncio.timeout(self.lasts / 3):
                    await over.wait()
            except TimeoutError:
                await self._ask("keep", owner)

    async def _ask(self, what: Literal["take", "keep", "free"], owner: str) -> int | None:
        """Return what the script says; None: the store does not say."""
        keys, lasts = (self.key, f"{self.key}:number"), int(self.lasts * 1000)
        try:
            (reply,) = await self.run([("EVALSHA", LEASE, 2, *keys, what, owner, lasts)])
        except Unreachable:
            return None
        return reply if isinstance(reply, int) else None
