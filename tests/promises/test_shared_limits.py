"""Processes that share a limit keep it together, use it, and take turns."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from oracle import inversions, most_in_window
from promises.conftest import Figure, Scale
from redis_server import RedisServer
from server import Server

import resilient
from resilient.core.pacing import Bucket, pace

pytestmark = pytest.mark.real_time

WORKER = Path(__file__).parents[1] / "shared_worker.py"
ROOT = WORKER.parents[1]

CALLS, PERIOD = 120, 2.0
RATE = "120/2s"
TASKS = (1, 8, 2, 4)
"""How many calls wait at a time in each loop of a process: not all are equally busy."""


@attrs.frozen
class Granted:
    """A call that was granted: when it arrived and was granted, among those of its instance."""

    arrival: int
    number: int
    at: float


Instances = Sequence[Sequence[Granted]]
"""What was granted to each instance."""


@attrs.frozen(eq=False)
class Crowd:
    """Processes that call one API for a while.

    Attributes:
        store: Where their limit is kept, as a configuration says it.
        folder: Where they write.
    """

    server: Server
    store: object
    folder: Path
    processes: int
    seconds: float

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of each."""
        limits = {"calls": {"rate": RATE, "per": ["ip"]}}
        service = {"catalog": "http", "hosts": [self.server.host], "limits": limits}
        return {"version": 1, "store": self.store, "services": {"api": service}}

    @property
    def pace(self) -> Bucket:
        """How fast they may call together."""
        (limit,) = resilient.load(self.config)["api"].catalog.limits
        found = pace(limit)
        assert isinstance(found, Bucket)
        return found

    async def run(self) -> Instances:
        """Run them, and return what each of their loops was granted."""
        running = [await self._start(number) for number in range(self.processes)]
        try:
            async with asyncio.timeout(60 + self.seconds):
                for each in running:
                    assert each.stdout is not None
                    assert b"ready\n" == await each.stdout.readline()
                for each in running:
                    assert each.stdin is not None
                    each.stdin.write(b"begin\n")
                assert {0} == {await each.wait() for each in running}
        finally:
            for each in running:
                if each.returncode is None:
                    each.kill()
                    await each.wait()
        files = [self._file(number).read_text("utf-8") for number in range(self.processes)]
        return [[Granted(*each) for each in notes] for file in files for notes in json.loads(file)]

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        task = {
            "config": self.config,
            "url": f"{self.server.url}/x",
            "seconds": self.seconds,
            "tasks": TASKS[number % len(TASKS)],
            "file": str(self._file(number)),
        }
        pipe = asyncio.subprocess.PIPE
        program = (sys.executable, "-W", "error", str(WORKER), json.dumps(task))
        return await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe, cwd=ROOT)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number}.json"


def fullest(instances: Instances) -> int:
    """Return the most that any window holds, by the clock of the store."""
    return most_in_window([(each.at, 1) for one in instances for each in one], PERIOD)


def elapsed(instances: Instances) -> float:
    """Return the seconds between the first grant and the last."""
    times = [each.at for one in instances for each in one]
    return max(times) - min(times)


def check_windows(instances: Instances) -> None:
    """Hold every window of the limit's length to it."""
    assert fullest(instances) <= CALLS


def disorder(instances: Instances) -> int:
    """Count the calls that an instance let go before one that came earlier."""
    grants = [sorted(one, key=lambda each: each.number) for one in instances]
    return sum(inversions(each.arrival for each in one) for one in grants)


async def test_processes_share_a_limit(
    server: Server, redis_server: RedisServer, tmp_path: Path, scale: Scale, figure: Figure
) -> None:
    """Together they keep it in every window, use it, take turns, and stay in order within each."""
    # It must not be down for them, which on a busy machine takes longer than 50 ms to be sure.
    store = {"url": redis_server.url, "timeout": "5s"}
    crowd = Crowd(server, store, tmp_path, scale(3, 8), scale(3, 60))
    instances = await crowd.run()
    counts = [len(one) for one in instances]
    total, fair = sum(counts), sum(counts) / len(counts)
    used = total / (1 + crowd.pace.rate * max(crowd.seconds, elapsed(instances)))
    figure("A7", f"most in a window of {RATE}", fullest(instances), of=f"{total:,} grants")
    figure("A7", "used of what the pace allows", used)
    figure("A7", "least and most of an instance, in fair shares", _shares(counts, fair))
    figure("A7", "script calls for each grant", _scripts(redis_server) / total)
    check_windows(instances)
    # A short run on a busy machine is mostly its start.
    assert used >= scale(70, 95) / 100
    assert min(counts) >= fair / 2
    assert 0 == disorder(instances)


def _shares(counts: Sequence[int], fair: float) -> str:
    return f"{min(counts) / fair:.2f} to {max(counts) / fair:.2f}"


def _scripts(redis_server: RedisServer) -> int:
    done = redis_server.command("INFO", "commandstats")
    return sum(int(done.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("eval", "evalsha"))


async def test_processes_that_share_nothing(
    server: Server, tmp_path: Path, scale: Scale, figure: Figure
) -> None:
    """The same processes, each with the limit in its own memory, break it as often as there are."""
    crowd = Crowd(server, "memory", tmp_path, scale(2, 8), scale(1, 10))
    instances = await crowd.run()
    with pytest.raises(AssertionError):
        check_windows(instances)
    most, total = fullest(instances), sum(map(len, instances))
    figure("A7", f"most in a window of {RATE} without a store", most, of=f"{total:,} grants")
