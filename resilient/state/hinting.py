"""What a server says of its limits, unasked, as the gates heed it: it only ever tightens."""

import math
from collections.abc import Iterator

import attrs

from resilient.model import Hint
from resilient.state.adaptive import Adaptive
from resilient.state.allowance import Allowance
from resilient.state.gates import LimitGate
from resilient.state.slowing import Adapted, adapted

_CREDENTIAL = "credential"
_RESOLUTION = 1.0
"""Seconds: servers tell whole ones, and round up."""

_BRIEF = 5.0
"""Seconds: what is over by then is not worth telling; a full window is told so all the time."""

_NOTICED, _NOTICED_FOR_NOW = 0.99, 0.9
"""A rate that is lowered by less, for good or for now, is not worth telling: such hints come with
every answer."""


@attrs.frozen(kw_only=True)
class Answered:
    """The call whose answer holds a hint.

    Attributes:
        limits: Its limits.
        cost: What it took of them.
        at: When it was sent.
        in_flight: Other calls that are under way in the limits' scopes.
    """

    limits: tuple[LimitGate, ...]
    cost: int
    at: float
    in_flight: int


def heed(hint: Hint, call: Answered, now: float) -> Iterator[tuple[LimitGate, Adapted]]:
    """Go by a hint; yield the limits whose rate came down."""
    for limit in _meant(hint, call.limits):
        before, gauge = limit.gauge.rate_at(now), limit.gauge
        noticed = _NOTICED if _heed_policy(limit, hint, now) else 0.0
        if _heed_state(limit, hint, call, now):
            noticed = max(noticed, _NOTICED_FOR_NOW)
        if isinstance(gauge, Adaptive) and gauge.rate < before * noticed:
            yield limit, adapted(limit, gauge, before, now)


def _meant(hint: Hint, limits: tuple[LimitGate, ...]) -> Iterator[LimitGate]:
    """Yield the limits that a hint is about.

    Of one that holds for each credential and for each address, the credential's is meant: whoever
    has used up his own must not stop all others.
    """
    own = {limit.name for limit in limits if _CREDENTIAL in limit.scope.kind}
    for limit in limits:
        is_own = limit.name not in own or _CREDENTIAL in limit.scope.kind
        if is_own and hint.limit in (None, limit.name):
            yield limit


def _heed_policy(limit: LimitGate, hint: Hint, now: float) -> bool:
    gauge = limit.gauge
    if hint.calls is None or hint.period is None or not isinstance(gauge, Adaptive):
        return False
    return gauge.told(hint.calls, hint.period, now)


def _heed_state(limit: LimitGate, hint: Hint, call: Answered, now: float) -> bool:
    """Let no more go than are left; tell whether that is news.

    The answer to an older call only ever lowers what is known, and where more is left than would
    go in any case nothing has to be kept.
    """
    if hint.remaining is None or hint.reset is None:
        return False
    known = limit.allowance
    if known is not None and now >= known.until:
        known = None
    left = max(0, hint.remaining - _unseen(limit, call, now))
    if known is not None and call.at < known.sent_at:
        known.left = min(known.left, left)
        return False
    is_plenty = left >= limit.gauge.most or left >= _own_rate(limit, now) * hint.reset
    is_plenty = is_plenty or _is_our_own(limit, left, hint.reset, call.at, now)
    limit.allow(None if is_plenty else Allowance(left, now + hint.reset, now, call.at), now)
    return known is None and not is_plenty and hint.reset > _BRIEF


def _is_our_own(limit: LimitGate, left: int, reset: float, at: float, now: float) -> bool:
    """Tell whether no more are left for a moment because of what we sent, which is paced already.

    Whoever counts in a sliding window says so with every answer once the window is full, in whole
    seconds: taken at his word, a limit of seven a second would be kept at half of it.
    """
    gauge = limit.gauge
    if not isinstance(gauge, Adaptive) or reset > _RESOLUTION + 1 / gauge.documented.rate:
        return False
    pace = gauge.documented
    return left >= gauge.most - gauge.sent_since(at - pace.period - pace.jitter, now)


def _own_rate(limit: LimitGate, now: float) -> float:
    """Return the rate but for what an answer before said is left."""
    limit.gauge.cap(math.inf, now)
    return limit.gauge.rate_at(now)


def _unseen(limit: LimitGate, call: Answered, now: float) -> int:
    """Return how many calls may be under way that the server had not counted when it answered."""
    if not isinstance(limit.gauge, Adaptive):
        return call.in_flight
    later = limit.gauge.went(call.at, now, now)
    if later is None:
        return call.in_flight
    return min(call.in_flight, max(0, math.ceil(later) - call.cost))
