"""What one scope remembers: its pause, its refusals, its block, and who goes first.

All of it is told the time, and nothing waits here.
"""

from typing import Final, Literal

import attrs

from resilient.catalog import Ban
from resilient.model import Scope

FRESH: Final = 1.0
"""Seconds after which a new scope lets everybody go, answer or not."""

_REMEMBERED = 60.0
"""Seconds that a refusal is remembered where no ban rule says how long it counts."""

_HAIR = 1e-9
"""A wake-up that is early by a rounding error must not spin."""

Held = Literal["pause", "probe", "in_flight", "blocked"]
"""What holds a call up in a scope."""

Change = Literal["paused", "foreseen", "blocked", "released", "held", "adapted"]
"""What a scope has become; `held`: it was paused or blocked for as long before; `adapted`: a
limit in it has another rate."""


@attrs.frozen
class Hold:
    """A call cannot go now. `wait` is None where only an event can tell."""

    why: Held
    wait: float | None = None


@attrs.define(eq=False)
class Blocked:
    """A scope is latched.

    Attributes:
        since: When.
        until: When a probe may go; infinity: when somebody releases it.
        cool_down: Seconds that it lasts now.
        cap: Seconds that it lasts at most.
        reason: The code or name of the error.
    """

    since: float
    until: float
    cool_down: float
    cap: float
    reason: str


