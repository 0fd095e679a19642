"""Two instances of one store, of which one loses it and finds it again."""

import asyncio
from typing import Any

import attrs
from desk import service
from redis_front import Front
from shared_desk import Counter, Desks, on_redis

from resilient.catalog import Limit

SOON = 3.0
"""Seconds: far more than a call that goes at once needs, far less than a lost probe's lease."""


@attrs.define(eq=False)
class Pair:
    """Two instances of one store.

    Attributes:
        front: Lies between the store and the first.
        far: The first.
        near: The other one, which never lacks the store.
    """

    front: Front
    far: Counter
    near: Counter

    def spoil(self, **how: Any) -> None:
        """Spoil what lies in between: attributes of a Front."""
        for name, value in how.items():
            setattr(self.front, name, value)

    async def part(self) -> None:
        """Let nothing through any more, and wait until the far one knows."""
        self.spoil(refuses=True)
        await self._say_something()
        await self.is_up(up=False)

    async def meet(self) -> None:
        """Mend it, and wait until the store has heard what the far one has to tell."""
        self.spoil(refuses=False, cut=None)
        await self.is_up(up=True)
        await self._say_something()

    async def is_up(self, *, up: bool) -> None:
        """Wait until the far one knows whether the store answers."""
        store: Any = self.far.admission.store
        await self.far.until(lambda: store.outage.up is up)

    async def all_go(self) -> None:
        """Let some calls of both go, all soon."""
        calls = [task for desk in (self.far, self.near) for task in desk.start(3, within=SOON)]
        await asyncio.gather(*calls)

    async def _say_something(self) -> None:
        await self.far.call(credential="another")


@attrs.define(eq=False)
class Pairs:
    """Opens the two; their limits and keys are those of `desk.service`."""

    front: Front
    desks: Desks
    _opened: list[Counter] = attrs.field(factory=list)

    async def open(self, *limits: Limit, **keys: Any) -> Pair:
        """Open them."""
        far = await on_redis(service(*limits, **keys), self.front.url())
        self._opened.append(far)
        return Pair(self.front, far, await self.desks.open(*limits, **keys))

    async def close(self) -> None:
        """Close the far ones."""
        for desk in self._opened:
            desk.admission.close()
            await desk.admission.store.aclose()
