"""A service's own errors, statuses, limits and ban rule, laid over those of its catalog."""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from resilient.catalog import Ban, Catalog, Endpoint, Entry, Limit, Source
from resilient.config import schema
from resilient.config.build_catalog import ban, check_limit, scopes
from resilient.config.build_entries import code_entries, status_entries
from resilient.config.faults import Faults
from resilient.config.references import check_endpoint
from resilient.config.spelling import did_you_mean
from resilient.config.units import MOST
from resilient.config.yaml_source import Path

_INHERITED = ("meaning", "advice", "scope", "processed", "http_status", "wait", "envelope")


def overridden(catalog: Catalog, keys: schema.ServiceKeys, path: Path, faults: Faults) -> Catalog:
    """Return a catalog with what a service overrides in it."""
    errors, statuses = dict(catalog.errors), dict(catalog.statuses)
    for code, variants in keys.errors.items():
        at = (*path, "errors", code)
        own = code_entries(code, variants, at, faults)
        errors[code] = _merged(own, variants, errors.get(code, ()))
        _check_endpoints(own, catalog, at, faults)
    for status, found in keys.statuses.items():
        at = (*path, "statuses", str(status))
        own = status_entries(status, found, at, faults)
        merged = _merged(own, found, statuses.get(status, ()))
        statuses[status] = tuple(attrs.evolve(each, own=True) for each in merged)
        _check_endpoints(own, catalog, at, faults)
    for name in keys.endpoints:
        check_endpoint(name, catalog, (*path, "endpoints", name), faults)
    return attrs.evolve(
        catalog,
        errors=errors,
        statuses=statuses,
        limits=tuple(_limits(catalog, keys, path, faults)),
        ban=_ban(catalog.ban, keys.ban, (*path, "ban"), faults),
    )


def stand_in(keys: schema.ServiceKeys) -> Catalog:
    """Return a catalog in which all that a service overrides can be overridden.

    It stands for one that is not there: what the service itself says is checked all the same.
    """
    per = scopes((schema.PerScope("credential"),))
    return Catalog(
        name="unread",
        source=Source(document="unread", read="unread"),
        endpoints=(Endpoint(template="/{any}", name="{any}"),),
        limits=tuple(Limit(name=each, calls=MOST, period=1.0, per=per) for each in keys.limits),
    )


def _merged(
    own: tuple[Entry, ...], keys: Iterable[schema.EntryKeys], old: tuple[Entry, ...]
) -> tuple[Entry, ...]:
    """Return the variants of an entry with an override laid over them.

    A bare policy changes that of every variant and nothing else. A variant without bindings
    stands for all there were; one with bindings goes before them.
    """
    if old and all(each == schema.EntryKeys(policy=each.policy) for each in keys):
        return tuple(attrs.evolve(each, policy=own[0].policy) for each in old)
    mine = [each.bindings for each in own]
    kept = () if () in mine else (each for each in old if each.bindings not in mine)
    return (*(_completed(each, old) for each in own), *kept)


def _completed(entry: Entry, old: tuple[Entry, ...]) -> Entry:
    """Return an override's entry with what it does not say taken from what it overrides."""
    near = [each for each in old if each.bindings == entry.bindings]
    kin = next(iter((*near, *(each for each in old if not each.bindings), *old)), None)
    if kin is None:
        return entry
    unsaid = [key for key in _INHERITED if getattr(entry, key) in (None, "")]
    changes: dict[str, Any] = {key: getattr(kin, key) for key in unsaid}
    if entry.name in (entry.code, f"status_{entry.status}"):
        changes["name"] = kin.name
    return attrs.evolve(entry, support=entry.support or kin.support, **changes)


def _check_endpoints(
    entries: Iterable[Entry], catalog: Catalog, path: Path, faults: Faults
) -> None:
    for each in entries:
        check_endpoint(each.endpoint, catalog, (*path, "endpoint"), faults)


def _ban(
    old: Ban | None, found: schema.BanKeys | str | None, path: Path, faults: Faults
) -> Ban | None:
    if found is None:
        return old
    return None if isinstance(found, str) else ban(found, path, faults)


def _limits(
    catalog: Catalog, keys: schema.ServiceKeys, path: Path, faults: Faults
) -> Iterator[Limit]:
    known = {limit.name: limit for limit in catalog.limits}
    for name, change in keys.limits.items():
        at = (*path, "limits", name)
        old = known.pop(name, None)
        if isinstance(change, str):
            if old is None:
                names = [limit.name for limit in catalog.limits]
                faults.add(
                    at,
                    f"there is no limit {name!r} to switch off{did_you_mean(name, names)}",
                    of="key",
                )
            continue
        if old is None and change.rate is None:
            names = [limit.name for limit in catalog.limits]
            hint = did_you_mean(name, names) or ": a new one needs a rate"
            faults.add(at, f"there is no limit {name!r}{hint}", of="key")
            continue
        limit = _limit(name, change, old)
        check_limit(limit, at, faults)
        check_endpoint(limit.endpoint, catalog, (*at, "endpoint"), faults)
        yield limit
    yield from known.values()


def _limit(name: str, change: schema.LimitOverrideKeys, old: Limit | None) -> Limit:
    base = old or Limit(name=name, calls=1, period=1.0, per=(("credential",),))
    changes: dict[str, Any] = {}
    if change.rate is not None:
        changes |= {"calls": change.rate.calls, "period": change.rate.period}
    if change.per is not None:
        changes["per"] = scopes(change.per)
    for key in ("burst", "jitter", "endpoint"):
        if (value := getattr(change, key)) is not None:
            changes[key] = value
    return attrs.evolve(base, **changes)
