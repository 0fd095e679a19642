"""`resilient drill`: the main job end to end, on emulated APIs, in virtual time."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from resilient.cli.terminal import in_words, refuse_config, show, show_json, show_table
from resilient.config.build import load
from resilient.config.references import POLICY_NAMES
from resilient.config.service import Service
from resilient.errors import ConfigError

if TYPE_CHECKING:
    from resilient.testing.drill import LimitUse, Result

_HEADERS = (
    "service", "errors", "retry", "back off", "re-auth", "fail fast", "block", "none",
    "calls", "attempts", "retries", "re-auths", "pauses", "blocks avoided",
    "limit", "most / allowed", "used",
)  # fmt: skip


def command(
    file: Annotated[
        Path | None, typer.Argument(help="A configuration; without one, every shipped catalog.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Let emulated APIs report every error they document, then load them to their limits.

    Exit status 1 if an error got another reaction than its policy says, or a limit was exceeded.
    """
    try:
        services = _services(file)
    except ConfigError as error:
        refuse_config(error)
    with _undisturbed():
        results = list(_drilled(services))
    passed = all(result.passed for result in results)
    if as_json:
        show_json({"passed": passed, "services": [result.asdict() for result in results]})
    else:
        _show(results, passed=passed)
    raise typer.Exit(0 if passed else 1)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Enforce, whatever the shell is set to, and log nothing: a drill's failures are no news."""
    log = logging.getLogger("resilient")
    level, mode = log.level, os.environ.pop("RESILIENT_MODE", None)
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        os.environ.update({} if mode is None else {"RESILIENT_MODE": mode})


def _services(file: Path | None) -> Sequence[Service]:
    from resilient.testing.drill import shipped_services

    services = shipped_services() if file is None else load(file).services
    if not services:
        raise ConfigError(f"{file} has no services to drill")
    return services


def _drilled(services: Sequence[Service]) -> "Iterator[Result]":
    from resilient.testing.drill import drill
    from resilient.testing.loop import run

    columns = (
        TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[phase]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        for service in services:
            bar = bars.add_task(service.name, total=None, phase="")

            def progress(done: int, whole: int, phase: str, bar: object = bar) -> None:
                bars.update(bar, completed=done, total=whole, phase=phase)  # type: ignore[arg-type]

            yield run(drill(service, progress))


def _show(results: "Sequence[Result]", *, passed: bool) -> None:
    show_table(_HEADERS, [row for result in results for row in _rows(result)])
    for result in results:
        for fault in result.faults:
            show(f"{result.service}: {fault}", style="red")
        for limit in result.limits:
            if not limit.holds:
                show(
                    f"{result.service}: limit {limit.name} of {limit.scope} was exceeded: "
                    f"{limit.most} calls in {in_words(limit.period)}, {limit.refused} refused, "
                    f"{limit.calls} allowed",
                    style="red",
                )
    minutes = sum(result.virtual_seconds for result in results) / 60
    total = sum(result.attempts for result in results)
    bans = sum(result.bans for result in results)
    verdict = "passed" if passed else "FAILED"
    show(
        f"{verdict}: {total} requests in {minutes:.0f} virtual minutes, {bans} bans",
        style="bold green" if passed else "bold red",
    )


def _rows(result: "Result") -> "Iterator[tuple[str, ...]]":
    limits = list(_strictest(result.limits)) or [("none documented", "", "")]
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


def _strictest(limits: "Sequence[LimitUse]") -> Iterator[tuple[str, str, str]]:
    """Yield, of each limit, the scope that was used most: accounts are many."""
    worst: dict[tuple[str, str], LimitUse] = {}
    for each in limits:
        key = (each.name, each.scope.partition(":")[0])
        if key not in worst or each.most > worst[key].most:
            worst[key] = each
    for (name, kind), each in worst.items():
        used = "" if each.used is None else f"{each.used:.1%}"
        yield f"{name} per {kind}", f"{each.most} / {each.calls} in {in_words(each.period)}", used
