"""What the scripts must answer, by the gates of one process: its scopes, buckets and quotas.

Only what processes apart need is written out here: the line, the lease of a probe, and whose
calls in flight are known of.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import attrs

from resilient.model import Block, Mark, Scope
from resilient.state.gates import LimitGate, ScopeGate
from resilient.state.gauge import Bucket
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane
from resilient.state.scope import ScopeState

if TYPE_CHECKING:
    from resilient.state.admission import Admission

LATCH = Block(scope="credential", base=4.0, cap=16.0)
"""How a scope is blocked when the row of its refusals is full."""

LATE = 1.0
"""Seconds after its turn that a place in the line is kept."""


@attrs.define
class Entry:
    """A place in the line before a limit."""

    instance: str
    cost: int
    until: float
    ready: float


@attrs.define(eq=False)
class Desk:
    """Stands where a grant expects the scheduler: time is told, and nobody waits."""

    time: float = 0.0

    def now(self) -> float:
        """Return the time that was told."""
        return self.time

    def moved(self, gates: Any) -> None:
        """Nobody waits."""

    serve = moved


@attrs.frozen
class Answer:
    """What an ask must be answered: as `wire.Asked` has it, in whole microseconds."""

    granted: int
    watched: bool
    reason: str | None
    index: int
    wait: int | None
    levels: tuple[int, ...]


@attrs.define(eq=False)
class Model:
    """All scopes and limits, as one process that knows of every instance would have them.

    Attributes:
        lease: Seconds after which a call that nobody settled is lost.
        known: The calls in flight that each instance told of, and until when they count.
        leases: When the probe of a scope is lost.
        emptied: When the buckets within a scope were emptied last.
    """

    lease: float
    desk: Desk = attrs.field(factory=Desk)
    lines: dict[LimitGate, list[Entry]] = attrs.field(factory=dict)
    known: dict[Scope, dict[str, tuple[int, float]]] = attrs.field(factory=dict)
    leases: dict[Scope, float] = attrs.field(factory=dict)
    emptied: dict[Scope, float] = attrs.field(factory=dict)

    def grant(self, lane: Lane, cost: int) -> Grant:
        """Return a right to send, made now."""
        return Grant(cast("Admission", self.desk), lane, cost, self.desk.time)

    def ask(
        self, lane: Lane, instance: str, costs: Sequence[int], flying: Sequence[int]
    ) -> tuple[Answer, list[Grant]]:
        """Let the first calls go that may; return also their rights."""
        self._begin(lane, instance, flying)
        grants: list[Grant] = []
        held: tuple[str, int, float | None] | None = None
        for cost in costs:
            held = self._held(lane, instance, cost)
            if held is not None:
                self._line_up(lane, instance, cost, held)
                break
            grants.append(self._let_go(lane, instance, cost))
        self._finish(lane)
        reason, index, wait = held or (None, -1, 0.0)
        levels = tuple(self._level(gate) for gate in lane.limits)
        watched = any(_is_watched(gate.state) for gate in lane.scopes)
        answer = Answer(len(grants), watched, reason, index, _micros(wait), levels)
        return answer, grants

    def end(
        self, grant: Grant, instance: str, how: str, marks: Sequence[Mark], flying: Sequence[int]
    ) -> list[Changed]:
        """Settle a right; return what has become of the scopes."""
        self._lose_probes(grant.lane)
        changes: list[Changed] = []
        if how == "answered":
            changes = grant.answered(marks, LATCH)
        else:
            {"lost": grant.lost, "unsent": grant.unsent, "cancel": grant.cancel}[how]()
        self._note(grant.lane, instance, flying)
        self._finish(grant.lane)
        return changes

    def release(self, gate: ScopeGate) -> bool:
        """Lift a pause and a block by hand."""
        self._lose_probe(gate.state)
        return gate.state.release(self.desk.time)

    def was_emptied_since(self, grant: Grant) -> bool:
        """Tell whether a bucket was emptied after a call took from it."""
        return any(self.emptied.get(g.state.scope, -1) >= grant.at for g in grant.lane.scopes)

    def _begin(self, lane: Lane, instance: str, flying: Sequence[int]) -> None:
        self._lose_probes(lane)
        self._note(lane, instance, flying)

    def _lose_probes(self, lane: Lane) -> None:
        for gate in lane.scopes:
            self._lose_probe(gate.state)

    def _lose_probe(self, state: ScopeState) -> None:
        end = self.leases.get(state.scope, float("inf"))
        if state.probe is not None and self.desk.time >= end:
            state.lost(state.probe, end)

    def _note(self, lane: Lane, instance: str, flying: Sequence[int]) -> None:
        for gate, count in zip(lane.scopes, flying, strict=True):
            if _is_counted(gate.state):
                known = self.known.setdefault(gate.state.scope, {})
                count_known, until = known.get(instance, (0, 0.0))
                is_old = until - self.desk.time < self.lease / 2
                if count_known != count or (instance in known and is_old):
                    known[instance] = (count, self.desk.time + self.lease)
                if not count:
                    known.pop(instance, None)

    def _finish(self, lane: Lane) -> None:
        for gate in lane.scopes:
            if not _is_counted(gate.state):
                self.known.pop(gate.state.scope, None)

    def _held(self, lane: Lane, instance: str, cost: int) -> tuple[str, int, float | None] | None:
        longest: tuple[str, int, float | None] | None = None
        for index, gate in enumerate(lane.scopes):
            self._count(gate.state)
            hold = gate.state.hold(self.desk.time)
            if hold is not None and hold.why == "blocked":
                return hold.why, index, hold.wait
            if hold is not None and (longest is None or _longer(hold.wait, longest[2])):
                longest = (hold.why, index, hold.wait)
        for index, limit in enumerate(lane.limits, len(lane.scopes)):
            wait = self._wait(limit, instance, cost)
            if wait and (longest is None or _longer(wait, longest[2])):
                longest = ("limit", index, wait)
        return longest

    def _count(self, state: ScopeState) -> None:
        known = self.known.get(state.scope, {}).values()
        state.in_flight = sum(count for count, until in known if self.desk.time < until)

    def _wait(self, limit: LimitGate, instance: str, cost: int) -> float:
        ahead = passed = 0
        for entry in self._line(limit):
            if entry.instance == instance:
                break
            left = entry.ready - self.desk.time
            after = self._until(limit, ahead + passed + cost + entry.cost)
            if left > 0 and after <= left + 1e-9:
                passed += entry.cost
            else:
                ahead += entry.cost
        return self._until(limit, ahead + cost)

    def _until(self, limit: LimitGate, cost: int) -> float:
        if isinstance(limit.gauge, Bucket):
            return limit.gauge.wait(cost, self.desk.time)
        return limit.gauge.foresee(cost, self.desk.time)

    def _line(self, limit: LimitGate) -> list[Entry]:
        line = self.lines.setdefault(limit, [])
        line[:] = [each for each in line if self.desk.time < each.until]
        return line

    def _line_up(
        self, lane: Lane, instance: str, cost: int, held: tuple[str, int, float | None]
    ) -> None:
        reason, _, wait = held
        if reason != "limit" or wait is None:
            return
        ready = self.desk.time + wait
        place = Entry(instance, cost, ready + LATE, ready)
        for line in map(self._line, lane.limits):
            found = [i for i, entry in enumerate(line) if entry.instance == instance]
            line[slice(found[0], found[0] + 1) if found else slice(len(line), None)] = [place]

    def _let_go(self, lane: Lane, instance: str, cost: int) -> Grant:
        grant = self.grant(lane, cost)
        for gate in lane.scopes:
            self._enter(gate, instance)
        for each in lane.gates:
            each.enter(grant, cost, self.desk.time)
        for limit in lane.limits:
            line = self._line(limit)
            line[:] = [entry for entry in line if entry.instance != instance]
        return grant

    def _enter(self, gate: ScopeGate, instance: str) -> None:
        state, end = gate.state, self.desk.time + self.lease
        if _is_counted(state):
            known = self.known.setdefault(state.scope, {})
            known[instance] = (known.get(instance, (0, 0.0))[0] + 1, end)
        if state.probing:
            self.leases[state.scope] = end
        if not state.emptied:
            self.emptied[state.scope] = self.desk.time

    def _level(self, limit: LimitGate) -> int:
        level = limit.gauge.level(self.desk.time)
        return round(level * 1e6) if isinstance(limit.gauge, Bucket) else round(level)


def _is_counted(state: ScopeState) -> bool:
    return state.ban is not None and (not state.heard or bool(state.refusals) or state.ban.strict)


def _is_watched(state: ScopeState) -> bool:
    strict = state.ban is not None and state.ban.strict
    unheard = state.guarded and not state.heard
    return unheard or state.probing or strict or bool(state.refusals)


def _longer(wait: float | None, than: float | None) -> bool:
    return than is not None and (wait is None or wait > than + 1e-9)


def _micros(seconds: float | None) -> int | None:
    return None if seconds in (None, float("inf")) else round(seconds * 1e6)
