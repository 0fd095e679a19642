"""Those who wait, whichever store they wait for: refusals, urgency, and what they are told."""

import asyncio
from typing import Any

import pytest
from desk import LATCH, finish, limit
from shared_desk import Counter, Desks, when

from resilient.model import Pause
from resilient.state.waiting import Delay, Refused

pytestmark = pytest.mark.real_time  # on the loops that conftest.py gives

FAST = limit(1000, 1, jitter=0)

SLOW = limit(10, 20, jitter=0)
"""One at once, and one each two seconds."""


async def refusal(desk: Counter, **call: Any) -> tuple[Any, ...]:
    """Return why a call is refused, at once, and the wait that it is told."""
    began = desk.now
    with pytest.raises(Refused) as caught:
        await desk.admit(**call)
    assert desk.now - began < 1
    return caught.value.why, caught.value.wait


async def queued(desk: Counter, count: int, **call: Any) -> list[asyncio.Task[float]]:
    """Queue calls behind a first one."""
    await desk.call(**call)
    tasks = desk.start(count, **call)
    await desk.until_told(count)
    return tasks


async def test_a_wait_known_not_to_fit(desks: Desks) -> None:
    """A call behind a queue longer than its deadline is refused then and there."""
    desk = await desks.open(SLOW)
    tasks = await queued(desk, 4)
    assert ("deadline", pytest.approx(10, abs=1)) == await refusal(desk, within=9.5)
    longer = asyncio.create_task(desk.admit(within=11))
    await desk.until_told(5)
    for task in (*tasks, longer):
        task.cancel()


@pytest.mark.parametrize(("within", "room"), [(1, 0), (5, 2), (9, 4), (11, 5)])
async def test_a_wait_known_not_to_fit_at_once(desks: Desks, within: float, room: int) -> None:
    """Of many that come together only those wait for whom there is time; none is refused late."""
    desk = await desks.open(SLOW)
    await desk.call()
    began = desk.now
    tasks = desk.start(10, within=within)
    await desk.until(lambda: sum(task.done() for task in tasks) >= 10 - room)
    assert desk.now - began < 1
    assert [*[False] * room, *[True] * (10 - room)] == [task.done() for task in tasks]
    for task in tasks:
        task.cancel()
    whys = {end.why for end in await finish(*tasks) if isinstance(end, Refused)}
    assert {"deadline"} == whys


async def test_nobody_listens(desks: Desks) -> None:
    """A call that wants to hear nothing of its wait waits in its turn, as any other."""
    desk = await desks.open(limit(10, 0.5, jitter=0))
    await desk.call()
    silent = asyncio.ensure_future(desk.admission.admit(desk.lane(), 1, desk.now + 60))
    behind = asyncio.create_task(desk.admit())
    assert when(await silent) < when(await behind)
    assert [2] == [each.position for each in desk.delays]


async def test_a_heavy_call_known_not_to_fit(desks: Desks) -> None:
    """The time in which a call above the burst saves up counts, too."""
    desk = await desks.open(SLOW)
    await desk.call()
    assert ("deadline", pytest.approx(8, abs=1)) == await refusal(desk, cost=4, within=7)


async def test_the_deadline_itself(desks: Desks) -> None:
    """A wait that nobody could foresee ends with the deadline, and those behind move up."""
    desk = await desks.open(FAST)
    await desk.call(marks=[Pause(scope="credential", seconds=0.05)])
    probe = await desk.admit()
    waiting = asyncio.create_task(desk.admit(within=0.2))
    await desk.until_told(2)
    behind = asyncio.create_task(desk.call())
    with pytest.raises(Refused, match="deadline"):
        await waiting
    probe.answered((), LATCH)
    await behind


async def test_a_pause_that_moves(desks: Desks) -> None:
    """Who waits and whom a new pause no longer fits is refused then; the others wait on."""
    desk = await desks.open(FAST)
    await desk.call(marks=[Pause(scope="credential", seconds=0.05)])
    probe = await desk.admit()
    short = asyncio.create_task(desk.admit(within=5))
    long = asyncio.create_task(desk.admit())
    await desk.until(lambda: {each.reason for each in desk.delays[-2:]} == {"probe"})
    began = desk.now
    probe.answered([Pause(scope="credential", seconds=30)], LATCH)
    with pytest.raises(Refused, match="deadline"):
        await short
    assert desk.now - began < 1
    long.cancel()


