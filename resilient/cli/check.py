"""`resilient check`: is this configuration, catalog or policy file right, and how fast is it?"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Annotated

import typer

from resilient.catalog import Catalog, Limit
from resilient.cli.catalogs import documented, in_which
from resilient.cli.stores import about_store
from resilient.cli.terminal import in_words, list_faults, refuse, show, show_table
from resilient.config.build import load
from resilient.config.build_catalog import load_catalog
from resilient.config.build_policies import load_policies
from resilient.config.files import Kind, kind_of, read_file
from resilient.config.service import Service
from resilient.config.yaml_source import read
from resilient.core.endpoints import shared_hosts
from resilient.core.pacing import Quota, pace, time_for
from resilient.errors import ConfigError, Fault
from resilient.policy import Backoff, Policy, RetryBudget
from resilient.state.budget import WINDOW

Row = tuple[str, ...]


def command(
    file: Annotated[Path, typer.Argument(help="A configuration, a catalog, or a policy set.")],
) -> None:
    """Check a file; say how fast its limits let calls go."""
    try:
        kind = _kind(file)
        if kind == "services":
            _show_config(file)
        elif kind == "catalog":
            _show_catalog(file)
        else:
            _show_policies(load_policies(file))
    except ConfigError as error:
        if not error.faults:
            refuse(str(error))
        list_faults(error)
        raise typer.Exit(1) from error


def _kind(file: Path) -> Kind:
    """Tell what a file is.

    Raises:
        ConfigError: It cannot be read, or is none of the three.
    """
    document = read(read_file(file), str(file))
    if (kind := kind_of(document)) is not None:
        return kind
    problem = (
        "found none of the keys 'services' (a configuration), 'catalog' (a catalog), "
        "'policies' (a policy set)"
    )
    place = document.place(()) if document.marks else str(file)  # an empty file has no places
    raise ConfigError(document.faults or [Fault(place, problem)])


def _show_config(file: Path) -> None:
    config = load(file)
    services = config.services
    if not services:
        show(f"{file}: right, but there is no service: every call goes out as it is", style="bold")
        return
    show(f"{file}: right, {_count(len(services), 'service')}", style="bold")
    for each in services:
        share = "" if each.share == 1 else f", {each.share} of every limit"
        show(
            f"  {each.name}: catalog {each.catalog.name}, revision {each.catalog.revision}, "
            f"{each.mode}, {', '.join(each.hosts)}{share}"
        )
        show(f"    {_budget(each.retry_budget)}")
        if not each.adaptive:
            show("    adaptive: off, refusals and hints slow nothing down")
        _show_hints(each.catalog, "    ")
    for one, other in combinations(services, 2):
        if hosts := shared_hosts(one.hosts, other.hosts):
            show(
                f"  {one.name} and {other.name} are both for {', '.join(hosts)}: "
                "such a call must choose by options(service=…)"
            )
    for line in about_store(config):
        show(f"  {line}")
    _show_limits(row for each in services for row in _service_rows(each))


def _budget(found: RetryBudget | None) -> str:
    if found is None:
        return "retry budget: off, every call may use all its attempts"
    by = "default" if found == RetryBudget() else "its own"
    return (
        f"retry budget: {_count(found.floor, 'retry', 'retries')} and {found.ratio:g} of the "
        f"successes in any {in_words(WINDOW)} ({by})"
    )


def _service_rows(service: Service) -> Iterator[Row]:
    for limit in service.catalog.limits:
        yield from ((service.name, *row) for row in _rows(limit, service.share))


def _show_catalog(file: Path) -> None:
    catalog = load_catalog(file)
    show(
        f"{file}: right, the catalog {catalog.name!r}, revision {catalog.revision}, "
        f"{_count(len(catalog.entries), 'error')}",
        style="bold",
    )
    _show_hints(catalog, "  ")
    rows = (row for each in catalog.limits for row in _rows(each, Fraction(1)))
    _show_limits((catalog.name, *row) for row in rows)


def _show_hints(catalog: Catalog, margin: str) -> None:
    for rule in catalog.hints:
        show(f"{margin}hints: {in_which(rule)}")


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def _rows(limit: Limit, share: Fraction) -> Iterator[Row]:
    """Yield a row for each scope of a limit: all of them have to let a call through."""
    kept = pace(limit, share)
    if isinstance(kept, Quota):
        burst, rate = kept.calls, f"{kept.calls} in any {in_words(kept.period)}"
    else:
        burst, rate = kept.capacity, f"{kept.rate:.4g}/s"
    for kinds in limit.per:
        yield (
            limit.name,
            "+".join(kinds),
            limit.endpoint or "all calls",
            documented(limit),
            str(burst),
            rate,
            in_words(time_for(kept, 10)),
            in_words(time_for(kept, 100)),
        )


def _show_limits(rows: Iterable[Row]) -> None:
    found = list(rows)
    if not found:
        show("no limits: calls are not paced")
        return
    headers = (
        "service",
        "limit",
        "per",
        "endpoint",
        "allowed",
        "burst",
        "steady rate",
        "first 10",
        "first 100",
    )
    show_table(headers, found)


def _show_policies(policies: Mapping[str, Policy]) -> None:
    show(f"right, {len(policies)} policies with those of 'default'", style="bold")
    rows = [
        (
            each.name,
            each.action,
            str(each.attempts),
            _range(each.delay) if each.action in ("retry", "back_off") else "",
            in_words(each.max_wait) if each.action in ("retry", "back_off") else "",
            _cool_down(each) if each.action == "block_warning" else "",
        )
        for each in policies.values()
    ]
    show_table(("policy", "action", "attempts", "delay", "max_wait", "cool_down"), rows)


def _range(delay: Backoff) -> str:
    return f"{in_words(delay.base)} to {in_words(delay.cap)}"


def _cool_down(policy: Policy) -> str:
    return "manual" if policy.cool_down is None else _range(policy.cool_down)