@attrs.define(eq=False, repr=False, weakref_slot=False)
class ScopeState:
    """One scope.

    Attributes:
        scope: Its name.
        guarded: Whether a limit or a ban rule hangs on it: then a new one sends a probe.
        ban: The vendor's ban rule, if it has one and this scope can be banned.
        paused_until: Nothing goes before; it only ever moves later.
        heard: Whether an answer ever came.
        refusals: When each refusal in a row was heard.
        steps: How far the back-off has gone: the first refusal, and each of a probe.
        probing: Whether one call has to go first.
        probe: Who goes first at the moment.
        in_flight: Calls that were sent and not answered yet.
        waiting: Calls that wait for this scope, perhaps among others.
        calm: Whether nothing can hold a call up before it is shut again; found out by `hold`.
    """

    scope: Scope
    guarded: bool
    ban: Ban | None = None
    paused_until: float = 0.0
    pause_length: float = 0.0
    steps: int = 0
    heard: bool = False
    refusals: tuple[float, ...] = ()
    blocked: Blocked | None = None
    probing: bool = attrs.field(init=False)
    fresh: bool = attrs.field(init=False)
    fresh_until: float = float("inf")
    emptied: bool = True
    lost_probes: int = 0
    probe: object | None = None
    in_flight: int = 0
    waiting: int = 0
    calm: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.probing = self.fresh = self.guarded

    def hold(self, now: float) -> Hold | None:
        """Return what holds a call up, or None."""
        if self.calm:
            return None
        if self.blocked is not None and now < self.blocked.until:
            return Hold("blocked", self.blocked.until - now)
        if now < self.paused_until - _HAIR:
            return Hold("pause", self.paused_until - now)
        if self.probing and self._released_by_time(now):
            self.open()
        if self.probing and self.probe is not None:
            return Hold("probe", self.fresh_until - now if self.fresh else None)
        held = self._too_many(now)
        self.calm = held is None and not self.probing and self._is_trusted()
        return held

    def _is_trusted(self) -> bool:
        """Tell whether it lets any number of calls be in flight, and has no refusal to forget."""
        if self.refusals:
            return False
        return self.ban is None or (self.heard and not self.ban.strict)

    def _released_by_time(self, now: float) -> bool:
        return self.fresh and now >= self.fresh_until

    def _too_many(self, now: float) -> Hold | None:
        if self.ban is None:
            return None
        self._forget(now)
        # Before the first answer a row of refusals may be on its way already.
        if self._is_trusted():
            return None
        if self.in_flight < max(1, self.ban.after - 1 - len(self.refusals)):
            return None
        expiry = self.refusals[0] + self.ban.within - now if self.refusals else None
        return Hold("in_flight", expiry)

    def enter(self, call: object, now: float) -> bool:
        """Note that a call goes; it becomes the probe if one is wanted.

        Tell whether it is the first after a pause: each bucket holds one call again.
        """
        self.in_flight += 1
        if self.probing:
            self.probe = call
            self.fresh_until = min(self.fresh_until, now + FRESH)
        emptied, self.emptied = self.emptied, True
        return not emptied

    def leave(self, call: object) -> None:
        """Note that a call was not sent, or cancelled: the next in line may be the probe."""
        self.in_flight -= 1
        if self.probe is call:
            self.probe = None

    def answered(self, call: object, sent_at: float, *, marked: bool = False) -> Change | None:
        """Note an answer; `marked` if it paused or blocked this scope."""
        self.in_flight -= 1
        self.heard = True
        mine = self.probe is call
        if mine:
            self.probe, self.lost_probes = None, 0
        if marked:
            return None
        if self.refusals and sent_at >= self.refusals[-1]:
            self.refusals = ()
        return self.open() if mine or (self.fresh and not self.refusals) else None

    def lost(self, call: object, now: float) -> None:
        """Note that no answer came, and none can be concluded: the next probe waits."""
        self.in_flight -= 1
        if self.probe is not call:
            return
        self.probe = None
        self.lost_probes += 1
        if self.blocked is not None:
            self.blocked.until = now + self.blocked.cool_down
            return
        backed_off = min(20.0, 0.2 * 2.0 ** min(self.lost_probes, 10))
        length = max(self.pause_length, backed_off) if self.refusals else backed_off
        self.paused_until = max(self.paused_until, now + length)

    def open(self) -> Change | None:
        """Let everybody go."""
        was_shut = self.blocked is not None or not self.fresh
        self.probing, self.fresh, self.probe, self.blocked = False, False, None, None
        self.pause_length, self.steps = 0.0, 0
        return "released" if was_shut else None

    def step(self, by: object) -> int:
        """Return which step of the back-off a refusal of this call is, 1-based.

        What was under way together is one step, however many of them are refused.
        """
        return self.steps + 1 if self.probe is by else max(1, self.steps)

    def pause(self, seconds: float, now: float, *, refusal: bool, by: object = None) -> Change:
        """Pause for at least `seconds`; a refusal counts for the ban rule."""
        change: Change = "paused" if now + seconds > self.paused_until else "held"
        if refusal:
            self.refusals += (now,)
            self._forget(now)
            if self.ban is not None and len(self.refusals) >= self.ban.after - 1:
                change = "blocked" if len(self.refusals) >= self.ban.after else "foreseen"
                seconds = max(seconds, self.refusals[0] + self.ban.within - now)
        self.pause_length, self.steps = seconds, self.step(by)
        self.paused_until = max(self.paused_until, now + seconds)
        self._shut()
        return change

    def block(
        self,
        base: float | None,
        cap: float,
        now: float,
        *,
        asked: float | None,
        reason: str,
        by: object = None,
    ) -> Change:
        """Latch. A probe that fails doubles the cool-down, up to its cap."""
        old = self.blocked
        until = now if old is None else old.until
        if old is None:
            cool_down = float("inf") if base is None else max(base, asked or 0.0)
            self.blocked = Blocked(now, now + cool_down, cool_down, cap, reason)
        elif self.probe is by and by is not None:
            old.cool_down = max(old.cool_down, min(old.cool_down * 2, old.cap), asked or 0.0)
            old.until = now + old.cool_down
        else:
            old.until = max(old.until, now + (asked or 0.0))
        self._shut()
        return "blocked" if old is None or old.until > until else "held"

    def _shut(self) -> None:
        # A probe that is on its way was sent before this was heard: it lifts nothing.
        self.probing, self.probe, self.lost_probes = True, None, 0
        self.fresh, self.emptied, self.calm = False, False, False

    def release(self, now: float) -> bool:
        """Lift a pause and a block by hand; a probe goes first. Tell whether there was one."""
        was_shut = self.blocked is not None or self.paused_until > now
        self.blocked, self.paused_until, self.pause_length, self.steps = None, 0.0, 0.0, 0
        self.refusals = ()
        return was_shut

    def row(self, now: float) -> int:
        """Return how many refusals in a row still count."""
        self._forget(now)
        return len(self.refusals)

    def idle(self, now: float) -> bool:
        """Tell whether a new one would know no less."""
        self._forget(now)
        busy = self.blocked or self.in_flight or self.waiting or self.probe or self.refusals
        shut = self.probing and not self.fresh
        return not busy and not shut and now >= self.paused_until

    def _forget(self, now: float) -> None:
        within = self.ban.within if self.ban else _REMEMBERED
        while self.refusals and self.refusals[0] + within <= now + _HAIR:
            self.refusals = self.refusals[1:]