async def test_a_full_queue(desks: Desks) -> None:
    """More than `max_queue` do not wait in one scope; a refresh call does, and goes first."""
    desk = await desks.open(limit(10, 1, jitter=0), max_queue=4)
    tasks = await queued(desk, 4)
    assert ("queue", pytest.approx(0.5, abs=0.2)) == await refusal(desk)
    await desk.call(credential="two")
    urgent = asyncio.create_task(desk.call("urgent", urgent=True))
    await finish(*tasks, urgent)
    assert "urgent" == desk.order[2]
    await desk.call()


@pytest.mark.parametrize("max_queue", [0, 3])
@pytest.mark.parametrize("room", [4, 100])
async def test_a_full_queue_at_once(desks: Desks, room: int, max_queue: int) -> None:
    """Of many at once only those wait for whom there is no room: the latest are refused."""
    desk = await desks.open(limit(1 + room, 3600, jitter=0), max_queue=max_queue)
    await desk.call()
    tasks = desk.start(100)
    waiting = min(100 - room, max_queue)
    await desk.until(lambda: sum(task.done() for task in tasks) >= 100 - waiting)
    for task in tasks:
        task.cancel()
    ends = [getattr(end, "why", type(end).__name__) for end in await finish(*tasks)]
    went, waited = ["float"] * room, ["CancelledError"] * waiting
    assert [*went, *waited, *["queue"] * (100 - room - waiting)] == ends


async def test_nobody_is_remembered_who_went(desks: Desks) -> None:
    """A lane that holds nobody up keeps nothing of the calls that went through it."""
    desk = await desks.open(FAST)
    for _ in range(3):
        await desk.call()
        await asyncio.sleep(0.01)
    lane = desk.lane()
    assert (0, [], []) == (lane.live, [*lane.waiters], [*lane.untold])


async def test_urgent_first(desks: Desks) -> None:
    """A refresh call goes before all who wait when it comes."""
    desk = await desks.open(limit(20, 0.5, jitter=0))
    tasks = await queued(desk, 8)
    urgent = [asyncio.create_task(desk.call(f"urgent {i}", urgent=True)) for i in range(2)]
    await finish(*tasks, *urgent)
    place = desk.order.index("urgent 0")
    assert place <= 3
    assert "urgent 1" == desk.order[place + 1]


def told(delay: Delay) -> tuple[Any, ...]:
    """Return what a call is told of its wait."""
    seconds = delay.seconds and pytest.approx(delay.seconds, abs=0.2)
    return delay.reason, seconds, delay.position, delay.limit, delay.scope


async def test_told_of_a_limit(desks: Desks) -> None:
    """Whoever waits for a limit is told which, in which place, and how long at least."""
    desk = await desks.open(SLOW)
    tasks = await queued(desk, 3)
    assert [("limit", 2.0 * place, place, "calls", None) for place in (1, 2, 3)] == [
        told(each) for each in desk.delays
    ]
    for task in tasks:
        task.cancel()


async def test_told_of_a_pause(desks: Desks) -> None:
    """Whoever waits for a pause is told its rest."""
    desk = await desks.open(SLOW)
    await desk.call(marks=[Pause(scope="credential", seconds=60)])
    task = asyncio.create_task(desk.admit())
    await desk.until_told(1)
    assert ("pause", 60.0, 1, None, "credential:one") == told(desk.delays[0])
    task.cancel()


async def test_told_of_a_probe(desks: Desks) -> None:
    """Of a probe's answer nobody can say when it comes, for the first who waits or the third."""
    desk = await desks.open(FAST)
    await desk.call(marks=[Pause(scope="credential", seconds=0.05)])
    await desk.admit()
    desk.delays.clear()
    tasks = desk.start(3)
    await desk.until_told(3)
    assert [("probe", None, place, None, "credential:one") for place in (1, 2, 3)] == [
        told(each) for each in desk.delays
    ]
    for task in tasks:
        task.cancel()


async def test_a_call_that_goes_is_told_nothing(desks: Desks) -> None:
    """Who asks, and may go, has not waited."""
    desk = await desks.open(limit(1000, 1, jitter=0, burst=100))
    for _ in range(3):
        await desk.call()
        await asyncio.sleep(0.01)
    assert [] == desk.delays


async def test_the_end(desks: Desks) -> None:
    """Closing refuses all who wait, whatever they wait for, and whoever comes."""
    desk = await desks.open(SLOW)
    tasks = [asyncio.create_task(desk.admit(credential=f"c{number % 3}")) for number in range(9)]
    await desk.until_told(6)
    desk.admission.close()
    ends = await finish(*tasks)
    assert ["closed"] * 6 == [end.why for end in ends if isinstance(end, Refused)]
    assert ("closed", None) == await refusal(desk)
