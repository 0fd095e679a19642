"""When those who wait give up: each at its own time, with one timer for all of a queue."""

import asyncio
import gc
import random

import pytest
from desk import LATCH, Desk, finish, limit, service

from resilient.model import Pause
from resilient.state.grant import Grant
from resilient.state.waiting import Refused
from resilient.testing import run

WIDE = service(limit(600_000, 60), max_queue=10**6)


async def shut(desk: Desk) -> Grant:
    """Let a probe be on its way: nobody can tell when the next one may go."""
    await desk.warm()
    await desk.call(marks=[Pause(scope="credential", seconds=10)])
    return await desk.admit()


async def gives_up(desk: Desk, within: float) -> float:
    """Wait, and return when that was refused."""
    with pytest.raises(Refused, match="deadline"):
        await desk.admit(within=within)
    return desk.now


def timers() -> int:
    """Count the timers of the loop."""
    loop = asyncio.get_running_loop()
    return sum(not each.cancelled() for each in loop._scheduled)  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(5))
async def test_each_at_its_own_time(seed: int) -> None:
    """However the deadlines lie, each call is refused at its own, and those who can wait go."""
    desk, chance = Desk(WIDE), random.Random(seed)
    probe = await shut(desk)
    began, patience = (
        desk.now,
        [chance.choice([5.0, 5.0, chance.uniform(1, 9)]) for _ in range(200)],
    )
    ends = [asyncio.create_task(gives_up(desk, each)) for each in patience]
    patient = asyncio.create_task(desk.call("patient", within=60))
    assert pytest.approx([began + each for each in patience], abs=1e-6) == await finish(*ends)
    probe.answered((), LATCH)
    await patient
    assert ["patient"] == desk.order[-1:]
    assert 0 == desk.lane().live


async def test_one_timer_for_all() -> None:
    """A thousand who wait need no more timers than one does, and none is left of them."""
    desk = Desk(WIDE)
    probe = await shut(desk)
    before = timers()
    tasks = [asyncio.create_task(desk.call(within=60 + number % 7)) for number in range(1000)]
    await asyncio.sleep(0)
    assert timers() <= before + 2
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert before == timers()
    probe.answered((), LATCH)


async def test_the_impatient_who_left_are_let_go() -> None:
    """Of those with an earlier deadline than others no more are remembered than wait."""
    desk = Desk(WIDE)
    probe = await shut(desk)
    patient = asyncio.create_task(desk.call(within=3000))
    for _ in range(100):
        tasks = [asyncio.create_task(desk.call(within=60)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    deadlines = desk.lane().deadlines
    assert deadlines is not None
    assert len(deadlines.hasty) < 200
    probe.answered((), LATCH)
    await patient


def test_cancelled_from_outside() -> None:
    """A loop that ends cancels who waits while it does not run, and all of them leave."""
    desk = Desk(WIDE)

    async def leaves() -> None:
        await shut(desk)
        tasks = [asyncio.create_task(desk.call()) for _ in range(10)]
        await asyncio.sleep(0)
        assert len(tasks) == desk.lane().live

    run(leaves())
    gc.collect()
    assert {0} == {lane.live + lane.queued for lane in desk.admission.memory.lanes.values()}


async def test_a_listener_that_fails() -> None:
    """Who cannot be told of its wait does not wait."""
    desk = Desk(service(limit(60, 60)))
    await desk.call()

    def fails(_: object) -> None:
        raise RuntimeError("it fails")

    with pytest.raises(RuntimeError, match="it fails"):
        await desk.admission.admit(desk.lane(), 1, desk.now + 60, fails)
    await asyncio.sleep(0)
    assert 0 == desk.lane().live
