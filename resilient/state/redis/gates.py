"""The gates that stand for shared scopes and limits.

While the store answers, a gate knows only the store's last word: open, or shut until when. The
state behind it is a mirror, which is what the gate goes by while the store is down.
"""

import math
from typing import Final

import attrs

from resilient.model import Scope
from resilient.state.gate import Reason, Wait
from resilient.state.gates import LimitGate, ScopeGate
from resilient.state.gauge import Bucket, Gauge
from resilient.state.lane import Lane
from resilient.state.redis.outage import Outage
from resilient.state.redis.wire import ScopeView
from resilient.state.scope import Blocked, ScopeState

KNOWN: Final = 10.0
"""Seconds for which what the store said of a quota is taken for what is left of it."""

ELSEWHERE: Final = object()
"""Stands for a probe that another process sends."""


@attrs.frozen
class Word:
    """What the store said last of a gate that held a call up.

    Attributes:
        until: When it opens; infinity: when somebody opens it; None: when something happens.
        again: When to ask again all the same.
        cost: Of the call that a limit held up: a lighter one may fit.
    """

    reason: Reason
    until: float | None
    again: float
    cost: int = 0


@attrs.define(eq=False, repr=False, weakref_slot=False)
class _Shut:
    """The store's word on one gate, and who asks whether it still holds."""

    word: Word | None = None
    asking: Lane | None = None

    def hold(self, gate: "SharedScope | SharedLimit", now: float) -> Wait | None:
        word = self.word
        if word is None or (now >= word.again and self.asking is None):
            return None
        left = None if word.until is None else max(0.0, word.until - now)
        if word.reason == "blocked":
            return Wait(gate, "blocked", left)
        if self.asking is not None:
            return Wait(gate, word.reason, None)  # one asks for all
        return Wait(gate, word.reason, left, word.again - now)

    def ask(self, lane: Lane) -> None:
        """Note that a lane asks whether the word still holds."""
        if self.word is not None:
            self.asking = lane

    def end(self, lane: Lane) -> None:
        """Note that a lane has its answer."""
        if self.asking is lane:
            self.word = self.asking = None

    def forget(self) -> None:
        """Know nothing."""
        self.word = self.asking = None


