"""What a vendor says of its limits in the headers of each answer: the inverse of hearing it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from resilient.catalog import HintRule
from resilient.core.hints import POLICY, STATE
from resilient.testing.emulator.limits import Tally


def said(rules: Iterable[HintRule], under: Sequence[Tally], now: float) -> Mapping[str, str]:
    """Return the `RateLimit` fields of what a call was under, and the headers of the rules.

    Times are rounded up to the whole second, so that who comes again then finds room.

    Args:
        rules: The catalog's.
        under: What the call was counted by.
        now: When it is said.
    """
    fullest_last = sorted(under, key=lambda each: -each.left(now))
    by_name = {each.limit.name: each for each in fullest_last}
    declared = (_declared(rule, by_name, now) for rule in rules)
    return dict(_standard(by_name, now)) | {k: v for each in declared for k, v in each}


def _standard(by_name: Mapping[str, Tally], now: float) -> Iterator[tuple[str, str]]:
    # The draft knows no parts of a second, and no other letters than those of ASCII.
    known = {n: t for n, t in by_name.items() if _is_plain(n) and t.limit.period % 1 == 0}
    if not known:
        return
    from http_sf import ser  # noqa: PLC0415 - few ask for it, and it takes a while

    policies: list[Any] = [
        (n, {"q": t.limit.calls, "w": int(t.limit.period)}) for n, t in known.items()
    ]
    states: list[Any] = [(n, {"r": t.left(now), "t": _until(t, now)}) for n, t in known.items()]
    yield POLICY, ser(policies)
    yield STATE, ser(states)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


def _declared(
    rule: HintRule, by_name: Mapping[str, Tally], now: float
) -> Iterator[tuple[str, str]]:
    tallies = by_name.values()
    fullest = min(tallies, key=lambda each: each.left(now), default=None)
    tally = fullest if rule.limit is None else by_name.get(rule.limit)
    if tally is None:
        return
    calls, left = tally.limit.calls, tally.left(now)
    values = {
        rule.calls: f"{calls}",
        rule.remaining: f"{left}",
        rule.used: f"{calls - left}/{calls}",
        rule.reset: f"{_until(tally, now) * (1000 if rule.milliseconds else 1)}",
    }
    yield from ((header, value) for header, value in values.items() if header is not None)


def _until(tally: Tally, now: float) -> int:
    return math.ceil(tally.until_more(now))
