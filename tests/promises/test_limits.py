"""A long walk through all that can happen to calls: limits hold, to the call and to the token."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from itertools import count

import attrs
import pytest
from desk import LATCH, Audited, Desk, audited, limit, service
from naive import full_bucket
from oracle import Spent, inversions, most_in_window
from promises.conftest import Figure, Scale

from resilient.catalog import Limit, ScopeKind
from resilient.config.service import Service
from resilient.model import Pause
from resilient.state import needs
from resilient.state.gates import LimitGate
from resilient.state.gauge import Bucket
from resilient.state.grant import Grant
from resilient.state.lane import Lane
from resilient.state.waiting import OnDelay, Refused

SERVICES = {
    "one limit": service(limit(1200, 60)),
    "seconds, minutes and hours": service(
        limit(10, 1, name="s"),
        limit(300, 60, "credential+ip", name="m"),
        limit(5000, 3600, "host", name="h"),
    ),
    "of a key, an address and an endpoint": service(
        limit(120, 10, "credential", "ip"),
        limit(20, 10, "credential", "ip", name="send", endpoint="send"),
        limit(900, 120, "ip", name="long"),
    ),
}


GAPS = [0.0] * 6 + [0.001, 0.05, 0.5, 0.5]
"""Seconds between arrivals."""

KINDS: tuple[ScopeKind, ...] = ("credential", "ip")


@attrs.frozen
class Sent:
    """A call that was sent."""

    number: int
    spent: Spent
    credential: str
    endpoint: str


@attrs.define(eq=False)
class Walk:
    """Calls at random.

    Attributes:
        steps: How much has happened: arrivals, cancels, sends, answers, pauses, releases.
        sent: In order.
        cancels: Of calls in the queue, under way, or granted and not sent.
        debits: What limits were seen to hold and should not, or the other way round.
    """

    desk: Desk
    chance: random.Random
    steps: int = 0
    sent: list[Sent] = attrs.field(factory=list)
    cancels: int = 0
    debits: list[str] = attrs.field(factory=list)

    async def go(self, steps: int) -> "Walk":
        """Take some steps, and wait until every call has ended."""
        recent, numbers = deque[asyncio.Task[None]](maxlen=20), count()
        async with asyncio.TaskGroup() as group:
            while self.steps < steps:
                recent.append(group.create_task(self._call(next(numbers))))
                await asyncio.sleep(self.chance.choice(GAPS))
                self._interfere(recent)
                self.look()
        self.look()
        return self

    def _interfere(self, recent: Sequence["asyncio.Task[None]"]) -> None:
        if self.chance.random() < 0.5:
            self.cancels += self.chance.choice(recent).cancel()
            self.steps += 1
        if self.chance.random() < 0.001:
            self.desk.admission.release(lambda _: self.chance.random() < 0.5)
            limits = self.desk.admission.memory.limits.values()
            self._turned([each for gates in limits for each in gates.values()])
            self.steps += 1

    def look(self) -> None:
        """Compare what the limits hold with the books."""
        admission = self.desk.admission
        assert isinstance(admission, Audited)
        self.debits += admission.ledger.differences(self.desk.now)

    async def _call(self, number: int) -> None:
        """Make a call, and let anything happen to it that can."""
        chance, cost = self.chance, self.chance.choice([1] * 8 + [2, 5])
        who = {"credential": f"c{chance.randrange(3)}", "endpoint": chance.choice(["send", "x"])}
        self.steps += 1
        try:
            grant = await self.desk.admit(cost, chance.choice([120.0, 60.0, 5.0]), **who)
        except Refused:
            return
        self.steps += 1
        if chance.random() < 0.15:
            await self._hold_back(grant)
        else:
            self.sent.append(Sent(number, (grant.at, cost), **who))
            await self._answer(grant)

    async def _hold_back(self, grant: Grant) -> None:
        try:
            await asyncio.sleep(self.chance.choice([0.0, 0.0, 0.05]))
        finally:
            self.cancels += 1
            self.desk.call_off(grant)

    async def _answer(self, grant: Grant) -> None:
        fate, scope = self.chance.random(), self.chance.choice(KINDS)
        try:
            await asyncio.sleep(self.chance.expovariate(5.0))
        finally:
            self.steps += 1
            if fate < 0.1:
                grant.lost()
            elif fate < 0.15:
                grant.unsent()
            else:
                pause = Pause(scope=scope, seconds=self.chance.uniform(0, 5))
                grant.answered([pause] if fate < 0.17 else (), LATCH)
                self._turned(grant.lane.limits)

    def _turned(self, limits: Sequence[LimitGate]) -> None:
        """Note that a refusal may have slowed buckets down."""
        admission = self.desk.admission
        assert isinstance(admission, Audited)
        admission.ledger.follow(limits, self.desk.now)

    def overfull(self) -> int:
        """Count the limits of which some window held more than it may."""
        return sum(
            most_in_window([each.spent for each in group], limit.period) > limit.calls
            for limit in self.desk.service.catalog.limits
            for group in self._groups(limit)
        )

    def _groups(self, limit: Limit) -> list[list[Sent]]:
        own = [each for each in self.sent if limit.endpoint in (None, each.endpoint)]
        keys = {each.credential for each in own}
        by_key = [[each for each in own if each.credential == key] for key in keys]
        return [*by_key, own] if any("credential" not in per for per in limit.per) else by_key

    def out_of_order(self) -> int:
        """Count the neighbours in a queue of which the younger one went first.

        Of two that are granted in the same instant either may be the first to go on.
        """
        lanes = dict[tuple[str, str], list[int]]()
        for each in sorted(self.sent, key=lambda each: (each.spent[0], each.number)):
            lanes.setdefault((each.credential, each.endpoint), []).append(each.number)
        return sum(inversions(numbers) for numbers in lanes.values())


async def walked(served: Service, steps: int, seed: int = 1) -> Walk:
    """Return a walk that was taken."""
    return await Walk(audited(served), random.Random(seed)).go(steps)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_walk(name: str, scale: Scale, figure: Figure) -> None:
    """Whatever happens, no window is overfull, every limit holds what was sent, in turn."""
    walk = await walked(SERVICES[name], scale(4_000, 350_000))
    assert 0 == walk.overfull()
    assert [] == walk.debits
    assert 0 == walk.out_of_order()
    assert walk.cancels > scale(150, 12_000)
    figure("A1", f"windows over N, {name}", 0, of=f"{walk.steps:,} steps")
    figure("A3", f"tokens off the books by more than 1e-9, {name}", 0, of=walk.cancels)
    figure("A5", f"partial debits, {name}", 0, of=len(walk.sent))
    figure("D3", f"out of order, {name}", 0, of=len(walk.sent))


async def test_a_bucket_of_the_limits_own_size_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the walk finds the windows that a full bucket overfills."""
    monkeypatch.setattr(needs, "pace", full_bucket)
    walk = await walked(SERVICES["of a key, an address and an endpoint"], 3000)
    assert walk.overfull() > 0


