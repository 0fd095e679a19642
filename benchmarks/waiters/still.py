"""A loop that nothing reaches from outside: it only moves its own time, at no cost."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START = 1_000_000.0
READING = 1e-9
"""Seconds that it takes to read the clock: some would wait for ever for a hair to pass."""


class _Deaf(selectors.SelectSelector):
    """Waits by moving the time."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nobody is ever going to go on"
        self.now += max(0.0, timeout)
        return []


class StillLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time, without sockets or signals."""

    def __init__(self) -> None:
        self._deaf = _Deaf()
        super().__init__(self._deaf)
        self._clock_resolution = 1e-7  # its own is lost in rounding, so late is the time

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        self._deaf.now += READING
        return self._deaf.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in such a loop."""
    with asyncio.Runner(loop_factory=StillLoop) as runner:
        return runner.run(main)
