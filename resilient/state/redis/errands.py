"""What a process asks the store, and what it tells it: each with what follows from the reply."""

from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from resilient.model import Mark, Pause
from resilient.state.gate import A_MOMENT
from resilient.state.grant import Changed
from resilient.state.lane import Lane
from resilient.state.redis import wire
from resilient.state.redis.gates import SharedLimit, SharedScope, Word
from resilient.state.redis.link import Command, Unreachable
from resilient.state.store import End, Queues, Ticket

POLL: Final = 0.05
"""Seconds until a process asks again about what only an event in another can end."""

RECHECK: Final = 1.0
"""Seconds until it asks again about a pause or a block: somebody may have lifted it by hand."""


def scopes(lane: Lane) -> Sequence[SharedScope]:
    """Return the scopes of a shared lane."""
    return cast("Sequence[SharedScope]", lane.scopes)


def limits(lane: Lane) -> Sequence[SharedLimit]:
    """Return the limits of a shared lane."""
    return cast("Sequence[SharedLimit]", lane.limits)


def shared(lane: Lane) -> "Sequence[SharedScope | SharedLimit]":
    """Return the gates of a shared lane that the store decides on, in its order."""
    return cast("Sequence[SharedScope | SharedLimit]", lane.scopes + lane.limits)


def _flying(lane: Lane, told: set[object]) -> list[int]:
    """Return how many calls are in flight, by scope; -1 where that was told in this pipeline.

    What an ask before it in the pipeline is granted is known to the store, and not yet here.
    """
    found = [-1 if gate in told else gate.state.in_flight for gate in lane.scopes]
    told.update(lane.scopes)
    return found


def _learn(lane: Lane, views: Mapping[int, wire.ScopeView], mine: object, now: float) -> None:
    for index, gate in enumerate(scopes(lane)):
        gate.learn(views.get(index), mine, now)


@attrs.define(eq=False)
class Ask:
    """May the oldest of a lane go?

    Attributes:
        number: Of the first grant.
        now: The time, when the reply is here.
        leave: Is told where it is unknown whether anything was granted.
        confessed: Of each limit, how many calls went while the store was down.
    """

    lane: Lane
    queues: Queues
    passage: wire.Passage
    instance: str
    number: int
    now: Callable[[], float]
    leave: Callable[[Lane, int], None]
    confessed: Sequence[int] = attrs.field(default=(), init=False)

    def prepare(self, told: set[object]) -> Command:
        """Return the script call."""
        costs = [each.cost for each in self.queues.gather(self.lane)]
        flying = _flying(self.lane, told)
        now = self.now()
        confessions = [each.confess(now) for each in limits(self.lane)]
        self.confessed = [calls for _, calls in confessions]
        taken = [level for level, _ in confessions]
        return wire.ask(self.passage, self.instance, self.number, flying, costs, taken=taken)

    def told(self, reply: Any) -> None:
        """Let those go who may, and note what holds up the next."""
        asked = wire.asked(self.passage, reply, len(self.lane.asked))
        lane, waiting, now = self.lane, self.lane.asked, self.now()
        for gate in shared(lane):
            gate.shut.end(lane)
        numbers = range(self.number, self.number + asked.granted)
        tickets = [Ticket(number, asked.now, asked.watched) for number in numbers]
        grants = self.queues.granted(lane, tickets)
        _learn(lane, asked.scopes, grants[-1] if grants else None, now)
        for limit, level in zip(limits(lane), asked.levels, strict=True):
            limit.learn(level, now)
        if asked.reason is not None:
            cost = waiting[asked.granted].cost
            shared(lane)[asked.index].shut.word = _word(asked, cost, now)
        self.queues.go_on(lane)

    def lost(self, *, sent: bool) -> None:
        """Let them wait for something else; what may have been granted counts as spent."""
        cost, now = sum(each.cost for each in self.lane.asked), self.now()
        for gate in shared(self.lane):
            gate.shut.end(self.lane)
        self.queues.granted(self.lane, ())
        for limit, calls in zip(limits(self.lane), self.confessed, strict=False):
            limit.untold += calls
            if sent:
                limit.gauge.exhaust(cost, now)
        if sent:
            self.leave(self.lane, self.number)


def _word(asked: wire.Asked, cost: int, now: float) -> Word:
    wait = asked.wait
    match asked.reason:
        case "limit":
            when = now + max(wait or 0.0, A_MOMENT)
            return Word("limit", when, when, cost)
        case "pause":
            return _paused(wait or 0.0, now)
        case "blocked":
            return _blocked(wait, now)
        case _:
            until = None if wait is None else now + wait
            return Word("probe", until, now + min(POLL, POLL if wait is None else wait))


