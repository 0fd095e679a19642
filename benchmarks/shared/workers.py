"""The processes that ask: each does what it is told, as often as it is told."""

import asyncio
import gc
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

from benchmarks.shared.contenders import BY_NAME
from benchmarks.shared.model import Done, Job
from benchmarks.shared.peers import Acquire
from benchmarks.shared.server import LOG

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WARM_UP = 0.05
"""Seconds of asking before it counts: connections are opened, and code becomes warm."""

GRACE = 0.5
"""Seconds for calls that were on their way when the time was up."""

PATIENCE = 2
"""Seconds for a process to end."""


@attrs.define
class Log:
    """Notes grants in a stream of Redis's, whose entries carry Redis's own time.

    The answer is waited for, on a connection of its own, before the call goes on: so an entry
    is one request, to be taken off those of the contender, and stands where its grant was.
    """

    port: int
    number: int
    cpu: float = 0.0
    _socket: socket.socket = attrs.field(init=False)
    _entry: bytes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.port))
        self._entry = f"XADD {LOG} * by {self.number}\r\n".encode()

    def note(self) -> None:
        """Note a grant."""
        began = time.process_time()
        self._socket.sendall(self._entry)
        self._socket.recv(64)
        self.cpu += time.process_time() - began


@attrs.define
class Tally:
    """How many calls may be sent."""

    note: Callable[[], None] | None
    grants: int = 0

    async def ask(self, acquire: Acquire, until: float) -> None:
        """Ask again and again."""
        now = asyncio.get_running_loop().time
        while True:
            await acquire()
            self.grants += 1
            if self.note is not None:
                self.note()
            if now() >= until:
                return


async def perform(job: Job, port: int, number: int, begin: Callable[[], None]) -> Done:
    """Open a contender, say that it is ready, and do the job when told to begin."""
    async with BY_NAME[job.contender].open(f"redis://127.0.0.1:{port}", job.limits) as acquire:
        log = Log(port, number) if job.logged else None
        if log is None:
            await measure(acquire, attrs.evolve(job, seconds=WARM_UP), None)
        gc.collect()
        begin()
        return await measure(acquire, job, log)


async def measure(acquire: Acquire, job: Job, log: Log | None) -> Done:
    """Do the job."""
    loop, tally = asyncio.get_running_loop(), Tally(None if log is None else log.note)
    began, cpu = loop.time(), time.process_time()
    tasks = [
        asyncio.ensure_future(tally.ask(acquire, began + job.seconds)) for _ in range(job.tasks)
    ]
    _, late = await asyncio.wait(tasks, timeout=job.seconds + GRACE)
    done = Done(
        tally.grants,
        loop.time() - began,
        time.process_time() - cpu - (0.0 if log is None else log.cpu),
    )
    for task in late:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return done


def work(pipe: "Connection[object, Job | None]", port: int, number: int) -> None:
    """Do jobs until there are no more."""

    def begin() -> None:
        pipe.send(None)
        pipe.recv()

    with suppress(KeyboardInterrupt, EOFError):
        while (job := pipe.recv()) is not None:
            pipe.send(asyncio.run(perform(job, port, number, begin)))


@attrs.frozen
class Workers:
    """Processes that wait for jobs."""

    pipes: "Sequence[Connection[Job | None, Done | None]]"

    def run(self, job: Job, processes: int) -> list[Done]:
        """Let some of them do a job, all at the same time."""
        pipes = self.pipes[:processes]
        for pipe in pipes:
            pipe.send(job)
        for pipe in pipes:
            pipe.recv()
        for pipe in pipes:
            pipe.send(None)
        return [done for pipe in pipes if (done := pipe.recv()) is not None]


@contextmanager
def working(count: int, port: int) -> Iterator[Workers]:
    """Start so many processes, and end them."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = zip(*(context.Pipe() for _ in range(count)), strict=True)
    children = [
        context.Process(target=work, args=(pipe, port, number), daemon=True)
        for number, pipe in enumerate(theirs)
    ]
    for child, pipe in zip(children, theirs, strict=True):
        child.start()
        pipe.close()
    try:
        yield Workers(ours)
    finally:
        for child, pipe in zip(children, ours, strict=True):
            with suppress(BrokenPipeError):
                pipe.send(None)
            pipe.close()
            child.join(PATIENCE)
            child.terminate()
