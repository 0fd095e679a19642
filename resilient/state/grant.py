"""The right to send one attempt, and what its answer does to the scopes."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from resilient.model import Block, Hint, Mark, Pause, Scope
from resilient.state.gates import LimitGate, ScopeGate
from resilient.state.hinting import Answered, heed
from resilient.state.lane import Lane
from resilient.state.scope import Change, ScopeState
from resilient.state.slowing import Adapted, note, recovered, slow_down
from resilient.state.store import End, How, Ticket

if TYPE_CHECKING:
    from resilient.state.order import Order


@attrs.frozen(kw_only=True)
class Changed:
    """A scope was paused, blocked or released, or the rate of a limit in it has changed."""

    scope: Scope
    change: Change
    seconds: float = 0.0
    reason: str = ""
    adapted: Adapted | None = None


@attrs.define(eq=False, repr=False)
class Grant:
    """The right to send one attempt. It is settled once: cancelled, unsent, lost or answered.

    Attributes:
        at: When it was granted.
        ticket: What the store calls it; None: it was granted by this process alone.
    """

    admission: "Order"
    lane: Lane
    cost: int
    at: float
    ticket: Ticket | None = None
    _settled: bool = False
    _connected: bool = True
    _told: "asyncio.Future[list[Changed] | None] | None" = None

    def step(self, kind: str) -> int:
        """Return which step of a scope's back-off a refusal of this attempt is, 1-based."""
        found = (gate.state for gate in self.lane.scopes if gate.state.scope.kind == kind)
        return next((state.step(self) for state in found), 1)

    def cancel(self) -> None:
        """Give everything back: the handler has not begun."""
        if self._settle():
            now, here = self.admission.now(), self.ticket is None
            for limit in self.lane.limits:
                limit.give_back(self.cost, self.at, now, granted_here=here)
            self._leave("cancel")

    def unsent(self) -> None:
        """The attempt was cancelled, or certainly did not leave; what it took is spent."""
        if self._settle():
            self._leave("unsent")

    def lost(self) -> None:
        """No answer came, and whether it was processed is unknown."""
        if self._settle():
            now = self.admission.now()
            for gate in self.lane.scopes:
                gate.state.lost(self, now)
            self._tell("lost")
            self.disconnected()
            self.admission.moved(self.lane.scopes)
            self.admission.serve(self.lane.gates)

    def answered(self, marks: Iterable[Mark], block: Block) -> list[Changed]:
        """Response headers came; `marks` is what the answer leaves behind.

        Args:
            marks: Pauses and blocks, by the kind of the scope.
            block: How a scope is latched when the ban rule's row is full.
        """
        if self._settled:
            return []
        self._settled = True
        if not marks and self.ticket is None and self._changes_nothing():
            return []
        marks = tuple(marks)
        changes = self._marked(marks, block) if marks else self._unmarked()
        self._told = self._tell("answered", marks, block)
        if marks:
            kinds = {mark.scope for mark in marks}
            self.admission.moved(
                each for each in self.lane.scopes if each.state.scope.kind in kinds
            )
        self.admission.serve(self.lane.gates)
        return changes

    def _changes_nothing(self) -> bool:
        """Note the answer where it changes nothing, and tell so; else leave it be."""
        lane = self.lane
        for scope in lane.scopes:
            if scope.heads or not scope.state.calm:
                return False
        for limit in lane.limits:
            if limit.gauge.lowered is not None:
                return False
        for scope in lane.scopes:
            state = scope.state
            state.in_flight -= 1
            state.heard = True
        return True

    def _unmarked(self) -> list[Changed]:
        ends = ((gate.state, gate.state.answered(self, self.at)) for gate in self.lane.scopes)
        changes = [Changed(scope=state.scope, change=change) for state, change in ends if change]
        for limit in self.lane.limits:
            if limit.gauge.lowered is not None:
                changes += _adapted(recovered((limit,), self.admission.now()), "recovered")
        return changes

    def _marked(self, marks: Sequence[Mark], block: Block) -> list[Changed]:
        now = self.admission.now()
        changes: list[Changed] = []
        for gate in self.lane.scopes:
            mine = [mark for mark in marks if mark.scope == gate.state.scope.kind]
            changes += self._adapt(gate, mine, now)
            changes += [self._mark(gate, mark, block, now) for mark in mine]
            change = gate.state.answered(self, self.at, marked=bool(mine))
            if change is not None:
                changes.append(Changed(scope=gate.state.scope, change=change))
        return changes

    def _adapt(self, gate: ScopeGate, marks: Sequence[Mark], now: float) -> Iterator[Changed]:
        """Slow down after a refusal, before it is marked: a probe's says nothing of the rate."""
        limits = [limit for limit in self.lane.limits if limit in gate.limits]
        for mark in marks:
            if not isinstance(mark, Pause) or not mark.refusal:
                continue
            if self._goes_first(gate.state):
                note(limits, now)
                continue
            alone = not self.lane.shared
            found = slow_down(limits, self.cost, self.at, mark, now, alone=alone)
            yield from _adapted(found, "refused")

    def _goes_first(self, state: ScopeState) -> bool:
        # Its own past is not known yet, or the pause was too short.
        return not state.heard or state.probe is self

    def hinted(self, hints: Sequence[Hint]) -> list[Changed]:
        """Go by what an answer to this attempt says of its limits; it only ever tightens them.

        It may be told before the answer, and after it.
        """
        now, limits = self.admission.now(), self.lane.limits
        under_way = (gate.state.in_flight for gate in self.lane.scopes)
        others = max(0, min(under_way, default=0) - (not self._settled))
        call = Answered(limits=limits, cost=self.cost, at=self.at, in_flight=others)
        changes = [each for hint in hints for each in _adapted(heed(hint, call, now), "hint")]
        # Who waits may have to wait for longer, or not as long.
        self.admission.serve(limits)
        return changes

    async def agreed(self, changes: list[Changed]) -> list[Changed]:
        """Return what the answer has changed for all processes, of what it changed for this one."""
        if self._told is None:
            return changes
        found = await asyncio.shield(self._told)
        if found is None:
            return changes
        return [*found, *(each for each in changes if each.change == "adapted")]

    def _tell(
        self, how: How, marks: Sequence[Mark] = (), latch: Block | None = None
    ) -> "asyncio.Future[list[Changed] | None] | None":
        """Tell the store how it ended, if that is anything to it."""
        ticket = self.ticket
        concerns = marks or (ticket is not None and (ticket.watched or how == "cancel"))
        if not concerns or not self.lane.shared:
            return None
        return self.admission.store.ended(self, End(how, marks, latch))

    def _mark(self, gate: ScopeGate, mark: Mark, block: Block, now: float) -> Changed:
        state = gate.state
        if isinstance(mark, Pause):
            change = state.pause(mark.seconds, now, refusal=mark.refusal, by=self)
            if change != "blocked":
                wait = state.paused_until - now
                return Changed(scope=state.scope, change=change, seconds=wait)
            mark = attrs.evolve(block, reason="refusals in a row")
        change = state.block(
            mark.base, mark.cap, now, asked=mark.asked, reason=mark.reason, by=self
        )
        until = state.blocked.until if state.blocked else now
        wait = until - now
        return Changed(scope=state.scope, change=change, seconds=wait, reason=mark.reason)

    def disconnected(self) -> None:
        """The connection is free again.

        A response that was dropped says so when it is collected, in the middle of anything:
        so nobody is served here.
        """
        if self._connected:
            self._connected = False
            for pool in self.lane.pools:
                pool.used -= 1
                if pool.heads:
                    self.admission.wake(pool)

    def _leave(self, how: How) -> None:
        for gate in self.lane.scopes:
            gate.state.leave(self)
        self._tell(how)
        self.disconnected()
        self.admission.serve(self.lane.gates)

    def _settle(self) -> bool:
        settled, self._settled = self._settled, True
        return not settled


def _adapted(found: Iterable[tuple[LimitGate, Adapted]], reason: str) -> Iterator[Changed]:
    for limit, adapted in found:
        yield Changed(scope=limit.scope, change="adapted", reason=reason, adapted=adapted)
