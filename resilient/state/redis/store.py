"""The shared store: asks Redis for calls, tells it how they ended, and goes on without it.

Each ask is one script call for the oldest of one lane, over all its scopes and limits. What
Redis answers is the truth, and the gates of this process are its mirror.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import attrs

from resilient.clock import Clock
from resilient.config.service import SharedStore
from resilient.events import Event
from resilient.model import Scope
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane
from resilient.state.redis import keys, wire
from resilient.state.redis.errands import Ask, Ending, Question, Sign, limits, shared
from resilient.state.redis.gates import SharedGates, SharedLimit, SharedScope
from resilient.state.redis.lease import Lease
from resilient.state.redis.lifting import lift
from resilient.state.redis.link import Command, Link, Unreachable
from resilient.state.redis.outage import Outage
from resilient.state.redis.presence import Presence
from resilient.state.redis.pump import Pump
from resilient.state.store import ASKED, End, Queues, Rule

LATE: Final = 5.0
"""Seconds above an attempt's time limit after which a call in flight counts as lost."""

UNHEARD: Final = 1024
"""Ends of calls that are kept while the store is down: the latest."""


@attrs.define(eq=False, kw_only=True)
class RedisStore:
    """Where scopes are kept for all processes: a Redis server.

    Attributes:
        rules: What the configuration says.
        attempts: Seconds that an attempt may take, by service: those who share something.
        link: The connection.
        clock: Time and chance.
        tell: Is told what becomes of the store.
    """

    name: str = attrs.field(default="redis", init=False)
    rules: SharedStore
    attempts: Mapping[str, float]
    link: Link = attrs.field(repr=False)
    clock: Clock = attrs.field(repr=False)
    tell: Callable[[Event], None] = attrs.field(repr=False)
    outage: Outage = attrs.field(init=False, repr=False)
    maker: SharedGates = attrs.field(init=False, repr=False)
    presence: Presence = attrs.field(init=False, repr=False)
    _pump: Pump = attrs.field(init=False, repr=False)
    _queues: Queues = attrs.field(init=False, repr=False)
    _numbers: int = attrs.field(default=1, init=False, repr=False)
    _unheard: deque[Ending] = attrs.field(
        factory=lambda: deque(maxlen=UNHEARD), init=False, repr=False
    )

    def __attrs_post_init__(self) -> None:
        self.outage = Outage(self.rules.mode)
        self.maker = SharedGates(self.outage)
        self._pump = Pump(self.link, self.rules.timeout, self._fails, self._lost)
        self.presence = Presence(
            rules=self.rules,
            services=tuple(self.attempts),
            link=self.link,
            pump=self._pump,
            outage=self.outage,
            clock=self.clock,
            tell=self.tell,
            back=self._back,
        )

    @property
    def salts(self) -> Mapping[str, bytes]:
        """With what the fields of callers who sign themselves are hashed, by service."""
        return self.presence.salts

    def open(self, queues: Queues) -> None:
        """Take notice of who asks."""
        self._queues = queues

    async def ready(self) -> None:
        """Wait until it is known whether the store answers."""
        await self.presence.ready()

    def rule(self, lane: Lane) -> Rule:  # noqa: ARG002 - of every shared lane alike
        """Tell who lets a lane's calls go."""
        return self.outage.rule

    def ask(self, lane: Lane) -> None:
        """Ask for the oldest of a lane."""
        for gate in shared(lane):
            gate.shut.ask(lane)
        number, self._numbers = self._numbers, self._numbers + ASKED
        self._pump.post(
            Ask(
                lane,
                self._queues,
                self._passage(lane),
                self.presence.instance,
                number,
                self.clock.now,
                self._leave,
            )
        )
        self.presence.sign(lane.scopes[0].state.scope.service, self.clock.now())

    def ended(self, grant: Grant, end: End) -> "asyncio.Future[list[Changed] | None] | None":
        """Hear how an attempt ended."""
        ticket = grant.ticket
        ending = self._ending(grant.lane, end)
        if ticket is not None:
            number, granted = ticket.number, ticket.at
            ending = attrs.evolve(ending, number=number, granted=granted, cost=grant.cost)
        if not self.outage.up:
            self._unheard.append(ending)
            return None
        ending.future = asyncio.get_running_loop().create_future()
        self._pump.post(ending)
        return ending.future

    def _ending(self, lane: Lane, end: End) -> Ending:
        return Ending(
            lane=lane,
            end=end,
            at=self.clock.now(),
            queues=self._queues,
            passage=self._passage(lane),
            instance=self.presence.instance,
            now=self.clock.now,
            unheard=self._unheard.append,
        )

    def _leave(self, lane: Lane, number: int) -> None:
        """Let go of what may have been granted: one that goes first goes alone."""
        self._unheard.append(attrs.evolve(self._ending(lane, End("unsent")), number=number))

    def _passage(self, lane: Lane) -> wire.Passage:
        rates = tuple(limit.gauge.rate for limit in lane.limits)
        if not isinstance(lane.passage, wire.Passage) or lane.passage.rates != rates:
            service = lane.scopes[0].state.scope.service
            lease = self.attempts[service] + LATE
            lane.passage = wire.Passage.of(self.rules.prefix, lane, lease)
        return lane.passage

    def _fails(self, reason: str) -> None:
        self.presence.lost(reason)
        self._forget_words()

    def _back(self) -> None:
        self._forget_words()
        unheard = list(self._unheard)
        self._unheard.clear()
        for each in unheard:  # before anybody asks
            self._pump.post(each.late())
        for lane in self._queues.lanes():
            if lane.shared and any(limit.untold for limit in limits(lane)):
                self._queues.ask(lane)  # also where nobody waits: the others have to know
        self._queues.reconsider()

    def _lost(self) -> None:
        # Not at once: this may be said in the middle of a look at the queues.
        asyncio.get_running_loop().call_soon(self._queues.reconsider)

    def _forget_words(self) -> None:
        """Let the gates go by who rules now."""
        now = self.clock.now()
        for gate in self._queues.gates():
            if isinstance(gate, (SharedScope, SharedLimit)):
                gate.forget(now)

    async def release(self, service: str, wanted: Callable[[Scope], bool]) -> list[Scope]:
        """Lift pauses and blocks of a service for all processes; return where there were any."""
        known = self._queues.scopes()
        try:
            return await lift(self._replies, self.rules.prefix, known, service, wanted)
        except (Unreachable, wire.Nonsense):
            return []

    def lock(self, service: str, credential: str) -> AbstractAsyncContextManager[int | None]:
        """Hold the lock under which one process renews a credential, as `Lease.lock` does."""
        key = keys.lease(self.rules.prefix, service, credential)
        return Lease(run=self._replies, key=key).lock()

    async def _replies(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to commands, which go with what else is sent.

        Raises:
            Unreachable: There are none.
        """
        await self.ready()
        if not self.outage.up:
            raise Unreachable("it is down", sent=False)
        loop = asyncio.get_running_loop()
        questions = [Question(each, loop.create_future()) for each in commands]
        for each in questions:
            self._pump.post(each)
        return await asyncio.gather(*(each.future for each in questions))

    def forget(self) -> None:
        """Let go of what belongs to a loop that has ended, or to the parent of a fork."""
        self._pump.forget()
        self._unheard.clear()
        self.presence.forget()
        self._forget_words()

    async def aclose(self) -> None:
        """Say goodbye, and close."""
        await self.presence.aclose()
        if self.outage.up and self.presence.instance:
            for each in self.attempts:
                leaving = wire.see(self.rules.prefix, each, self.presence.instance, leaving=True)
                self._pump.post(Sign(leaving, each, {}))
        await self._pump.finish()
        await self.link.aclose()