async def test_what_is_minted_by_a_cancel_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a bucket that forgets how long a token was held is off the books."""

    def mint(self: Bucket, cost: int, taken: float, now: float) -> None:
        self._change(-cost, now)

    monkeypatch.setattr(Bucket, "give_back", mint)
    walk = await walked(SERVICES["one limit"], 3000)
    assert len(walk.debits) > 0


@attrs.define(eq=False, repr=False)
class OneByOne(Audited):
    """Takes from a call's limits one after another, as naive limiters are stacked."""

    async def admit(  # noqa: D102 - as the scheduler's own
        self, lane: Lane, cost: int, deadline: float, on_delay: OnDelay | None = None
    ) -> Grant:
        for gate in lane.limits:
            while wait := gate.gauge.wait(cost, self.now()):  # noqa: ASYNC110
                await asyncio.sleep(wait)
            gate.gauge.take(cost, self.now())
        for scope in lane.scopes:
            scope.state.enter(self, self.now())
        self.ledger.each(lane.limits, lambda book: book.take(cost, self.now()))
        return Grant(self, lane, cost, self.now())


async def test_taking_one_by_one_is_caught() -> None:
    """Negative control: what a call took before it was cancelled at its next limit is found."""
    desk = Desk(
        SERVICES["of a key, an address and an endpoint"],
        OneByOne(lambda: asyncio.get_running_loop().time()),
    )
    walk = await Walk(desk, random.Random(1)).go(1000)
    assert len(walk.debits) > 0
