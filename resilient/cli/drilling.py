"""What both kinds of drill need to be run and shown."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from resilient.cli.terminal import in_words

if TYPE_CHECKING:
    from resilient.testing.drill import LimitUse

Told = Callable[[int, int, str], None]
"""Is told how much is done, of how much, and of what."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Enforce, whatever the shell is set to, and log nothing: a drill's failures are no news."""
    log = logging.getLogger("resilient")
    level, mode = log.level, os.environ.pop("RESILIENT_MODE", None)
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        os.environ.update({} if mode is None else {"RESILIENT_MODE": mode})


@contextmanager
def bars() -> Iterator[Callable[[str], Told]]:
    """Show bars on stderr; each name that is given gets one."""
    columns = (
        TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[phase]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as shown:

        def add(name: str) -> Told:
            bar = shown.add_task(name, total=None, phase="")
            return lambda done, whole, phase: shown.update(
                bar, completed=done, total=whole, phase=phase
            )

        yield add


def strictest(limits: "Sequence[LimitUse]") -> Iterator[tuple[str, str, str]]:
    """Yield, of each limit, the scope that was used most: accounts are many."""
    worst: dict[tuple[str, str], LimitUse] = {}
    for each in limits:
        key = (each.name, each.scope.partition(":")[0])
        if key not in worst or each.most > worst[key].most:
            worst[key] = each
    for (name, kind), each in worst.items():
        used = "" if each.used is None else f"{each.used:.1%}"
        yield f"{name} per {kind}", f"{each.most} / {each.calls} in {in_words(each.period)}", used


def exceeded(service: str, limits: "Sequence[LimitUse]") -> Iterator[str]:
    """Yield a sentence for each limit that did not hold."""
    for limit in limits:
        if not limit.holds:
            yield (
                f"{service}: limit {limit.name} of {limit.scope} was exceeded: "
                f"{limit.most} calls in {in_words(limit.period)}, {limit.refused} refused, "
                f"{limit.calls} allowed"
            )
