"""Limits, whichever store keeps them: all or none, in order, and what is given back."""

import asyncio
import random
from itertools import pairwise

import pytest
from desk import LATCH, finish, limit
from oracle import inversions, most_in_window
from shared_desk import Desks

from resilient.state.grant import Grant
from resilient.state.waiting import Refused

pytestmark = pytest.mark.real_time  # on the loops that conftest.py gives

HOURLY = 3600.0
"""So long a window is counted: all of it may go at once, and no more before the test is over."""

PACED = limit(20, 0.4, jitter=0)
"""One at once, 50 a second."""


async def test_all_or_none(desks: Desks) -> None:
    """A call that one limit holds up has taken nothing from the others."""
    desk = await desks.open(
        limit(5, HOURLY, name="all"), limit(1, HOURLY, name="send", endpoint="send")
    )
    await desk.call(endpoint="send")
    held = asyncio.create_task(desk.call(endpoint="send"))
    await desk.until_told(1)
    await finish(*(desk.call() for _ in range(4)))
    with pytest.raises(Refused, match="deadline"):
        await desk.admit(within=5)
    held.cancel()


async def test_all_or_none_of_one_limit(desks: Desks) -> None:
    """A call that costs more than is left takes nothing of it; a lighter one may follow it."""
    desk = await desks.open(limit(5, HOURLY))
    await desk.call(cost=3)
    with pytest.raises(Refused, match="deadline"):
        await desk.admit(cost=3, within=5)
    await desk.call(cost=2)
    assert [3, 2] == [cost for _, cost in desk.sent]


@pytest.mark.parametrize("costs", [(1,), (1, 1, 2, 5)])
async def test_no_window_is_overfull(desks: Desks, costs: tuple[int, ...]) -> None:
    """However calls arrive, no window of a limit's length holds more, by the store's clock."""
    chance = random.Random(7)
    limits = limit(12, 0.15, jitter=0, burst=3, name="key"), limit(20, 0.25, "ip", jitter=0)
    desk = await desks.open(*limits)
    calls = []
    for _ in range(40 if len(costs) == 1 else 20):
        key, cost = chance.choice("ab"), chance.choice(costs)
        calls.append(desk.call(cost=cost, credential=key, takes=chance.choice([0, 0.02])))
    await finish(*calls)
    spent = [(time, grant.cost) for time, grant in zip(desk.times(), desk.grants, strict=True)]
    keys = [grant.lane.scopes[0].state.scope.name for grant in desk.grants]
    assert len(calls) == len(spent)
    assert 20 >= most_in_window(spent, 0.25)
    for key in "ab":
        own = [each for each, of in zip(spent, keys, strict=True) if of == key]
        assert 12 >= most_in_window(own, 0.15)


async def test_the_pace(desks: Desks) -> None:
    """What waits goes as soon as the limit lets it, and not sooner."""
    desk = await desks.open(PACED)
    await finish(*desk.start(20))
    gaps = [later - sooner for sooner, later in pairwise(desk.times())]
    assert min(gaps) >= 0.02 - 2e-6
    assert sum(gaps) < 19 * 0.02 + 0.5


async def test_order(desks: Desks) -> None:
    """Whoever leaves and whoever comes later changes nothing in the order of the rest."""
    desk, chance = await desks.open(PACED), random.Random(1)
    tasks = []
    for number in range(40):
        tasks.append(asyncio.create_task(desk.call(number)))
        await asyncio.sleep(chance.choice([0, 0, 0.005]))
        if chance.random() < 0.4:
            tasks[chance.randrange(len(tasks))].cancel()
    await finish(*tasks)
    gone = {number for number, task in enumerate(tasks) if task.cancelled()}
    assert 5 < len(gone) < 30
    assert set(range(40)) - gone == set(desk.order) - gone
    assert 0 == inversions(desk.order)


@pytest.mark.parametrize("cost", [2, 10])
async def test_a_cost_above_the_burst(desks: Desks, cost: int) -> None:
    """It goes when the bucket has been full for as long as the rest takes, and leaves the debt."""
    desk = await desks.open(PACED)
    await desk.call()
    await finish(desk.call(cost=cost), desk.call())
    first, heavy, last = desk.times()
    assert [heavy - first, last - heavy] >= [cost * 0.02 - 2e-6] * 2
    assert last - first < 2 * cost * 0.02 + 0.5


async def test_a_cost_above_the_limit(desks: Desks) -> None:
    """What could never go is an error, and takes nothing."""
    desk = await desks.open(limit(5, HOURLY))
    with pytest.raises(ValueError, match="above the limit's 5"):
        await desk.admit(cost=6)
    await desk.call(cost=5)


async def test_a_quota(desks: Desks) -> None:
    """All of it may go at once; the next call waits for the window's end."""
    desk = await desks.open(limit(30, HOURLY))
    await finish(*desk.start(30))
    with pytest.raises(Refused) as caught:
        await desk.admit(within=HOURLY - 60)
    assert pytest.approx(HOURLY * 65 / 64, abs=60) == caught.value.wait


async def test_a_cancelled_waiter(desks: Desks) -> None:
    """It takes nothing, and those behind it move up."""
    desk = await desks.open(limit(3, HOURLY))
    probe = await desk.admit()
    waiting = desk.start(3)
    await desk.until_told(3)
    waiting[0].cancel()
    probe.answered((), LATCH)
    await finish(*waiting)
    assert [1, 2] == desk.order


async def test_cancelled_on_the_way(desks: Desks) -> None:
    """A call cancelled at any moment on its way to a grant gives back all that it took."""
    desk, chance = await desks.open(limit(2, HOURLY)), random.Random(2)
    await desk.call()
    ends = set[bool]()
    for number in range(60):
        task = asyncio.create_task(desk.admit())
        for _ in range(number % 6):
            await asyncio.sleep(0)
        if number % 6 == 5:
            await asyncio.wait((task,), timeout=chance.choice([0.001, 0.003, 5]))
        task.cancel()
        (end,) = await finish(task)
        if isinstance(end, Grant):
            end.cancel()
        ends.add(isinstance(end, Grant))
    assert {True, False} == ends
    await desk.admit(within=5)


async def test_called_off(desks: Desks) -> None:
    """A grant called off before the send gives everything back; whoever waits goes at once."""
    desk = await desks.open(limit(2, HOURLY))
    await desk.call()
    grant = await desk.admit()
    waiting = asyncio.create_task(desk.call())
    await desk.until_told(1)
    grant.cancel()
    async with asyncio.timeout(5):
        await waiting


async def test_unsent(desks: Desks) -> None:
    """What was cancelled on its way is spent."""
    desk = await desks.open(limit(2, HOURLY))
    await desk.call()
    grant = await desk.admit()
    grant.unsent()
    with pytest.raises(Refused, match="deadline"):
        await desk.admit(within=5)
