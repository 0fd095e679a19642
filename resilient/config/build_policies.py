"""From the keys of a policy set to its policies, laid over the five that every set has."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import Any

import attrs

from resilient.config import schema
from resilient.config.faults import Faults
from resilient.config.files import read_file, shipped_document
from resilient.config.structure import structure
from resilient.config.yaml_source import Document, Path, read
from resilient.errors import ConfigError
from resilient.policy import Backoff, Policies, Policy


@cache
def shipped_policies(name: str) -> Policies:
    """Return a shipped policy set.

    Raises:
        ConfigError: There is no such set; it says which there are.
    """
    document = shipped_document("policies", name)
    return loaded_policies(document, {} if name == "default" else shipped_policies("default"))


def loaded_policies(document: Document, base: Policies) -> Policies:
    """Return the policy set that a document holds, laid over `base`.

    Raises:
        ConfigError: With every fault.
    """
    keys, found = structure(document, schema.PolicySetKeys)
    faults = Faults(document, list(found))
    policies = {} if keys is None else laid_over(base, keys.policies, ("policies",), faults)
    if faults.found:
        raise ConfigError(faults.found)
    return policies


def load_policies(file: FilePath) -> Policies:
    """Return the policy set of a file, laid over `default`.

    Raises:
        ConfigError: With every fault.
    """
    return loaded_policies(read(read_file(file), str(file)), shipped_policies("default"))


def laid_over(
    base: Policies, found: Mapping[str, schema.PolicyKeys], path: Path, faults: Faults
) -> Policies:
    """Return a policy set with policies laid over it; what is wrong with them goes to `faults`."""
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
