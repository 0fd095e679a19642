"""From the keys of a configuration to checked services."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Literal

import attrs

from resilient.catalog import Ban, Catalog, Entry, Limit
from resilient.config import resources, schema
from resilient.config.build_catalog import (
    Faults,
    ban,
    check_endpoint,
    check_limit,
    check_policy,
    code_entries,
    is_path,
    load_catalog,
    read_file,
    scopes,
    shipped,
    status_entries,
)
from resilient.config.scalars import show
from resilient.config.service import Config, Secret, Service
from resilient.config.spelling import SLIP, did_you_mean, nearest
from resilient.config.structure import structure
from resilient.config.yaml_source import Document, Path, Plain, from_dict, read
from resilient.errors import ConfigError
from resilient.policy import Backoff, Policies, Policy, RetryBudget

GENERIC = "http"
"""The catalog that stands behind every other."""


def load(source: str | FilePath | Mapping[str, Any]) -> Config:
    """Return a checked configuration from a YAML file, or a dict of the same shape.

    Raises:
        ConfigError: With every fault, each with its place.
    """
    if isinstance(source, Mapping):
        return _loaded(from_dict(source), FilePath())
    if not isinstance(source, str | FilePath):
        kind = type(source).__name__
        raise ConfigError(f"a configuration is a file's path or a mapping, not {kind}")
    path = FilePath(source)
    return _loaded(read(read_file(path), str(path)), path.parent)


def one_service(name: str) -> Service:
    """Return a shipped catalog as a service with the default policies and nothing else.

    Raises:
        ConfigError: There is no such catalog.
    """
    catalog = shipped(name)
    return Service(
        name=name,
        catalog=catalog,
        generic=shipped(GENERIC),
        policies=shipped_policies("default"),
        hosts=catalog.hosts,
    )


def _loaded(document: Document, folder: FilePath) -> Config:
    keys, found = structure(document, schema.ConfigKeys)
    faults = Faults(document, list(found))
    services = (
        []
        if keys is None
        else [_service(name, each, folder, faults) for name, each in keys.services.items()]
    )
    if keys is not None:
        _check_store(keys.store, faults)
    if faults.found:
        raise ConfigError(faults.found)
    return Config(services=tuple(each for each in services if each is not None))


def _check_store(store: str | schema.StoreKeys, faults: Faults) -> None:
    url = store if isinstance(store, str) else store.url
    if url == "memory":
        return
    schemes = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")
    if url.startswith(schemes):
        problem = "a shared store is not in this version: limits are kept per process (memory)"
    else:
        problem = f"found {show(Plain(url))}, expected memory{did_you_mean(url, ['memory'])}"
    faults.add(("store",), problem)


def _service(
    name: str, keys: schema.ServiceKeys, folder: FilePath, faults: Faults
) -> Service | None:
    path: Path = ("services", name)
    policies = _policies(keys.policies, folder, (*path, "policies"), faults)
    _check_service(keys, path, faults)
    catalog = _catalog(keys.catalog, folder, (*path, "catalog"), faults)
    if catalog is None:
        return None
    catalog = _overridden(catalog, keys, path, faults)
    _check_policies(catalog, policies, keys, path, faults)
    hosts = tuple(keys.hosts) or catalog.hosts
    if not hosts:
        faults.add(
            path,
            f"the catalog {catalog.name!r} names no hosts: say which are meant under 'hosts'",
            of="key",
        )
    if faults.found:
        return None
    secret = keys.credential
    return Service(
        name=name,
        catalog=catalog,
        generic=shipped(GENERIC),
        policies=policies,
        mode=keys.mode,
        hosts=hosts,
        own_hosts=bool(keys.hosts),
        secret=None
        if secret is None
        else Secret(env=secret.env, file=_beside(secret.file, folder)),
        credential_from=keys.credential_from,
        idempotent={key: each.idempotent for key, each in keys.endpoints.items()},
        share=Fraction(keys.share),
        timeout=keys.timeout,
        attempt_timeout=keys.attempt_timeout,
        on_error=keys.on_error,
        max_queue=keys.max_queue,
        report_wait=keys.report_wait,
        retry_budget=_budget(keys.retry_budget),
        egress=keys.egress,
    )


def _check_budget(keys: schema.BudgetKeys, path: Path, faults: Faults) -> None:
    if not 0 <= keys.ratio <= 1:
        faults.add((*path, "ratio"), f"found {keys.ratio:g}, expected 0 to 1")
    if keys.floor < 0:
        faults.add((*path, "floor"), f"found {keys.floor}, expected 0 or more")


def _budget(keys: schema.BudgetKeys | Literal["off"]) -> RetryBudget | None:
    return None if keys == "off" else RetryBudget(ratio=keys.ratio, floor=keys.floor)


def _beside(file: str | None, folder: FilePath) -> str | None:
    return None if file is None else str(folder / file)


def _check_service(keys: schema.ServiceKeys, path: Path, faults: Faults) -> None:
    for key in ("timeout", "attempt_timeout"):
        if getattr(keys, key) <= 0:
            faults.add((*path, key), "found 0, expected a time above 0")
    if keys.max_queue < 0:
        faults.add((*path, "max_queue"), f"found {keys.max_queue}, expected 0 or more")
    if keys.credential is not None and bool(keys.credential.env) == bool(keys.credential.file):
        faults.add((*path, "credential"), "expected either 'env' or 'file'")
    if keys.adaptive:
        faults.add(
            (*path, "adaptive"),
            "adaptive pacing is not in this version: leave it out, or say false",
        )
    if keys.retry_budget != "off":
        _check_budget(keys.retry_budget, (*path, "retry_budget"), faults)


def _catalog(name: str, folder: FilePath, path: Path, faults: Faults) -> Catalog | None:
    try:
        return load_catalog(folder / name if is_path(name) else name)
    except ConfigError as error:
        _not_there(error, name, folder, path, faults)
    # The rest is checked against the one that was meant.
    meant = None if is_path(name) else nearest(name, resources.names("catalogs"), SLIP)
    return None if meant is None else shipped(meant)


def _not_there(error: ConfigError, name: str, folder: FilePath, path: Path, faults: Faults) -> None:
    faults.found.extend(error.faults)
    if not error.faults:
        faults.add(path, f"{error}{_file_meant(name, folder)}")


def _file_meant(name: str, folder: FilePath) -> str:
    """Return `; did you mean 'parcels.yaml'?` if such a file is there, or nothing."""
    wanted = FilePath(name)
    try:
        there = sorted((folder / wanted.parent).iterdir())
    except (OSError, ValueError):  # a path with a NUL in it is no OSError
        return ""
    files = {each.stem: each.name for each in there if each.suffix in (".yaml", ".yml")}
    stem = wanted.stem if is_path(name) else name
    found = None if name in files.values() else nearest(stem, files, SLIP)
    return (
        "" if found is None else f"; did you mean the file {str(wanted.parent / files[found])!r}?"
    )


@cache
def shipped_policies(name: str) -> Policies:
    """Return a shipped policy set.

    Raises:
        ConfigError: There is no such set; it says which there are.
    """
    known = resources.names("policies")
    if name not in known:
        hint = did_you_mean(name, known) or f"; shipped are {', '.join(known)}"
        raise ConfigError(f"there is no policy set {name!r}{hint}")
    file = resources.builtin("policies").joinpath(f"{name}.yaml")
    document = read(file.read_bytes(), f"policies/{name}.yaml")
    base = {} if name == "default" else shipped_policies("default")
    return loaded_policies(document, base)


def loaded_policies(document: Document, base: Policies) -> Policies:
    """Return the policy set that a document holds, laid over `base`.

    Raises:
        ConfigError: With every fault.
    """
    keys, found = structure(document, schema.PolicySetKeys)
    faults = Faults(document, list(found))
    policies = {} if keys is None else _laid_over(base, keys.policies, ("policies",), faults)
    if faults.found:
        raise ConfigError(faults.found)
    return policies


def load_policies(file: FilePath) -> Policies:
    """Return the policy set of a file, laid over `default`.

    Raises:
        ConfigError: With every fault.
    """
    return loaded_policies(read(read_file(file), str(file)), shipped_policies("default"))


def _policies(
    found: str | Mapping[str, schema.PolicyKeys], folder: FilePath, path: Path, faults: Faults
) -> Policies:
    default = shipped_policies("default")
    if isinstance(found, Mapping):
        return _laid_over(default, found, path, faults)
    try:
        return load_policies(folder / found) if is_path(found) else shipped_policies(found)
    except ConfigError as error:
        _not_there(error, found, folder, path, faults)
        return default


def _laid_over(
    base: Policies, found: Mapping[str, schema.PolicyKeys], path: Path, faults: Faults
) -> Policies:
    laid = dict(base)
    for name, keys in found.items():
        if name == "none":
            faults.add(
                (*path, name), "'none' is no policy: it says that something is no failure", of="key"
            )
            continue
        same = laid.get(name)
        if same is not None and same.action != keys.action and name in base:
            faults.add(
                (*path, name, "action"),
                f"found {keys.action!r}, expected {same.action!r}: "
                "catalogs count on what the five are called",
            )
            continue
        kin = same or laid.get(keys.action) or Policy(name=name, action=keys.action)
        problems = list(_problems(keys))
        for at, problem in problems:
            faults.add((*path, name, *at), problem)
        laid[name] = kin if problems else _policy(name, keys, kin)
    return laid


def _problems(keys: schema.PolicyKeys) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with a policy's numbers, and where."""
    if keys.attempts is not None and keys.attempts < 1:
        yield ("attempts",), f"found {keys.attempts}, expected at least 1"
    for name, delay in (("delay", keys.delay), ("cool_down", keys.cool_down)):
        if not isinstance(delay, schema.DelayKeys):
            continue
        empty = [key for key in ("base", "cap") if getattr(delay, key) <= 0]
        yield from (((name, key), "found 0, expected a time above 0") for key in empty)
        if not empty and delay.base > delay.cap:
            yield (name,), f"base {delay.base:g}s is above cap {delay.cap:g}s"


