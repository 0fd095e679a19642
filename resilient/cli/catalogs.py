"""`resilient catalogs`: what is shipped, and one catalog whole."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

import attrs
import typer

from resilient.catalog import SEVERITY, Catalog, Entry, HintRule, Limit
from resilient.cli.terminal import in_words, refuse_config, show, show_json, show_table
from resilient.config.build_catalog import load_catalog, shipped
from resilient.config.resources import names
from resilient.errors import ConfigError
from resilient.explain import HOLDING

_KINDS = {"code": "By reported code", "status": "By HTTP status", "text": "By text"}


def command(
    name: Annotated[str | None, typer.Argument(help="One of them, or the path of yours.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
) -> None:
    """List the catalogs that are shipped, or one of them whole."""
    try:
        if name is None:
            found = [shipped(each) for each in names("catalogs")]
            show_json([summary(each) for each in found]) if as_json else _show_all(found)
        else:
            catalog = load_catalog(name)
            show_json(whole(catalog)) if as_json else _show_one(catalog)
    except ConfigError as error:
        refuse_config(error)


def summary(catalog: Catalog) -> dict[str, Any]:
    """Return a catalog in short, ready for JSON."""
    return {
        "catalog": catalog.name,
        "title": catalog.title,
        "revision": catalog.revision,
        "hosts": list(catalog.hosts),
        "entries": len(catalog.entries),
        "policies": _counted(catalog.entries),
        "limits": [limit_object(each) for each in catalog.limits],
    }


def whole(catalog: Catalog) -> dict[str, Any]:
    """Return a catalog with all its entries and limits, ready for JSON."""
    return {
        "catalog": catalog.name,
        "revision": catalog.revision,
        "entries": [_entry_object(each, catalog) for each in catalog.entries],
        "limits": [limit_object(each) for each in catalog.limits],
        "title": catalog.title,
        "hosts": list(catalog.hosts),
        "hints": [attrs.asdict(each) for each in catalog.hints],
    }


def _entry_object(entry: Entry, catalog: Catalog) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "code": entry.code,
        "name": entry.name,
        "status": entry.status,
        "method": entry.method,
        "endpoint": entry.endpoint,
        "policy": entry.policy,
        "scope": _scope(entry, catalog),
        "processed": entry.processed,
        "meaning": entry.meaning,
        "advice": entry.advice,
        "http_status": entry.http_status,
        "wait": entry.wait,
        "support": entry.support,
        "match": entry.match,
    }


def _scope(entry: Entry, catalog: Catalog) -> str | None:
    return catalog.scope_of(entry) if entry.policy in HOLDING else None


def limit_object(limit: Limit) -> dict[str, Any]:
    """Return a limit, ready for JSON: `per` is a list, a compound scope is one item of it."""
    return {
        "name": limit.name,
        "calls": limit.calls,
        "period": limit.period,
        "per": ["+".join(kinds) for kinds in limit.per],
        "endpoint": limit.endpoint,
    }


def _counted(entries: Iterable[Entry]) -> dict[str, int]:
    count = Counter(entry.policy for entry in entries)
    order = [*(each for each in SEVERITY if each in count), *sorted(set(count) - set(SEVERITY))]
    return {policy: count[policy] for policy in order}


def _show_all(catalogs: Iterable[Catalog]) -> None:
    rows = [
        (
            each.name,
            each.title,
            str(each.revision),
            ", ".join(each.hosts) or "any",
            str(len(each.entries)),
            ", ".join(map(documented, each.limits)) or "none",
            ", ".join(f"{count} {policy}" for policy, count in _counted(each.entries).items()),
        )
        for each in catalogs
    ]
    show_table(("name", "title", "rev.", "hosts", "entries", "limits", "policies"), rows)


def documented(limit: Limit) -> str:
    """Return a limit as the vendor says it, such as `1200 in 1 min`."""
    return f"{limit.calls} in {in_words(limit.period)}"


def _show_one(catalog: Catalog) -> None:
    show(f"{catalog.name}: {catalog.title}, revision {catalog.revision}", style="bold")
    show(f"from {catalog.source.document}, read {catalog.source.read}, {catalog.source.url or ''}")
    show(f"hosts: {', '.join(catalog.hosts) or 'those of the service'}")
    if catalog.ban is not None:
        ban = catalog.ban
        show(f"ban: feared after {ban.after} refusals in a row within {in_words(ban.within)}")
    for rule in catalog.hints:
        show(f"hints: {in_which(rule)}")
    for kind, title in _KINDS.items():
        entries = [each for each in catalog.entries if each.kind == kind]
        if entries:
            show()
            show(f"{title} ({len(entries)})", style="bold")
            _show_entries(entries, catalog)
    if catalog.limits:
        show()
        show(f"Limits ({len(catalog.limits)})", style="bold")
        _show_limits(catalog.limits)


def in_which(rule: HintRule) -> str:
    """Return in which headers a vendor says how a limit stands."""
    said = {"limit": rule.calls, "left": rule.remaining, "used": rule.used, "reset": rule.reset}
    words = ", ".join(f"{what} in {header}" for what, header in said.items() if header)
    return f"{rule.limit or 'all limits of a call'}: {words}"


def _show_entries(entries: Iterable[Entry], catalog: Catalog) -> None:
    rows = [
        (
            _identity(each),
            each.name,
            ", ".join(f"{key} {value}" for key, value in each.bindings),
            each.policy,
            _scope(each, catalog) or "",
            each.meaning,
        )
        for each in entries
    ]
    show_table(("what", "name", "only with", "policy", "scope", "meaning"), rows)


def _identity(entry: Entry) -> str:
    return str(entry.match or entry.code or entry.status)


def _show_limits(limits: Iterable[Limit]) -> None:
    rows = [
        (
            each.name,
            documented(each),
            ", ".join(limit_object(each)["per"]),
            each.endpoint or "all calls",
        )
        for each in limits
    ]
    show_table(("name", "calls", "per", "endpoint"), rows)
