"""A loop whose time jumps: hours pass in milliseconds, over real sockets.

Sockets win over timers: time jumps to the next timer only when nothing is ready and nothing
is on its way. Between sockets that are both of this loop (a test's own loopback server) that
is certain, on Linux, and costs microseconds. For any other socket the loop waits `grace` real
seconds for silence first, so an answer from another process that takes longer than that is
outrun: raise `grace`, or use a real loop. While work runs in the loop's thread pool (names
looked up, files read) timers are waited for in real time. Other threads and subprocesses are
not seen, and what reads the machine's own clock does not jump.

It is a selector loop of asyncio's own, whatever loop is set for the program. uvloop keeps its
time in C, where nothing can move it.
"""

import asyncio
import selectors
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from resilient.testing.in_flight import InFlight

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START = 1_000_000.0
"""Where time starts: large, as on a machine that has been up for days."""

RESOLUTION = 1e-7
"""Seconds: timers so near are due together. Enough for 17 years of virtual time."""

GRACE = 0.002
"""Real seconds of silence that are waited for where silence cannot be proved."""


class _JumpingSelector(selectors.DefaultSelector):
    """Waits by moving the time, unless something may still come."""

    def __init__(self, grace: float) -> None:
        super().__init__()
        self.now = START
        self.threads = 0
        self.in_flight = InFlight()
        self._grace = grace

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: Any = None
    ) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self.in_flight.watch(key.fd)
        return key

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self.in_flight.forget(key.fd)
        return key

    def close(self) -> None:
        self.in_flight.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(self._real_wait(timeout))
        if not events:
            self.now += timeout
        return events

    def _real_wait(self, timeout: float) -> float:
        if self.threads:
            return timeout
        # Asked before the sockets are looked at: what has arrived by now will be seen there.
        return 0.0 if self.in_flight.nothing() else self._grace


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, for whoever takes a loop factory.

    Args:
        grace: Real seconds of silence before a jump, where silence cannot be proved.
    """

    def __init__(self, *, grace: float = GRACE) -> None:
        self._jumping = _JumpingSelector(grace)
        super().__init__(self._jumping)
        # asyncio adds this to the time to see which timers are due. Its own 1 ns is lost in
        # rounding after half a year, and a timer due now would never run.
        self._clock_resolution = RESOLUTION
        self._jumping.in_flight.own = frozenset(key.fd for key in self._jumping.get_map().values())

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> Future[T]:
        """Run `func` in a thread; until it has ended, time is real."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Wait for the threads: no timeout of that wait may jump ahead of them."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._jumping.threads -= 1

    def _thread_ended(self, _: Future[Any]) -> None:
        self._jumping.threads -= 1


def run(main: Coroutine[Any, Any, T], *, grace: float = GRACE) -> T:
    """Run a coroutine in virtual time and return its result, as `asyncio.run` does.

    Args:
        main: What to run.
        grace: Real seconds of silence before a jump, where silence cannot be proved.

    Raises:
        RuntimeError: A loop is running here already.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - documented, and does not raise
        main.close()
        raise RuntimeError(
            "resilient.testing.run starts a loop of its own, and one is running here already: "
            "await the coroutine, and mark the test virtual_time"
        )

    def loop() -> AbstractEventLoop:
        return VirtualTimeLoop(grace=grace)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)