def _policy(name: str, keys: schema.PolicyKeys, kin: Policy) -> Policy:
    changes: dict[str, Any] = {"name": name, "action": keys.action}
    if keys.attempts is not None:
        changes["attempts"] = keys.attempts
    if keys.delay is not None:
        changes["delay"] = Backoff(base=keys.delay.base, cap=keys.delay.cap)
    if keys.max_wait is not None:
        changes["max_wait"] = keys.max_wait
    if keys.cool_down == "manual":
        changes["cool_down"] = None
    elif keys.cool_down is not None:
        changes["cool_down"] = Backoff(base=keys.cool_down.base, cap=keys.cool_down.cap)
    return attrs.evolve(kin, **changes)


def _overridden(catalog: Catalog, keys: schema.ServiceKeys, path: Path, faults: Faults) -> Catalog:
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


_INHERITED = ("meaning", "advice", "scope", "processed", "http_status", "wait", "envelope")


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


def _check_policies(
    catalog: Catalog, policies: Policies, keys: schema.ServiceKeys, path: Path, faults: Faults
) -> None:
    known = (*policies, "none")
    own = {*keys.errors, *map(str, keys.statuses)}
    for entry in catalog.entries:
        if entry.policy in known:
            continue
        group = "errors" if entry.kind == "code" else "statuses"
        key = str(entry.code if entry.kind == "code" else entry.status)
        at = (*path, group, key) if key in own else (*path, "catalog")
        check_policy(entry.policy, at, known, faults, cutoff=0)
