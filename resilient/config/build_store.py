"""From the key `store` to where scopes remember."""

from pathlib import Path as FilePath

from resilient.config import schema
from resilient.config.build_secret import build_secret, check_secret
from resilient.config.faults import Faults
from resilient.config.service import SharedStore
from resilient.config.store_url import Wrong, parse
from resilient.config.yaml_source import Path

MEMORY = "memory"
LONGEST = 5.0
"""Seconds that a store may be given: a call waits as long, once, when it dies."""


def build_store(
    keys: str | schema.StoreKeys, folder: FilePath, faults: Faults
) -> SharedStore | None:
    """Return the shared store that is wanted; None: scopes remember in the process."""
    if isinstance(keys, str):
        _check_url(keys, ("store",), faults)
        return None if keys == MEMORY else SharedStore(url=keys)
    url = keys.url
    if isinstance(url, schema.SecretKeys):
        check_secret(url, ("store", "url"), faults)
    else:
        _check_url(url, ("store", "url"), faults)
    _check_timeout(keys.timeout, faults)
    if url == MEMORY:
        return None
    return SharedStore(
        url=build_secret(url, folder) if isinstance(url, schema.SecretKeys) else url,
        mode=keys.mode,
        timeout=keys.timeout,
        prefix=keys.prefix,
    )


def _check_url(url: str, path: Path, faults: Faults) -> None:
    found = None if url == MEMORY else parse(url)
    if isinstance(found, Wrong):
        faults.add(path, found.problem)


def _check_timeout(seconds: float, faults: Faults) -> None:
    if not 0 < seconds <= LONGEST:
        problem = f"found {seconds:g}, expected a time above 0 and at most {LONGEST:g}s"
        faults.add(("store", "timeout"), problem)
