"""What `resilient drill --processes` shows: the processes side by side, and whether they passed."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs

from resilient.cli.drilling import bars, exceeded, strictest
from resilient.cli.terminal import in_words, show, show_json, show_table
from resilient.config.service import Service, SharedStore

if TYPE_CHECKING:
    from resilient.testing.drill.shared import PauseSeen, ProcessUse, SharedDrill, SharedResult

OWN = "redis"
"""What `--store` is called for a redis-server that is started for the drill."""

JITTER = 0.1
"""Seconds by which calls may be late to arrive, unless a limit says otherwise."""

_PROCESSES = ("process", "calls", "sent", "refused", "retried", "failed", "a call took", "share")
_LIMITS = ("limit", "most / allowed", "used")


def run_together(
    services: Sequence[Service], store: SharedStore | None, processes: int, seconds: float
) -> "SharedDrill":
    """Drill services with several processes; a store of URL `redis` is started and stopped.

    Raises:
        ConfigError: The store's URL is wrong, or there is no redis-server to start.
    """
    from resilient.testing.drill.own_redis import own_redis
    from resilient.testing.drill.together import drill_together

    with ExitStack() as stack:
        if store is not None and store.url == OWN:
            store = attrs.evolve(store, url=stack.enter_context(own_redis()))
        progress = stack.enter_context(bars())(many(processes))
        return asyncio.run(
            drill_together(
                services, store=store, processes=processes, seconds=seconds, progress=progress
            )
        )


def show_together(drill: "SharedDrill", *, as_json: bool) -> None:
    """Print what a drill of several processes has seen."""
    if as_json:
        show_json(drill.asdict())
        return
    for result in drill.services:
        show(f"{result.service}: {_sharing(drill)}")
        show_table(_PROCESSES, list(_process_rows(result)))
        show()
        show_table(_LIMITS, list(_limit_rows(result)))
        show()
        for line in map(_pause, result.pauses):
            show(line)
    for line in _complaints(drill):
        show(line, style="red")
    show(_verdict(drill), style="bold green" if drill.passed else "bold red")


def _sharing(drill: "SharedDrill") -> str:
    time = in_words(drill.seconds)
    calling = f"{many(drill.processes)} calling for {time}"
    if drill.store is None:
        return f"{calling}, each with the limits in its own memory: there is no store"
    return f"{calling}, with the limits in {drill.store}"


def many(processes: int) -> str:
    """Return so many processes in words."""
    return "1 process" if processes == 1 else f"{processes} processes"


def _process_rows(result: "SharedResult") -> Iterator[tuple[str, ...]]:
    for each in result.processes:
        yield (str(each.number), *map(str, _counts(each)), in_words(each.waited), _part(each.share))
    sums = [sum(column) for column in zip(*map(_counts, result.processes), strict=True)]
    took = sum(each.waited * each.calls for each in result.processes) / max(1, sums[0])
    yield ("together", *map(str, sums), in_words(took), _part(1.0))


def _counts(use: "ProcessUse") -> tuple[int, ...]:
    return use.calls, use.sent, use.refused, use.retried, use.failed


def _part(share: float) -> str:
    return f"{share:.1%}"


def _limit_rows(result: "SharedResult") -> Iterator[tuple[str, ...]]:
    yield from strictest(result.limits)
    if not result.limits:
        yield ("none documented", "", "")


def _pause(pause: "PauseSeen") -> str:
    told = f"process {pause.process} was told to wait {in_words(pause.seconds)}"
    if pause.late:
        return f"{told}, and {pause.late} calls came all the same"
    last = (
        f"the last call came {in_words(pause.last)} later" if pause.last else "all stopped at once"
    )
    again = "none after it" if pause.silent is None else f"the next after {in_words(pause.silent)}"
    return f"{told}: {last}, {again}"


def _complaints(drill: "SharedDrill") -> Iterator[str]:
    yield from drill.faults
    for result in drill.services:
        yield from (f"{result.service}: {fault}" for fault in result.faults)
        yield from exceeded(result.service, result.limits)
    if drill.store is not None and drill.services and not drill.passed and drill.late > JITTER:
        yield (
            f"this machine is busy: the emulator was up to {in_words(drill.late)} late, and what "
            f"arrives more than {in_words(JITTER)} late may exceed a limit of a second"
        )


def _verdict(drill: "SharedDrill") -> str:
    sent = sum(each.sent for each in drill.services)
    refused = sum(each.refused for each in drill.services)
    bans = sum(each.bans for each in drill.services)
    said = f"{sent} requests of {many(drill.processes)}, {refused} refused, {bans} bans"
    if drill.scripts is not None:
        said += f", {drill.scripts:.2f} script calls a request"
    return f"{'passed' if drill.passed else 'FAILED'}: {said}"
