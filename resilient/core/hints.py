"""What a server says of its limits in the headers of any response, before it refuses a call.

`RateLimit` and `RateLimit-Policy` are read as draft-ietf-httpapi-ratelimit-headers-11 has them,
and the headers that catalogs declare. A hint only ever tightens, and what is malformed, absurd
or out of a cache is none.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import attrs
from multidict import MultiMapping, istr

from resilient.catalog import Catalog, HintRule, Limit
from resilient.core.counts import LONGEST, MOST, count, count_of_total, moment
from resilient.core.pacing import LONGEST_PACED, part
from resilient.core.retry_after import http_date, retry_after
from resilient.model import Hint

POLICY, STATE = istr("RateLimit-Policy"), istr("RateLimit")
"""The fields of the draft: what is allowed, and what is left of it. An istr is looked up faster."""

_LONGEST_FIELD = 1024
"""Characters; a long field costs a microsecond each, and a server needs a few dozen."""

_AGE, _DATE = istr("Age"), istr("Date")

Items = Sequence[tuple[str, Mapping[str, Any]]]
Headers = MultiMapping[str]


@attrs.frozen
class _Rule:
    """A rule of the catalog with its limit, and its headers as they are looked up fast."""

    limit: Limit | None
    calls: istr | None
    remaining: istr | None
    used: istr | None
    reset: istr | None
    milliseconds: bool

    @classmethod
    def of(cls, rule: HintRule, limit: Limit | None) -> "_Rule":
        named = (rule.calls, rule.remaining, rule.used, rule.reset)
        calls, remaining, used, reset = (None if each is None else istr(each) for each in named)
        return cls(limit, calls, remaining, used, reset, rule.milliseconds)


@attrs.frozen(eq=False)
class Hearing:
    """What a service's responses may say of its limits: made ready once, for a service.

    Attributes:
        names: The headers of which one must be there for a response to hold a hint.
    """

    names: tuple[istr, ...]
    _catalog: Catalog = attrs.field(repr=False)
    _rules: tuple[_Rule, ...] = attrs.field(repr=False)
    _share: Fraction

    @classmethod
    def of(cls, catalog: Catalog, generic: Catalog, share: Fraction = Fraction(1)) -> "Hearing":
        """Return what is listened for.

        Args:
            catalog: Whose limits are meant, and which headers it declares.
            generic: What stands behind it: its headers count where the catalog declares none.
            share: Which part of what the server allows is ours.
        """
        limits: dict[str | None, Limit | None] = {each.name: each for each in catalog.limits}
        limits[None] = None
        rules = tuple(
            _Rule.of(rule, limits[rule.limit])
            for rule in catalog.hints or generic.hints
            if rule.limit in limits  # the user may have switched it off
        )
        declared = (each for rule in rules for each in (rule.remaining, rule.used, rule.calls))
        known = {name.lower(): name for name in (STATE, POLICY, *declared) if name is not None}
        return cls(tuple(known.values()), catalog, rules, share)

    def concerns(self, headers: Headers) -> bool:
        """Tell at once whether headers may hold a hint."""
        return not headers.keys().isdisjoint(self.names)

    def hints(self, headers: Headers, *, now: float) -> tuple[Hint, ...]:
        """Return what a response's headers say of limits, as far as it can be relied on.

        Each hint has `calls` and `period`, or `remaining` and `reset`; none of them is negative,
        `calls`, `period` and `reset` are above 0, and times are at most 31 days.

        Args:
            headers: As sent, repeats kept.
            now: Seconds since the epoch, for a time of day without a Date to compare it with.
        """
        if _is_cached(headers):
            return ()
        told = (_told(headers, rule, now) for rule in self._rules)
        found = (*_standard(headers, self._catalog), *told)
        hints = tuple(dict.fromkeys(each for each in found if each is not None))
        if any(each.remaining == 0 for each in hints):
            hints = _deferring(hints, retry_after(headers.items(), now=now))
        return hints if self._share == 1 else tuple(_part(each, self._share) for each in hints)


def _part(hint: Hint, share: Fraction) -> Hint:
    """Return a share of what a server allows: all shares together are no more than that."""
    if hint.calls is not None and hint.period is not None:
        whole = Limit(name="", calls=hint.calls, period=hint.period, per=())
        calls, period = part(whole, share)
        hint = attrs.evolve(hint, calls=calls, period=period)
    if hint.remaining is not None:
        hint = attrs.evolve(hint, remaining=math.floor(hint.remaining * share))
    return hint


def _is_cached(headers: Headers) -> bool:
    """Tell whether it tells of the past: section 7.3 of the draft."""
    return any((count(each) or 0) > 0 for each in headers.getall(_AGE, ()))


def _deferring(hints: tuple[Hint, ...], asked: float | None) -> tuple[Hint, ...]:
    """Let Retry-After say when to come again: section 7 of the draft."""
    if asked is None:
        return hints
    heeded = (each for each in hints if each.remaining != 0 or 0 < asked <= LONGEST)
    return tuple(
        attrs.evolve(each, reset=asked) if each.remaining == 0 else each for each in heeded
    )


def _standard(headers: Headers, catalog: Catalog) -> Iterator[Hint | None]:
    """Yield what the fields of the draft say of requests; other units are not counted here."""
    policies = _policies(_joined(headers, POLICY))
    foreign = {name for name, said in policies if said.get("qu", "requests") != "requests"}
    windows = {name: _whole(said.get("w"), LONGEST) for name, said in policies}
    for name, said in policies:
        window = windows[name]
        for limit in _meant(name, window, catalog):
            if name not in foreign and _sets_a_pace(limit, window):
                yield _hint(limit, calls=_whole(said.get("q"), MOST), period=window)
    for name, said in _items(_joined(headers, STATE)):
        window = windows.get(name)
        reset = _whole(said["t"], LONGEST) if "t" in said else window
        for limit in _meant(name, window, catalog):
            if name not in foreign:
                yield _hint(limit, remaining=_whole(said.get("r"), MOST), reset=reset)


def _joined(headers: Headers, name: str) -> str:
    return ", ".join(headers.getall(name, ()))


def _items(text: str) -> Items:
    """Return a list of strings with parameters (RFC 9651), empty where it is anything else."""
    if not text or len(text) > _LONGEST_FIELD:
        return ()
    from http_sf import parse  # noqa: PLC0415 - few servers send it, and it takes a while

    try:
        found: Any = parse(text.encode("latin-1", "replace"), tltype="list")
    except ValueError:
        return ()
    return [(name, said) for name, said in found if type(name) is str]


_policies = lru_cache(maxsize=64)(_items)
"""A server's policies stay the same over many responses, and are parsed once."""


