"""`resilient drill`: the main job end to end, on emulated APIs.

One process is drilled in virtual time; several that share a store in real time, for it is
Redis's time that counts.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from resilient.cli.drilling import bars, exceeded, strictest, undisturbed
from resilient.cli.terminal import refuse, refuse_config, show, show_json, show_table
from resilient.config import resources
from resilient.config.build import load, one_service
from resilient.config.references import POLICY_NAMES
from resilient.config.service import Config, Service, SharedStore
from resilient.errors import ConfigError

if TYPE_CHECKING:
    from resilient.testing.drill import Result

ALONE = "unisender"
"""The catalog that several processes are drilled on unless told."""

USUAL, MOST = 4, 64
"""Processes: unless told, and at most."""

SECONDS = 20.0
"""How long they call unless told: long enough for a share of each, short enough to watch."""

_HEADERS = (
    "service", "errors", "retry", "back off", "re-auth", "fail fast", "block", "none",
    "calls", "attempts", "retries", "re-auths", "pauses", "blocks avoided",
    "limit", "most / allowed", "used",
)  # fmt: skip


def command(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="A configuration, or a shipped catalog; without one, every shipped catalog "
            f"(with processes: {ALONE}).",
        ),
    ] = None,
    *,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Several processes, with this Redis: a URL as in a configuration, or 'redis' "
            "for a redis-server that is started and stopped; 'memory': none.",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help=f"How many; {USUAL} unless told."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=2, max=600, help=f"How long processes call; {SECONDS} unless told."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Let emulated APIs report every error they document, then load them to their limits.

    With --store or --processes: let several processes load one API in real time, and show
    whether they keep its limits together.

    Exit status 1 if an error got another reaction than its policy says, or a limit was exceeded.
    """
    together = store is not None or processes is not None
    if seconds is not None and not together:
        refuse("--seconds is for several processes: give --processes, or --store")
    try:
        config = _source(ALONE if together and source is None else source)
        if together:
            _run_together(config, store, processes or USUAL, seconds or SECONDS, as_json=as_json)
    except ConfigError as error:
        refuse_config(error)
    with undisturbed():
        results = list(_drilled(config.services))
    passed = all(result.passed for result in results)
    if as_json:
        show_json({"passed": passed, "services": [result.asdict() for result in results]})
    else:
        _show(results, passed=passed)
    raise typer.Exit(0 if passed else 1)


def _run_together(
    config: Config, store: str | None, processes: int, seconds: float, *, as_json: bool
) -> NoReturn:
    from resilient.cli.drill_together import run_together, show_together

    with undisturbed():
        found = run_together(config.services, _store(config, store), processes, seconds)
    show_together(found, as_json=as_json)
    raise typer.Exit(0 if found.passed else 1)


def _store(config: Config, told: str | None) -> SharedStore | None:
    """Return the store that was told, else the configuration's."""
    if told is None:
        return config.store
    return None if told == "memory" else SharedStore(url=told)


def _source(source: str | None) -> Config:
    """Return the configuration that is meant; without one, or for a catalog, just services."""
    from resilient.testing.drill import shipped_services

    if source is None:
        return Config(services=shipped_services())
    if source in resources.names("catalogs"):
        return Config(services=(one_service(source),))
    found = load(source)
    if not found.services:
        raise ConfigError(f"{source} has no services to drill")
    return found


def _drilled(services: Sequence[Service]) -> "Iterator[Result]":
    from resilient.testing.drill import drill
    from resilient.testing.loop import run

    with bars() as add:
        for service in services:
            yield run(drill(service, add(service.name)))


def _show(results: "Sequence[Result]", *, passed: bool) -> None:
    show_table(_HEADERS, [row for result in results for row in _rows(result)])
    for result in results:
        for fault in result.faults:
            show(f"{result.service}: {fault}", style="red")
        for line in exceeded(result.service, result.limits):
            show(line, style="red")
    minutes = sum(result.virtual_seconds for result in results) / 60
    total = sum(result.attempts for result in results)
    bans = sum(result.bans for result in results)
    verdict = "passed" if passed else "FAILED"
    show(
        f"{verdict}: {total} requests in {minutes:.0f} virtual minutes, {bans} bans",
        style="bold green" if passed else "bold red",
    )


def _rows(result: "Result") -> "Iterator[tuple[str, ...]]":
    limits = list(strictest(result.limits)) or [("none documented", "", "")]
    counts = (str(result.policies.get(name, 0)) for name in POLICY_NAMES)
    numbers = (
        result.calls,
        result.attempts,
        result.retries,
        result.reauths,
        result.pauses,
        result.blocks_avoided,
    )
    head = (result.service, f"{result.exercised}/{result.entries}", *counts, *map(str, numbers))
    yield (*head, *limits[0])
    for limit in limits[1:]:
        yield (*("" for _ in head), *limit)
