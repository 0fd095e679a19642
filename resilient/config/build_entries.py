"""From the keys of a catalog's errors, or of an override's, to its entries."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from resilient.catalog import Entry
from resilient.config import schema
from resilient.config.faults import Faults
from resilient.config.yaml_source import Path

_BOUND_BY = ("status", "method", "endpoint")


def code_entries(
    code: str, variants: Iterable[schema.EntryKeys], path: Path, faults: Faults
) -> tuple[Entry, ...]:
    """Return the entries of one reported code."""
    _check_some(variants, path, faults)
    entries = tuple(
        entry
        for keys in variants
        for status in keys.status or (None,)
        for entry in [_entry(keys, kind="code", code=code, status=status, name=keys.name or code)]
    )
    _check_ties(entries, path, faults)
    return entries


def status_entries(
    status: int, variants: Iterable[schema.EntryKeys], path: Path, faults: Faults
) -> tuple[Entry, ...]:
    """Return the entries of one HTTP status."""
    _check_some(variants, path, faults)
    found = []
    for i, keys in enumerate(variants):
        if keys.status:
            faults.add((*path, i, "status"), "an entry under 'statuses' has its status already")
        name = keys.name or f"status_{status}"
        found.append(_entry(keys, kind="status", status=status, name=name))
    _check_ties(found, path, faults)
    return tuple(found)


def _check_some(variants: Iterable[schema.EntryKeys], path: Path, faults: Faults) -> None:
    if not tuple(variants):
        faults.add(path, "expected a policy, or an entry with its keys")


def text_entries(found: Iterable[schema.TextKeys], faults: Faults) -> Iterator[Entry]:
    """Yield the entries that are known by the text of a response."""
    for i, keys in enumerate(found):
        if not keys.match.replace("*", "").strip():
            faults.add(("texts", i, "match"), f"{keys.match!r} fits every text")
        for status in keys.status or (None,):
            name = keys.name or keys.match
            yield _entry(
                keys, kind="text", match=keys.match, code=keys.code, status=status, name=name
            )


def _entry(keys: schema.EntryKeys, **identity: Any) -> Entry:
    return Entry(
        **identity,
        method=keys.method,
        endpoint=keys.endpoint,
        policy=keys.policy,
        scope=keys.scope,
        processed=keys.processed,
        http_status=keys.http_status,
        wait=keys.wait,
        support=keys.support,
        envelope=keys.envelope,
        meaning=keys.meaning,
        advice=keys.advice,
    )


def _check_ties(entries: Iterable[Entry], path: Path, faults: Faults) -> None:
    """Note variants that fit the same response: as many bindings, and none that differs.

    Those seen are filed by what they share with each set of bindings: comparing each with
    each would let a long file take hours.
    """
    seen: dict[Hashable, Mapping[str, object]] = {}
    for mine in (dict(entry.bindings) for entry in entries):
        keys = tuple(mine)
        kin = [
            (others, tuple(mine[key] for key in others if key in mine))
            for others in combinations(_BOUND_BY, len(mine))
        ]
        found = (seen.get((others, keys, shared)) for others, shared in kin)
        if (its := next((each for each in found if each is not None), None)) is not None:
            faults.add(
                path,
                f"two variants fit the same response: {_bound(its)} and "
                f"{_bound(mine)}; bind one of them further",
                of="key",
            )
        for others, shared in kin:
            seen.setdefault((keys, others, shared), mine)


def _bound(bindings: Mapping[str, object]) -> str:
    return ", ".join(f"{k} {v}" for k, v in bindings.items()) or "one without bindings"
