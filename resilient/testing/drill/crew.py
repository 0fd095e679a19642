"""The processes of a drill: started, told to begin at the same time, and gone at the end.

They live no longer than this process does: each leaves when the pipe from it ends.
"""

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs

from resilient.testing.drill.task import Done, Task

START = 60.0
"""Seconds that all may take until they are ready: on a busy machine Python is slow to start."""

LATE = 15.0
"""Seconds that they may take longer than they were told to."""

FAREWELL = 5.0
"""Seconds that one may take to leave; then it is killed."""

_PROGRAM = ("-P", "-m", "resilient.testing.drill.worker")


class CrewFailed(Exception):
    """A process did not do what it was told."""


@attrs.frozen(eq=False)
class Member:
    """One process."""

    task: Task
    _process: Process
    _input: asyncio.StreamWriter
    _output: asyncio.StreamReader

    @classmethod
    async def start(cls, task: Task) -> "Member":
        """Start it, and tell it what to do."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *_PROGRAM, stdin=PIPE, stdout=PIPE, env=_environment(),
            start_new_session=True,  # Ctrl-C is ours to handle
        )  # fmt: skip
        # asyncio cannot say in types that pipes that were asked for are there.
        pipes: Any = process.stdin, process.stdout
        member, told = cls(task, process, *pipes), pickle.dumps(task)
        member._input.write(b"%d\n" % len(told) + told)
        return member

    async def is_ready(self) -> None:
        """Wait until it is.

        Raises:
            CrewFailed: It never is.
        """
        if await self._output.readline() != b"ready\n":
            raise CrewFailed(f"process {self.task.number} did not start")

    def begin(self) -> None:
        """Let it begin."""
        self._input.write(b"begin\n")

    async def result(self) -> Done:
        """Wait until it is done, and return what it did.

        Raises:
            CrewFailed: It does not say.
        """
        said = await self._output.read()
        if not said:
            raise CrewFailed(f"process {self.task.number} ended early")
        done: Done = pickle.loads(said)  # noqa: S301 - our own process
        return done

    async def leave(self) -> None:
        """End it, if it has not ended."""
        self._input.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


@attrs.frozen(eq=False)
class Crew:
    """Processes that are ready to begin."""

    members: Sequence[Member]

    async def work(self, seconds: float) -> list[Done]:
        """Let all begin, and return what each did.

        Raises:
            CrewFailed: One does not end in time, or in another way than it should.
        """
        for each in self.members:
            each.begin()
        try:
            async with asyncio.timeout(seconds + LATE):
                return await asyncio.gather(*(each.result() for each in self.members))
        except TimeoutError:
            raise CrewFailed(f"the processes did not end {LATE:g} s after their time") from None


@asynccontextmanager
async def crew(tasks: Sequence[Task]) -> AsyncIterator[Crew]:
    """Start a process for each task, and end them all.

    Raises:
        CrewFailed: One does not start.
    """
    members: list[Member] = []
    try:
        for task in tasks:
            members.append(await Member.start(task))  # noqa: PERF401 - those started are ended
        await _all_ready(members)
        yield Crew(members)
    finally:
        await asyncio.gather(*(each.leave() for each in members))


async def _all_ready(members: Sequence[Member]) -> None:
    try:
        async with asyncio.timeout(START):
            await asyncio.gather(*(each.is_ready() for each in members))
    except TimeoutError:
        raise CrewFailed(f"the processes did not start within {START:g} s") from None


def _environment() -> dict[str, str]:
    """Return what lets a process find the modules that this one has found."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
