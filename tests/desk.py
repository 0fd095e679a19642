"""The admission desk alone: calls queue, are granted and answered in virtual time, without HTTP."""

import asyncio
from collections.abc import Awaitable, Iterable
from fractions import Fraction
from typing import Any

import attrs
from aiohttp import BaseConnector
from oracle import Ledger, held

import resilient
from resilient.catalog import Ban, Limit
from resilient.clock import Clock
from resilient.config.service import Service
from resilient.model import Block, Mark
from resilient.state.admission import Admission
from resilient.state.grant import Grant
from resilient.state.lane import Lane, Waiter
from resilient.state.store import Ticket
from resilient.state.waiting import Delay, Refused

LATCH = Block(scope="credential", base=300.0, cap=3600.0)
"""How a scope is blocked when the ban rule's row is full."""


def audited(served: Service) -> "Desk":
    """Return a desk whose books are kept."""
    return Desk(served, Audited(Clock.now))


def limit(calls: int, period: float, *per: str, name: str = "calls", **keys: Any) -> Limit:
    """Return a limit; of the credential unless told otherwise, `a+b` is a compound scope."""
    kinds: Any = tuple(tuple(kind.split("+")) for kind in per or ("credential",))
    return Limit(name=name, calls=calls, period=period, per=kinds, **keys)


def service(*limits: Limit, share: str = "1", ban: Ban | None = None, **keys: Any) -> Service:
    """Return a service with these limits."""
    found = resilient.load({"services": {"api": {"catalog": "http", "hosts": ["h"]}}})["api"]
    catalog = attrs.evolve(found.catalog, limits=limits, ban=ban)
    return attrs.evolve(found, catalog=catalog, share=Fraction(share), **keys)


async def finish(*calls: Awaitable[Any]) -> list[Any]:
    """Return what calls returned, or how they were refused or cancelled.

    Anything else is raised, and one that would wait for ever is a failure.
    """
    async with asyncio.timeout(1e7):
        ends = await asyncio.gather(*calls, return_exceptions=True)
    for each in ends:
        if isinstance(each, Exception) and not isinstance(each, Refused):
            raise each
    return ends


@attrs.define(eq=False, repr=False)
class Audited(Admission):
    """A scheduler, and books of what its limits must have taken."""

    ledger: Ledger = attrs.field(factory=Ledger, init=False)

    def _grant(self, lane: Lane, cost: int, now: float, ticket: Ticket | None = None) -> Grant:
        for scope in lane.scopes:
            if not scope.state.emptied:
                self.ledger.each(scope.limits, lambda book: book.empty(now))
        self.ledger.each(lane.limits, lambda book: book.take(cost, now))
        grant = super()._grant(lane, cost, now, ticket)
        self.ledger.follow(lane.limits, now)
        return grant

    def abandon(self, waiter: Waiter, *, waited: bool) -> None:  # noqa: D102 - as the scheduler's
        if not waited and not waiter.cancelled() and waiter.exception() is None:
            self.ledger.give_back(waiter.result(), self.now())
        super().abandon(waiter, waited=waited)


@attrs.define(eq=False)
class Desk:
    """A scheduler and what it granted.

    Attributes:
        sent: When each call that was not called off was granted, and its cost.
        order: What the calls were called, in order of their grants.
        delays: What callers were told about their waits.
    """

    service: Service
    admission: Admission = attrs.field(factory=lambda: Admission(Clock.now))
    sent: list[tuple[float, int]] = attrs.field(factory=list)
    order: list[Any] = attrs.field(factory=list)
    delays: list[Delay] = attrs.field(factory=list)

    @property
    def now(self) -> float:
        """The time."""
        return Clock.now()

    def lane(
        self,
        credential: str = "one",
        endpoint: str = "other",
        host: str = "h",
        *,
        urgent: bool = False,
        connector: BaseConnector | None = None,
    ) -> Lane:
        """Return the queue for a call."""
        lane = self.admission.memory.lane_of(
            self.service, credential, endpoint, "here", host, connector, urgent, self.now
        )
        if isinstance(self.admission, Audited):
            self.admission.ledger.open(lane.limits, self.now)
        return lane

    def call_off(self, grant: Grant) -> None:
        """Cancel a grant before it is sent."""
        if isinstance(self.admission, Audited):
            self.admission.ledger.give_back(grant, self.now)
        grant.cancel()

    async def admit(self, cost: int = 1, within: float = float("inf"), **lane: Any) -> Grant:
        """Queue and return the right to send."""
        found, deadline = self.lane(**lane), self.now + within
        return await self.admission.admit(found, cost, deadline, self.delays.append)

    async def call(
        self,
        name: Any = None,
        cost: int = 1,
        *,
        takes: float = 0.0,
        marks: Iterable[Mark] = (),
        **lane: Any,
    ) -> float:
        """Make a call, answered after some seconds, and return when it was sent."""
        grant = await self.admit(cost, **lane)
        self.sent.append((grant.at, cost))
        self.order.append(name)
        try:
            await asyncio.sleep(takes)
            grant.answered(marks, LATCH)
        finally:
            grant.unsent()  # it was cancelled, unless it was answered
        return grant.at

    async def warm(self, **lane: Any) -> None:
        """Send the first call, and wait until every bucket is full again."""
        await self.call(**lane)
        await asyncio.sleep(7200)
        self.sent.clear()
        self.order.clear()

    def level(self, name: str = "calls") -> float:
        """Return what a bucket of that name has taken and not leaked yet."""
        (gate,) = self.admission.memory.limits[name].values()
        return held(gate.gauge, self.now)
