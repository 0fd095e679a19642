"""Which limits follow a server: those that a refusal can be about."""

from collections.abc import Iterable, Iterator, Sequence

import attrs

from resilient.core.pacing import LONGEST_PACED
from resilient.model import Pause
from resilient.state.adaptive import Adaptive
from resilient.state.gates import LimitGate
from resilient.state.gauge import Quota

_AS_MUCH = 0.9
"""Of several limits those used by so much of the most used one may be what refused a call."""


@attrs.frozen(kw_only=True)
class Adapted:
    """The rate of a limit has changed.

    Attributes:
        limit: Its name.
        rate: Calls a second, now.
        before: Calls a second, until now.
        documented: Calls a second, as the vendor says.
        observed: Calls that the server lets through in the limit's period; None: unknown.
    """

    limit: str
    rate: float
    before: float
    documented: float
    observed: float | None = None

    def detail(self) -> dict[str, float]:
        """Return what an event says of it."""
        found = {"rate": self.rate, "before": self.before, "documented": self.documented}
        return found if self.observed is None else {**found, "observed": self.observed}


def slow_down(
    limits: Iterable[LimitGate], cost: int, at: float, mark: Pause, now: float, *, alone: bool
) -> Iterator[tuple[LimitGate, Adapted]]:
    """Slow the limits down that a refusal is about; yield those whose rate has changed.

    Args:
        limits: Those of the call, within the scope that the server refused.
        cost: Of the call.
        at: When it was sent.
        mark: What the refusal leaves behind.
        now: The time.
        alone: Whether no other process shares the limits.
    """
    for limit, gauge in _suspects(tuple(limits), at, mark.asked, now):
        before = gauge.rate_at(now)
        if gauge.refused(cost, at, mark, now, alone=alone) and gauge.rate < before:
            yield limit, adapted(limit, gauge, before, now)


def recovered(limits: Iterable[LimitGate], now: float) -> Iterator[tuple[LimitGate, Adapted]]:
    """Yield, once, the limits whose rate has crept up to the documented one."""
    for limit in limits:
        gauge = limit.gauge
        lowered = gauge.lowered
        if isinstance(gauge, Adaptive) and lowered is not None and gauge.has_recovered(now):
            yield limit, adapted(limit, gauge, lowered.rate, now)


def adapted(limit: LimitGate, gauge: Adaptive, before: float, now: float) -> Adapted:
    """Return what to tell of a limit."""
    lowered = gauge.lowered
    return Adapted(
        limit=limit.name,
        rate=gauge.rate_at(now),
        before=before,
        documented=gauge.documented.rate,
        observed=None if lowered is None else lowered.observed,
    )


def note(limits: Iterable[LimitGate], now: float) -> None:
    """Note a refusal that says nothing of a rate: nor do those of calls under way with it."""
    for limit in limits:
        if isinstance(limit.gauge, Adaptive):
            limit.gauge.note(now)


def _suspects(
    limits: Sequence[LimitGate], at: float, asked: float | None, now: float
) -> Iterator[tuple[LimitGate, Adaptive]]:
    used = {limit: _used(limit, at, now) for limit in limits}
    most = max(used.values(), default=0.0)
    counted = any(isinstance(limit.gauge, Quota) for limit in limits)
    if counted and asked is not None and asked > LONGEST_PACED:
        return  # the quota may have been spent before this process began
    for limit in limits:
        if isinstance(limit.gauge, Adaptive) and used[limit] >= _AS_MUCH * most:
            yield limit, limit.gauge


def _used(limit: LimitGate, at: float, now: float) -> float:
    gauge = limit.gauge
    if isinstance(gauge, Adaptive):
        return gauge.used(at, now)
    return gauge.level(now) / gauge.most if isinstance(gauge, Quota) else 0.0
