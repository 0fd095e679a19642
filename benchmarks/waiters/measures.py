"""What is measured of those who wait, each time in a process of its own."""

import asyncio
import os
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median

import attrs
from aiohttp import TCPConnector

from benchmarks.rounds import no_garbage
from benchmarks.shared.peers import Acquire
from benchmarks.waiters.still import run
from benchmarks.waiters.ways import BY_NAME, DAY, LATCH, OURS, Way, scheduler
from resilient.state.admission import Admission
from resilient.state.lane import Lane

MICRO = 1e6
REPEATED = 30_000
"""Few waiters are measured several times, until there were so many."""
LEAVING = 10_000
PLENTY = 1_000_000
BATCH, BATCHES = 50, 200


@attrs.frozen
class Drained:
    """What it took until all had their turn.

    Attributes:
        cpu: Microseconds of processor time for each, with its task.
        bytes: Resident memory for each while all waited, with its task.
        inversions: How often one went right after another who had come later.
        seconds: Of virtual time.
    """

    cpu: float
    bytes: float
    inversions: int
    seconds: float


def drained(name: str, count: int) -> Drained:
    """Let so many wait at once, and have their turns."""
    way = BY_NAME[name]
    found = [run(_drained(way, count)) for _ in range(max(1, min(9, REPEATED // count)))]
    return Drained(
        median(each.cpu for each in found),
        found[0].bytes,
        max(each.inversions for each in found),
        found[0].seconds,
    )


async def _drained(way: Way, count: int, leaving: frozenset[int] = frozenset()) -> Drained:
    async with way.open() as acquire:
        return await drain(acquire, count, leaving)


async def drain(acquire: Acquire, count: int, leaving: frozenset[int]) -> Drained:
    """Let so many wait at once, and some leave as soon as all do."""
    loop = asyncio.get_running_loop()
    order, over = list[int](), loop.create_future()

    async def wait(number: int) -> None:
        await acquire()
        order.append(number)
        if len(order) == count - len(leaving):
            over.set_result(None)

    with no_garbage():
        before, began, spent = resident(), loop.time(), time.process_time()
        tasks = [loop.create_task(wait(number)) for number in range(count)]
        await asyncio.sleep(0)
        grown = resident() - before
        for number in leaving:
            tasks[number].cancel()
        await over
        cpu = (time.process_time() - spent) / count * MICRO
    inversions = sum(one > other for one, other in pairwise(order))
    return Drained(cpu, grown / count, inversions, loop.time() - began)


def resident() -> int:
    """Return the bytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@attrs.frozen
class Left:
    """What it came to that half of those who waited gave up.

    Attributes:
        cpu: Microseconds of processor time for each of all.
        lost: So many turns later than without those who left the others were through.
    """

    cpu: float
    lost: float


def left() -> Left:
    """Let half of those who wait give up as soon as all wait."""
    way, half = BY_NAME[OURS], LEAVING // 2
    # The first few are let through before anybody can leave.
    leaving = frozenset(Random(1).sample(range(100, LEAVING), half))
    without = run(_drained(way, half))
    found = run(_drained(way, LEAVING, leaving))
    return Left(found.cpu, (found.seconds - without.seconds) * half / without.seconds)


@attrs.frozen
class Unheld:
    """Microseconds for a call that nothing holds up.

    Attributes:
        admitted: To let it go: one scope, one limit.
        whole: To let it go, hear of its answer and of its connection: two limits, and a pool.
    """

    admitted: float
    whole: float


def unheld() -> Unheld:
    """Return what an admission costs where nobody waits."""

    async def measured(per: str, connector: TCPConnector | None) -> tuple[float, float]:
        admission, lane = scheduler(PLENTY, per, connector)
        for _ in range(2):  # a scope that is new is looked at more closely
            (await admission.admit(lane, 1, DAY * DAY)).answered((), LATCH)
            await asyncio.sleep(1)
        with no_garbage():
            found = [_batch(admission, lane) for _ in range(BATCHES)]
        return median(one for one, _ in found), median(both for _, both in found)

    async def both() -> Unheld:
        admitted, _ = await measured("credential", None)
        connector = TCPConnector()
        _, whole = await measured("credential, ip", connector)
        await connector.close()
        return Unheld(admitted, whole)

    return asyncio.run(both())


def _batch(admission: Admission, lane: Lane) -> tuple[float, float]:
    """Return microseconds a call: let go, and let go and settled."""
    now = admission.now()
    began = time.process_time()
    grants = [admission.at_once(lane, 1, now + DAY, now) for _ in range(BATCH)]
    admitted = time.process_time()
    for grant in grants:
        assert grant is not None
        grant.answered((), LATCH)
        grant.disconnected()
    ended = time.process_time()
    return (admitted - began) / BATCH * MICRO, (ended - began) / BATCH * MICRO