def _whole(value: object, most: float) -> int | None:
    return value if type(value) is int and 0 <= value <= most else None


def _meant(name: str, window: float | None, catalog: Catalog) -> Sequence[Limit | None]:
    """Return the limits that a policy is about: by name, else by its window; else all of a call."""
    named = [limit for limit in catalog.limits if limit.name == name]
    return named or [limit for limit in catalog.limits if limit.period == window] or [None]


def _sets_a_pace(limit: Limit | None, window: float | None) -> bool:
    """Tell whether a policy says how fast calls may go: a day's quota says nothing of a minute."""
    longest = LONGEST_PACED if limit is None else max(limit.period, LONGEST_PACED)
    return window is not None and window <= longest


def _told(headers: Headers, rule: _Rule, now: float) -> Hint | None:
    def values(name: istr | None) -> Sequence[str]:
        return () if name is None else [each.strip(" \t") for each in headers.getall(name, ())]

    limit, calls = rule.limit, _least(map(count, values(rule.calls)))
    total = calls if calls is not None or limit is None else limit.calls
    unused = (_unused(each, total) for each in values(rule.used))
    left = _least((*map(count, values(rule.remaining)), *unused))
    period = None if limit is None else limit.period
    if left is None:
        return _hint(limit, calls=calls, period=period)
    here = partial(_clock_there, headers, now)
    resets = (moment(each, here, milliseconds=rule.milliseconds) for each in values(rule.reset))
    reset = max((each for each in resets if each is not None), default=period)
    return _hint(limit, calls=calls, period=period, remaining=left, reset=reset)


def _clock_there(headers: Headers, now: float) -> float:
    sent = (http_date(each, now=now) for each in headers.getall(_DATE, ()))
    return next((each for each in sent if each is not None), now)


def _unused(used: str, total: int | None) -> int | None:
    """Return what `32/40`, or `32` of a known total, leaves."""
    gone, of = count_of_total(used)
    most = total if of is None else of
    return None if gone is None or most is None else max(0, most - gone)


def _least(found: Iterable[int | None]) -> int | None:
    return min((each for each in found if each is not None), default=None)


def _hint(
    limit: Limit | None,
    *,
    calls: int | None = None,
    period: float | None = None,
    remaining: int | None = None,
    reset: float | None = None,
) -> Hint | None:
    """Return a hint with what is whole of it; None: there is nothing."""
    paces = calls and period
    counts = remaining is not None and reset
    if not (paces or counts):
        return None
    return Hint(
        limit=None if limit is None else limit.name,
        calls=calls if paces else None,
        period=float(period or 0) if paces else None,
        remaining=remaining if counts else None,
        reset=float(reset or 0) if counts else None,
    )
