"""Names that have to be those of something: policies, envelopes, endpoints."""

from collections.abc import Iterator

from resilient.catalog import Catalog
from resilient.config import schema
from resilient.config.faults import Faults
from resilient.config.spelling import did_you_mean
from resilient.config.yaml_source import Path

POLICY_NAMES = ("retry", "back_off", "reauth", "fail_fast", "block_warning", "none")
"""The policies that every set has, and `none`."""


def check_references(catalog: Catalog, keys: schema.CatalogKeys, faults: Faults) -> None:
    """Note what a catalog's entries and limits name that it does not have."""
    envelopes = [each.name for each in catalog.envelopes if each.name]
    for path, entry in _entries(keys):
        check_policy(entry.policy, path, POLICY_NAMES, faults, cutoff=0.75)
        unknown = entry.envelope is not None and entry.envelope not in envelopes
        if entry.envelope and unknown and faults.document.is_sound(("envelopes",)):
            faults.add(
                (*path, "envelope"),
                f"there is no envelope {entry.envelope!r}{did_you_mean(entry.envelope, envelopes)}",
            )
        check_endpoint(entry.endpoint, catalog, (*path, "endpoint"), faults)
    for name, limit in keys.limits.items():
        check_endpoint(limit.endpoint, catalog, ("limits", name, "endpoint"), faults)


def check_policy(
    name: str, path: Path, known: tuple[str, ...], faults: Faults, *, cutoff: float
) -> None:
    """Note a policy that is not there.

    A catalog alone cannot know what a user's set defines: there only what looks like a slip
    of the pen is a fault, and `cutoff` says how alike it must be.
    """
    hint = did_you_mean(name, known, cutoff or 0.6)
    if name not in known and (hint or not cutoff):
        place = (*path, "policy") if faults.document.place((*path, "policy")) else path
        choice = hint or f"; there are {', '.join(known)}"
        faults.add(place, f"there is no policy {name!r}{choice}")


def check_endpoint(name: str | None, catalog: Catalog, path: Path, faults: Faults) -> None:
    """Note an endpoint that no template can be called."""
    names = catalog.endpoint_names
    if name is None or name in names or any("{" in each for each in names):
        return
    if faults.document.is_sound(("endpoints",)):  # else it may be the one that is faulty
        faults.add(path, f"no endpoint is called {name!r}{did_you_mean(name, names)}")


def _entries(keys: schema.CatalogKeys) -> Iterator[tuple[Path, schema.EntryKeys]]:
    for group in ("errors", "statuses"):
        for key, variants in getattr(keys, group).items():
            for i, entry in enumerate(variants):
                yield (group, str(key), i) if len(variants) > 1 else (group, str(key)), entry
    for i, entry in enumerate(keys.texts):
        yield ("texts", i), entry