@attrs.define(eq=False, repr=False, weakref_slot=False)
class SharedLimit(LimitGate):
    """A limit that processes share.

    Attributes:
        untold: What calls took while the store was down.
        heard_at: When the store said last how much is left.
        burst: How many calls may go at once, at most.
    """

    outage: Outage
    shut: _Shut = attrs.field(factory=_Shut, init=False)
    untold: int = attrs.field(default=0, init=False)
    heard_at: float = attrs.field(default=float("-inf"), init=False)
    is_paced: bool = attrs.field(init=False)
    burst: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        gauge = self.gauge
        self.is_paced = isinstance(gauge, Bucket)
        self.burst = gauge.max_rate if isinstance(gauge, Bucket) else gauge.most

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call of this cost is held up, or None."""
        if self.allowance is not None and (told := self.told(cost, now)) is not None:
            return told
        word = self.shut.word
        if self.outage.up and (word is None or cost >= word.cost):
            return self.shut.hold(self, now)
        return LimitGate.check(self, self._charge(cost), now)

    def foresee(self, ahead: int, cost: int, now: float) -> float:
        """Return the seconds until calls ahead and one of this cost could have gone."""
        if not self.outage.up:
            return LimitGate.foresee(self, self._charge(ahead), self._charge(cost), now)
        told, word = self.shut.hold(self, now), self.shut.word
        if told is None or word is None:
            # What is left only the store knows; that no more go than the rate allows is certain.
            return max(0.0, (ahead + cost - self.burst) / self.gauge.rate)
        behind = ahead + cost - word.cost if self.is_paced else 0
        return (told.seconds or 0.0) + max(0, behind) / self.gauge.rate

    def enter(self, call: object, cost: int, now: float) -> None:  # noqa: ARG002 - as every gate
        """Take from the limit."""
        if self.allowance is not None:
            self.allowance.take(cost)
        self.gauge.take(self._charge(cost), now)
        if not self.outage.up:
            self.untold += cost

    def give_back(self, cost: int, taken: float, now: float, *, granted_here: bool = True) -> None:
        """Undo what a call took at the time `taken`: it was not sent."""
        if self.allowance is not None:
            self.allowance.give_back(cost, taken)
        self.gauge.give_back(self._charge(cost) if granted_here else cost, taken, now)
        if granted_here:
            self.untold = max(0, self.untold - cost)
        self.shut.word = None

    def forget(self, now: float) -> None:
        """Go by the mirror alone, or by the store again; what others took since is unknown."""
        self.shut.forget()
        if not self.outage.up and (self.is_paced or now - self.heard_at > KNOWN):
            self.gauge.doubt(now)

    def confess(self, now: float) -> tuple[float, int]:
        """Return what the store has not heard of, and how many calls that are: it is told now.

        Of a bucket, its level; of a quota, so many calls.
        """
        calls, self.untold = self.untold, 0
        return (self.gauge.level(now) if calls and self.is_paced else float(calls)), calls

    def learn(self, level: float, now: float) -> None:
        """Let the mirror be what the store holds."""
        self.gauge.learn(level, now)
        self.heard_at = now

    def _charge(self, cost: int) -> int:
        # A share of less than one call is one call all the same.
        return min(cost * self.outage.weight(self.scope.service), max(cost, self.gauge.most))


@attrs.define(eq=False, repr=False, weakref_slot=False)
class SharedScope(ScopeGate):
    """A scope that processes share: its pause, its block, its probe."""

    outage: Outage
    shut: _Shut = attrs.field(factory=_Shut, init=False)

    def check(self, cost: int, now: float) -> Wait | None:
        """Return how long a call is held up, or None."""
        return self.shut.hold(self, now) if self.outage.up else ScopeGate.check(self, cost, now)

    def release(self, now: float) -> bool:
        """Lift a pause and a block by hand; a probe goes first. Tell whether there was one."""
        self.shut.forget()
        return ScopeGate.release(self, now)

    def forget(self, now: float) -> None:  # noqa: ARG002 - as with a limit
        """Go by the mirror alone, or by the store again.

        How another process's probe ends, the mirror is not told.
        """
        self.shut.forget()
        if self.state.probe is ELSEWHERE:
            self.state.probe = None

    def learn(self, view: ScopeView | None, mine: object | None, now: float) -> None:
        """Let the mirror be what the store holds.

        Args:
            view: What there is to say; None: nothing, the scope lets everybody go.
            mine: Who goes first, if it is one of this process.
            now: The time.
        """
        state = self.state
        state.calm = False
        if view is None:
            _open(state)
            return
        state.paused_until = now + view.paused if view.paused > 0 else 0.0
        state.pause_length, state.steps, state.heard = view.length, view.steps, view.heard
        state.refusals = tuple(now + each for each in view.refusals)
        state.probing, state.fresh = view.probing, view.fresh
        state.fresh_until = _when(view.fresh_left, now)
        state.emptied, state.lost_probes = view.emptied, view.lost_probes
        state.probe = _probe(view, state.probe, mine)
        state.blocked = _blocked(view, now)


def _open(state: ScopeState) -> None:
    state.open()
    state.heard, state.refusals, state.paused_until = True, (), 0.0


def _probe(view: ScopeView, known: object | None, mine: object | None) -> object | None:
    if view.probe == "other":
        return ELSEWHERE
    if view.probe is None:
        return None
    return mine or (known if known is not ELSEWHERE else None)


def _blocked(view: ScopeView, now: float) -> Blocked | None:
    if view.blocked is None:
        return None
    held = view.blocked
    cool_down = math.inf if held.cool_down is None else held.cool_down
    until = _when(held.until, now)
    return Blocked(now + held.since, until, cool_down, held.cap, held.reason)


def _when(seconds: float | None, now: float) -> float:
    return math.inf if seconds is None else now + seconds


@attrs.frozen
class SharedGates:
    """Makes the gates of services whose state is shared."""

    outage: Outage

    def scope(self, state: ScopeState) -> SharedScope:
        """Return the gate of a scope."""
        return SharedScope(state, self.outage)

    def limit(self, name: str, scope: Scope, gauge: Gauge) -> SharedLimit:
        """Return the gate of a limit."""
        return SharedLimit(name, scope, gauge, self.outage)