def _word_of(view: wire.ScopeView | None, now: float) -> Word | None:
    """Return what holds everybody up in a scope, or None."""
    if view is None:
        return None
    if view.blocked is not None and (view.blocked.until is None or view.blocked.until > 0):
        return _blocked(view.blocked.until, now)
    return _paused(view.paused, now) if view.paused > 0 else None


def _paused(left: float, now: float) -> Word:
    return Word("pause", now + left, now + min(left, RECHECK))


def _blocked(left: float | None, now: float) -> Word:
    end = float("inf") if left is None else now + left
    return Word("blocked", end, min(end, now + RECHECK))


@attrs.define(eq=False, kw_only=True)
class Ending:
    """So an attempt ended.

    Attributes:
        number: Its grant; 0: one that the store has not given.
        granted: When the store gave it.
        at: When it ended, of this process's clock.
        unheard: Is given it where the store did not hear it.
        future: Gets what has become of the scopes; None: the store did not answer.
    """

    lane: Lane
    number: int = 0
    granted: int = 0
    cost: int = 0
    end: End
    at: float
    queues: Queues
    passage: wire.Passage
    instance: str
    now: Callable[[], float]
    unheard: "Callable[[Ending], None]"
    future: Future[list[Changed] | None] | None = None

    def prepare(self, told: set[object]) -> Command:
        """Return the script call."""
        return wire.end(
            self.passage,
            self.instance,
            number=self.number,
            flying=_flying(self.lane, told),
            how=self.end.how,
            granted=self.granted,
            cost=self.cost,
            marks=self.end.marks,
            latch=self.end.latch,
        )

    def told(self, reply: Any) -> None:
        """Note what has become of the scopes."""
        ended, lane, now = wire.ended(self.passage, reply), self.lane, self.now()
        _learn(lane, ended.scopes, None, now)
        for index, gate in enumerate(scopes(lane)):
            gate.shut.word = _word_of(ended.scopes.get(index), now)
        if self.future is not None and not self.future.done():
            self.future.set_result([_changed(lane, each) for each in ended.changes])
        self.queues.heard(lane)

    def lost(self, *, sent: bool) -> None:
        """Leave it at what this process knows, until the store is back."""
        if self.future is not None and not self.future.done():
            self.future.set_result(None)
        end = _repeatable(self.end) if sent else self.end
        self.unheard(attrs.evolve(self, end=end, future=None))

    def late(self) -> "Ending":
        """Return what there still is to tell of it by now."""
        gone = self.now() - self.at
        marks = tuple(_lessened(each, gone) for each in self.end.marks)
        return attrs.evolve(self, end=attrs.evolve(self.end, marks=marks), at=self.now())


def _changed(lane: Lane, change: wire.ScopeChange) -> Changed:
    scope = lane.scopes[change.index].state.scope
    return Changed(scope=scope, change=change.change, seconds=change.seconds, reason=change.reason)


def _repeatable(end: End) -> End:
    """Return an end that may be told twice: it may have been heard.

    The same refusal is not to count twice, and nothing is to be given back twice.
    """
    marks = tuple(
        attrs.evolve(each, refusal=False) if isinstance(each, Pause) else each for each in end.marks
    )
    return attrs.evolve(end, how="unsent" if end.how == "cancel" else end.how, marks=marks)


def _lessened(mark: Mark, gone: float) -> Mark:
    """Return what is left of a pause or a block after a while: at least that a probe goes first."""
    if isinstance(mark, Pause):
        return attrs.evolve(mark, seconds=max(0.0, mark.seconds - gone))
    base = None if mark.base is None else max(0.0, mark.base - gone)
    asked = None if mark.asked is None else max(0.0, mark.asked - gone)
    return attrs.evolve(mark, base=base, asked=asked)


@attrs.define(eq=False)
class Sign:
    """This instance is there.

    Attributes:
        command: That says so.
        instances: How many there are, by service.
    """

    command: Command
    service: str
    instances: dict[str, int]

    def prepare(self, told: set[object]) -> Command:  # noqa: ARG002 - as every errand
        """Return the script call."""
        return self.command

    def told(self, reply: Any) -> None:
        """Note how many there are."""
        self.instances[self.service] = wire.saw(reply)

    def lost(self, *, sent: bool) -> None:
        """Leave it at those last seen."""


@attrs.define(eq=False)
class Question:
    """A command whose reply is for whoever asks.

    Attributes:
        future: Gets the reply, or Unreachable.
    """

    command: Command
    future: Future[Any]

    def prepare(self, told: set[object]) -> Command:  # noqa: ARG002 - as every errand
        """Return the command."""
        return self.command

    def told(self, reply: Any) -> None:
        """Pass the reply on."""
        if not self.future.done():
            self.future.set_result(reply)

    def lost(self, *, sent: bool) -> None:
        """Say that there is none."""
        if not self.future.done():
            self.future.set_exception(Unreachable("there is no reply", sent=sent))
