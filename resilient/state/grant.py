"""The right to send one attempt, and what its answer does to the scopes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from resilient.model import Block, Mark, Pause, Scope
from resilient.state.gates import ScopeGate
from resilient.state.lane import Lane
from resilient.state.scope import Change

if TYPE_CHECKING:
    from resilient.state.admission import Admission


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
    """

    admission: "Admission"
    lane: Lane
    cost: int
    at: float
    _settled: bool = False
    _connected: bool = True

    def step(self, kind: str) -> int:
        """Return which step of a scope's back-off a refusal of this attempt is, 1-based."""
        found = (gate.state for gate in self.lane.scopes if gate.state.scope.kind == kind)
        return next((state.step(self) for state in found), 1)

    def cancel(self) -> None:
        """Give everything back: the handler has not begun."""
        if self._settle():
            now = self.admission.now()
            for limit in self.lane.limits:
                limit.gauge.give_back(self.cost, self.at, now)
            self._leave()

    def unsent(self) -> None:
        """The attempt was cancelled, or certainly did not leave; what it took is spent."""
        if self._settle():
            self._leave()

    def lost(self) -> None:
        """No answer came, and whether it was processed is unknown."""
        if self._settle():
            now = self.admission.now()
            for gate in self.lane.scopes:
                gate.state.lost(self, now)
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
        now = self.admission.now()
        changes: list[Changed] = []
        found: dict[str, list[Mark]] = {}
        for mark in marks:
            found.setdefault(mark.scope, []).append(mark)
        for gate in self.lane.scopes:
            kind = gate.state.scope.kind
            changes += [self._mark(gate, mark, block, now) for mark in found.get(kind, ())]
            change = gate.state.answered(self, self.at, marked=kind in found)
            if change is not None:
                changes.append(Changed(scope=gate.state.scope, change=change))
        self.admission.moved(gate for gate in self.lane.scopes if gate.state.scope.kind in found)
        self.admission.serve(self.lane.gates)
        return changes

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

    def _leave(self) -> None:
        for gate in self.lane.scopes:
            gate.state.leave(self)
        self.disconnected()
        self.admission.serve(self.lane.gates)

    def _settle(self) -> bool:
        settled, self._settled = self._settled, True
        return not settled
