"""From `hints` of a catalog to its rules, with the checks that need more than one value."""

from collections.abc import Collection, Iterator, Mapping

from resilient.catalog import HintRule
from resilient.config import schema
from resilient.config.faults import Faults
from resilient.config.spelling import did_you_mean
from resilient.config.yaml_source import Path

ANY = "any"
"""Stands for all limits that a call is under."""


def hint_rules(
    found: Mapping[str, tuple[schema.HintKeys, ...]], limits: Collection[str], faults: Faults
) -> Iterator[HintRule]:
    """Yield the rules, and note what names no limit or could not say anything of one."""
    for name, rules in found.items():
        path: Path = ("hints", name)
        if name != ANY and name not in limits:
            _note_unknown(name, limits, path, faults)
        for i, each in enumerate(rules):
            at = (*path, i) if len(rules) > 1 else path
            _check(each, at, faults, any_limit=name == ANY)
            yield HintRule(
                limit=None if name == ANY else name,
                calls=each.limit,
                remaining=each.remaining,
                used=each.used,
                reset=each.reset,
                milliseconds=each.unit == "ms",
            )


def _note_unknown(name: str, limits: Collection[str], path: Path, faults: Faults) -> None:
    if faults.document.is_sound(("limits",)):  # else it may be the one that is faulty
        hint = did_you_mean(name, (*limits, ANY)) or f"; {ANY!r} means all limits of a call"
        faults.add(path, f"there is no limit {name!r}{hint}", of="key")


def _check(each: schema.HintKeys, path: Path, faults: Faults, *, any_limit: bool) -> None:
    counts = each.remaining is not None or each.used is not None
    if any_limit and not (counts and each.reset is not None):
        faults.add(path, f"{ANY!r} needs the headers of 'remaining' (or 'used') and 'reset'")
    elif not counts and each.limit is None:
        faults.add(path, "expected the header of 'remaining', 'used' or 'limit'")
