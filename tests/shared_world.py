"""Anything that instances may do to the scopes they share, done to the scripts and to the model.

All times but those of a lost probe are whole 64ths of a second, which seconds and microseconds
hold exactly: what comes at the same time comes so for both.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

import attrs
from driven_scripts import Driven
from shared_model import LATCH, Model

from resilient.catalog import Ban
from resilient.core import pacing
from resilient.model import Block, Mark, Pause, Scope
from resilient.state.gates import LimitGate, ScopeGate
from resilient.state.gauge import gauge
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane
from resilient.state.redis import keys, wire
from resilient.state.scope import ScopeState

TICK = 15_625
"""Microseconds: a 64th of a second."""

LEASE = 8.0
INSTANCES = ("0a0a0a0a", "1b1b1b1b", "2c2c2c2c")
_MOST_OPEN = 12


def scope(kind: str, name: str, *, guarded: bool = True, ban: Ban | None = None) -> ScopeGate:
    """Return the gate of a new scope."""
    return ScopeGate(ScopeState(Scope("acme", kind, name), guarded, ban))


def limit(name: str, pace: pacing.Pace, most: int, now: float, *within: ScopeGate) -> LimitGate:
    """Return the gate of a new limit that lies within some scopes."""
    scopes = [gate.state.scope for gate in within]
    kind, name_of = (
        "+".join(parts) for parts in zip(*((s.kind, s.name) for s in scopes), strict=True)
    )
    found = LimitGate(name, Scope("acme", kind, name_of), gauge(pace, most, now))
    for gate in within:
        gate.limits += (found,)
    return found


def bucket(capacity: int, ticks: int) -> pacing.Bucket:
    """Return the pace of a call every so many 64ths of a second."""
    return pacing.Bucket(capacity=capacity, rate=64 / ticks)


def quota(calls: int, period: float) -> pacing.Quota:
    """Return the pace of so many calls in any period."""
    return pacing.Quota(calls=calls, period=period)


def lane(scopes: Sequence[ScopeGate], limits: Sequence[LimitGate]) -> Lane:
    """Return a lane."""
    return Lane(tuple(scopes), tuple(limits), (), max_queue=100)


@attrs.frozen
class Open:
    """A call that was let go and has not ended."""

    instance: str
    number: int
    lane: Lane
    grant: Grant
    at: int


@attrs.define(eq=False)
class World:
    """Two credentials behind one address, and three instances that share them.

    Attributes:
        driven: The scripts.
        chance: What happens next.
        open: The calls that were let go and have not ended.
        done: How many operations there were, by what they were.
    """

    driven: Driven
    chance: Random
    prefix: str
    model: Model = attrs.field(init=False)
    lanes: list[Lane] = attrs.field(init=False)
    passages: dict[Lane, wire.Passage] = attrs.field(init=False)
    open: list[Open] = attrs.field(factory=list)
    owners: dict[Grant, str] = attrs.field(factory=dict)
    done: dict[str, int] = attrs.field(factory=dict)
    _number: int = 1
    _wait: int = 0

    def __attrs_post_init__(self) -> None:
        self.model = Model(LEASE)
        self.model.desk.time = now = self.driven.now / 1e6
        first = scope("credential", "first", ban=Ban(after=3, within=8.0))
        second = scope("credential", "second", ban=Ban(after=5, within=16.0, strict=True))
        ip, host = scope("ip", "here"), scope("host", "api.acme.test", guarded=False)
        hour = limit("hour", quota(30, 8.0), 30, now, ip)
        send = limit("send", bucket(2, 16), 8, now, ip)
        self.lanes = [lane((ip, host), (hour,))]
        for each in (first, second):
            fast = limit("fast", bucket(4, 3), 64, now, each)
            both = limit("both", bucket(1, 2), 40, now, each, ip)
            self.lanes += [
                lane((each, ip, host), (fast, both, hour)),
                lane((each, ip), (fast, send)),
                lane((each,), (fast,)),
            ]
        self.passages = {each: wire.Passage.of(self.prefix, each, LEASE) for each in self.lanes}
        for way in self.lanes:
            self._ask(way, INSTANCES[0], [int(way.most)])

    def step(self) -> None:
        """Do something, and compare what the scripts and the model make of it."""
        self._let_time_pass()
        what = self.chance.random()
        if len(self.open) >= _MOST_OPEN or (self.open and what < 0.4):
            self._end(self.open.pop(self.chance.randrange(len(self.open))))
        elif what > 0.97:
            self._release(self.chance.choice(self.lanes))
        else:
            costs = [
                self.chance.choice((1, 1, 1, 1, 2, 7))
                for _ in range(self.chance.choice((1, 1, 1, 2, 5)))
            ]
            self._ask(self.chance.choice(self.lanes), self.chance.choice(INSTANCES), costs)

    def _let_time_pass(self) -> None:
        until = self._wait if self.chance.random() < 0.3 else 0
        steps = self.chance.choice((0, 0, 0, 0, 1, 1, self.chance.randrange(64)))
        if self.chance.random() < 0.01:
            steps = self.chance.choice((640, 6_400))
        self._wait = 0
        self.driven.now += -(-until // TICK) * TICK + steps * TICK
        self.driven.now += -self.driven.now % TICK
        self.model.desk.time = self.driven.now / 1e6

    def _ask(self, lane: Lane, instance: str, costs: list[int]) -> None:
        costs = [min(cost, int(lane.most)) for cost in costs]
        flying, number, passage = self._flying(lane, instance), self._number, self.passages[lane]
        self._number += len(costs)
        answer, grants = self.model.ask(lane, instance, costs, flying)
        self.owners |= dict.fromkeys(grants, instance)
        asked = self.driven.ask(passage, instance, number, costs, flying)
        self._count("ask", *(["grant"] * len(grants)), f"held: {answer.reason}")
        expected, found = told(answer), told(asked, passage.units)
        assert expected == found, f"ask {costs}: {expected} {found}"
        self._compare(lane, instance, asked.scopes)
        self._wait = min(answer.wait or 0, 64 * TICK)
        self.open += [
            Open(instance, number + i, lane, grant, asked.now) for i, grant in enumerate(grants)
        ]

    def _end(self, call: Open) -> None:
        how = self._how(call)
        marks = self._marks(call) if how == "answered" else []
        flying = self._flying(call.lane, call.instance)
        changes = self.model.end(call.grant, call.instance, how, marks, flying)
        ended = self.driven.end(
            self.passages[call.lane], call.instance, call.number, flying=flying, how=how,
            granted=call.at, cost=call.grant.cost, marks=marks, latch=LATCH,
        )  # fmt: skip
        self._count(how, *(each.change for each in changes))
        assert changed(call.lane, changes) == [*map(heard, ended.changes)], f"{how} {marks}"
        self._compare(call.lane, call.instance, ended.scopes)

    def _how(self, call: Open) -> wire.How:
        how: wire.How = self.chance.choice(("answered",) * 7 + ("lost", "unsent", "cancel"))
        # A call is called off before it goes: no pause has begun and ended since.
        return "unsent" if how == "cancel" and self.model.was_emptied_since(call.grant) else how

    def _marks(self, call: Open) -> list[Mark]:
        goes_first = any(gate.state.probe is call.grant for gate in call.lane.scopes)
        if self.chance.random() < (0.4 if goes_first else 0.65):
            return []
        return [self._mark() for _ in range(self.chance.choice((1, 1, 1, 2)))]

    def _mark(self) -> Mark:
        kind: Any = self.chance.choice(("credential", "credential", "ip", "host", "endpoint"))
        if self.chance.random() < 0.75:
            seconds = self.chance.choice((0.0, 0.25, 1.0, 3.0))
            return Pause(scope=kind, seconds=seconds, refusal=self.chance.random() < 0.7)
        base, asked = (
            self.chance.choice((None, 1.0, 2.0, 2.0)),
            self.chance.choice((None, 1.0, 4.0)),
        )
        return Block(scope=kind, base=base, cap=8.0, asked=asked, reason="Käse: 42 \n\x00!")

    def _release(self, lane: Lane) -> None:
        scopes = [gate.state.scope for gate in lane.scopes]
        were = tuple(self.model.release(gate) for gate in lane.scopes)
        reply = self.driven.run(wire.release([keys.scope(self.prefix, each) for each in scopes]))
        self._count("release")
        assert were == wire.released(reply, len(scopes)), "release"

    def _flying(self, lane: Lane, instance: str) -> list[int]:
        calls = [call for call in self.open if call.instance == instance]
        return [sum(gate in call.lane.scopes for call in calls) for gate in lane.scopes]

    def _compare(self, lane: Lane, instance: str, views: Any) -> None:
        for index, gate in enumerate(lane.scopes):
            expected = self._expected(gate.state, instance)
            found = views.get(index)
            assert expected == (None if found is None else seen(found, gate.state)), gate.state

    def _expected(self, state: ScopeState, instance: str) -> Any:
        now = self.model.desk.time
        busy = state.probing or state.blocked or state.refusals or state.paused_until > now
        if not busy and (state.heard or not state.guarded):
            return None
        held, probe = state.blocked, None
        if state.probe is not None:
            probe = "mine" if self.owners[state.probe] == instance else "other"  # type: ignore[index]
        return (
            max(0, micros(state.paused_until - now)), micros(state.pause_length), state.steps,
            state.heard or not state.guarded, tuple(micros(each - now) for each in state.refusals),
            held and (micros(held.since - now), micros(held.until - now), micros(held.cool_down),
                      micros(held.cap), held.reason),
            state.probing, state.fresh, micros(state.fresh_until - now) if state.fresh else -1,
            state.emptied, state.lost_probes, probe,
        )  # fmt: skip

    def _count(self, *names: str) -> None:
        for name in names:
            self.done[name] = self.done.get(name, 0) + 1


def micros(seconds: float | None) -> int:
    """Return whole microseconds; -1 for ever."""
    return -1 if seconds in (None, float("inf")) else round(seconds * 1e6)


def told(answer: Any, units: Sequence[int] = ()) -> tuple[object, ...]:
    """Return what an ask was answered, in whole microseconds."""
    wait, levels = answer.wait, answer.levels
    if isinstance(answer, wire.Asked):
        wait = None if wait is None else micros(wait)
        levels = tuple(round(each * unit) for each, unit in zip(levels, units, strict=True))
    return answer.granted, answer.watched, answer.reason, answer.index, wait, levels


def changed(lane: Lane, changes: Sequence[Changed]) -> list[tuple[object, ...]]:
    """Return what has become of the scopes of a lane, as the model has it."""
    places = {gate.state.scope: index for index, gate in enumerate(lane.scopes)}
    return [(places[c.scope], c.change, micros(c.seconds), c.reason) for c in changes]


def heard(change: wire.ScopeChange) -> tuple[object, ...]:
    """Return what has become of a scope, as the script has it."""
    return change.index, change.change, micros(change.seconds), change.reason


def seen(view: wire.ScopeView, state: ScopeState) -> Any:
    """Return what a script says of a scope."""
    held = view.blocked
    return (
        micros(view.paused), micros(view.length), view.steps,
        view.heard or not state.guarded, tuple(map(micros, view.refusals)),
        held and (micros(held.since), micros(held.until), micros(held.cool_down),
                  micros(held.cap), held.reason),
        view.probing, view.fresh, micros(view.fresh_left) if view.fresh else -1,
        view.emptied, view.lost_probes, view.probe,
    )  # fmt: skip
