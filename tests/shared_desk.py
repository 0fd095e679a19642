"""Admission desks on either store: each alone in process, or several on one Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from desk import Desk, service
from redis_server import RedisServer

import resilient
from resilient.catalog import Limit
from resilient.clock import Clock
from resilient.config.service import Service, SharedStore
from resilient.state.admission import Admission
from resilient.state.grant import Grant
from resilient.state.redis.link import make_link
from resilient.state.redis.store import RedisStore

PATIENCE = 10.0
"""Seconds for what has to happen: on a busy machine a reply may be late, and must not be lost."""


def when(grant: Grant) -> float:
    """Return when a call was granted, by the clock of the store that granted it."""
    return grant.at if grant.ticket is None else grant.ticket.at / 1e6


@attrs.define(eq=False)
class Counter(Desk):
    """A desk that remembers its grants.

    Attributes:
        grants: In their order.
        events: What its store told.
    """

    grants: list[Grant] = attrs.field(factory=list)
    events: list[resilient.Event] = attrs.field(factory=list)

    async def admit(self, cost: int = 1, within: float = float("inf"), **lane: Any) -> Grant:
        """Queue and return the right to send."""
        grant = await super().admit(cost, within, **lane)
        self.grants.append(grant)
        return grant

    def times(self) -> list[float]:
        """Return when calls were granted."""
        return [when(grant) for grant in self.grants]

    def start(self, count: int, **call: Any) -> list[asyncio.Task[float]]:
        """Start calls, named in their order."""
        return [asyncio.create_task(self.call(number, **call)) for number in range(count)]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110 - of a store that tells nobody
                await asyncio.sleep(0.002)

    async def until_granted(self, count: int) -> None:
        """Wait until so many calls have been granted."""
        await self.until(lambda: len(self.grants) >= count)

    async def until_told(self, count: int) -> None:
        """Wait until so many calls have been told that they wait."""
        await self.until(lambda: len(self.delays) >= count)


async def on_redis(served: Service, url: str) -> Counter:
    """Return a desk whose store is the Redis of a URL, connected."""
    rules, events = SharedStore(url=url, timeout=PATIENCE), list[resilient.Event]()
    store = RedisStore(
        rules=rules,
        attempts={served.name: served.attempt_timeout},
        link=make_link(rules),
        clock=Clock(),
        tell=events.append,
    )
    desk = Counter(served, Admission(Clock.now, store), events=events)
    await store.ready()
    return desk


@attrs.define(eq=False)
class Desks:
    """Opens desks.

    Attributes:
        server: The Redis that they share; None: each keeps its own state in process.
    """

    server: RedisServer | None
    _opened: list[Counter] = attrs.field(factory=list)

    async def open(self, *limits: Limit, **keys: Any) -> Counter:
        """Open a desk for a service with these limits; keys as of `desk.service`."""
        served = service(*limits, **keys)
        desk = Counter(served) if self.server is None else await on_redis(served, self.server.url)
        self._opened.append(desk)
        return desk

    async def close(self) -> None:
        """Close all; none has been without its store."""
        for desk in self._opened:
            desk.admission.close()
            await desk.admission.store.aclose()
        assert [] == [event.name for desk in self._opened for event in desk.events]


@asynccontextmanager
async def desks_of(server: RedisServer | None) -> AsyncIterator[Desks]:
    """Open desks for the length of a block."""
    desks = Desks(server)
    try:
        yield desks
    finally:
        await desks.close()
