"""From the keys of a configuration to checked services."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path as FilePath
from typing import Any, Literal

from resilient.catalog import Catalog
from resilient.config import resources, schema
from resilient.config.build_catalog import GENERIC, load_catalog, shipped
from resilient.config.build_policies import laid_over, load_policies, shipped_policies
from resilient.config.build_secret import build_secret, check_secret
from resilient.config.build_store import build_store
from resilient.config.faults import Faults
from resilient.config.files import is_path, not_there, read_file
from resilient.config.overrides import overridden, stand_in
from resilient.config.references import check_policy
from resilient.config.service import Config, Service
from resilient.config.spelling import SLIP, nearest
from resilient.config.structure import structure
from resilient.config.yaml_source import Document, Path, from_dict, read
from resilient.errors import ConfigError
from resilient.policy import Policies, RetryBudget


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
    store = None if keys is None else build_store(keys.store, folder, faults)
    if faults.found:
        raise ConfigError(faults.found)
    return Config(services=tuple(each for each in services if each is not None), store=store)


def _service(
    name: str, keys: schema.ServiceKeys, folder: FilePath, faults: Faults
) -> Service | None:
    path: Path = ("services", name)
    policies = _policies(keys.policies, folder, (*path, "policies"), faults)
    _check_service(keys, path, faults)
    named = _catalog(keys.catalog, folder, (*path, "catalog"), faults)
    catalog = overridden(named or stand_in(keys), keys, path, faults)
    _check_policies(catalog, policies, keys, path, faults)
    if named is None:
        return None
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
        secret=None if secret is None else build_secret(secret, folder),
        credential_from=keys.credential_from,
        idempotent={key: each.idempotent for key, each in keys.endpoints.items()},
        share=Fraction(keys.share),
        timeout=keys.timeout,
        attempt_timeout=keys.attempt_timeout,
        on_error=keys.on_error,
        max_queue=keys.max_queue,
        report_wait=keys.report_wait,
        adaptive=keys.adaptive,
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


def _check_service(keys: schema.ServiceKeys, path: Path, faults: Faults) -> None:
    for key in ("timeout", "attempt_timeout"):
        if getattr(keys, key) <= 0:
            faults.add((*path, key), "found 0, expected a time above 0")
    if keys.max_queue < 0:
        faults.add((*path, "max_queue"), f"found {keys.max_queue}, expected 0 or more")
    if keys.credential is not None:
        check_secret(keys.credential, (*path, "credential"), faults)
    if keys.retry_budget != "off":
        _check_budget(keys.retry_budget, (*path, "retry_budget"), faults)


def _catalog(name: str, folder: FilePath, path: Path, faults: Faults) -> Catalog | None:
    try:
        return load_catalog(folder / name if is_path(name) else name)
    except ConfigError as error:
        not_there(error, name, folder, path, faults)
    # The rest is checked against the one that was meant.
    meant = None if is_path(name) else nearest(name, resources.names("catalogs"), SLIP)
    return None if meant is None else shipped(meant)


def _policies(
    found: str | Mapping[str, schema.PolicyKeys], folder: FilePath, path: Path, faults: Faults
) -> Policies:
    default = shipped_policies("default")
    if isinstance(found, Mapping):
        return laid_over(default, found, path, faults)
    try:
        return load_policies(folder / found) if is_path(found) else shipped_policies(found)
    except ConfigError as error:
        not_there(error, found, folder, path, faults)
        return default


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
