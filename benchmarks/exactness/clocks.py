"""Virtual time for libraries that were not written for it.

Those that ask `time` instead of the loop would never see it pass, so while one of them is
measured all clocks of `time` are the loop's, also under the names by which its modules have
imported them. And those that wake a hair too early, by rounding, and go to sleep until that hair
has passed would do so for ever while the time stands still: here it never does.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest import mock

from resilient.testing import VirtualTimeLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

READING = 1e-9
"""Seconds that it takes to read the clock."""

SECONDS = ("time", "monotonic", "perf_counter")
NANOSECONDS = ("time_ns", "monotonic_ns", "perf_counter_ns")


class CreepingLoop(VirtualTimeLoop):
    """A loop in virtual time in which no two moments are the same."""

    def __init__(self) -> None:
        self._crept = 0.0
        super().__init__()

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        self._crept += READING
        return super().time() + self._crept

    def run_in_executor(
        self, _executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        """Run `func` here and now: what is done in a thread takes no virtual time."""
        future: asyncio.Future[T] = self.create_future()
        future.set_result(func(*args))
        return future


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time that creeps, and return its result."""
    with asyncio.Runner(loop_factory=CreepingLoop) as runner:
        return runner.run(main)


@contextmanager
def virtual_clocks(modules: Sequence[str]) -> Iterator[None]:
    """Let modules, and those below them, read the running loop's time from every clock."""
    for name in modules:
        import_module(name)  # before, or it would keep the loop's time for ever
    now = asyncio.get_running_loop().time
    virtual: dict[str, Callable[[], float]] = dict.fromkeys(SECONDS, now)
    virtual |= {name: _in_ns(now) for name in NANOSECONDS}
    with ExitStack() as patched:
        for place, attribute, clock in _uses(modules):
            patched.enter_context(mock.patch.object(place, attribute, virtual[clock]))
        yield


def _in_ns(now: Callable[[], float]) -> Callable[[], int]:
    def now_ns() -> int:
        return round(now() * 1e9)

    return now_ns


def _uses(modules: Sequence[str]) -> list[tuple[object, str, str]]:
    """Return where the clocks are: the place, what they are called there, which it is."""
    clocks = {id(getattr(time, name)): name for name in (*SECONDS, *NANOSECONDS)}
    roots = {name.partition(".")[0] for name in modules}
    places = [each for name, each in sys.modules.items() if name.partition(".")[0] in roots]
    return [
        (place, attribute, clocks[id(value)])
        for place in (time, *places)
        for attribute, value in list(vars(place).items())
        if id(value) in clocks
    ]
