"""The right to send one attempt, and what its answer does to the scopes."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from resilient.model import Block, Mark, Pause, Scope
from resilient.state.gates import ScopeGate
from resilient.state.lane import Lane
from resilient.state.scope import Change
from resilient.state.store import End, How, Ticket

if TYPE_CHECKING:
    from resilient.state.order import Order


@attrs.frozen(kw_only=True)
class Changed:
    """A scope was paused, blocked or released."""

    scope: Scope
    change: Change
    seconds: float = 0.0
    reason: str = ""


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
        if not self._settle():
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

    def _unmarked(self) -> list[Changed]:
        ends = ((gate.state, gate.state.answered(self, self.at)) for gate in self.lane.scopes)
        return [Changed(scope=state.scope, change=change) for state, change in ends if change]

    def _marked(self, marks: Sequence[Mark], block: Block) -> list[Changed]:
        now = self.admission.now()
        changes: list[Changed] = []
        for gate in self.lane.scopes:
            mine = [mark for mark in marks if mark.scope == gate.state.scope.kind]
            changes += [self._mark(gate, mark, block, now) for mark in mine]
            change = gate.state.answered(self, self.at, marked=bool(mine))
            if change is not None:
                changes.append(Changed(scope=gate.state.scope, change=change))
        return changes

    async def agreed(self, changes: list[Changed]) -> list[Changed]:
        """Return what the answer has changed for all processes, of what it changed for this one."""
        if self._told is None:
            return changes
        found = await asyncio.shield(self._told)
        return changes if found is None else found

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
