"""Cancelling anywhere: nothing is kept, nothing is minted, and nobody is left stuck."""

import asyncio
import random

import pytest
from desk import Desk, finish, limit, service

PACED = service(limit(60, 60))


def left(desk: Desk) -> tuple[int, int, int, int]:
    """Return what must be 0 when nobody is about."""
    states = [gate.state for gate in desk.admission.memory.scopes.values()]
    lanes = desk.admission.memory.lanes.values()
    return (
        sum(state.in_flight for state in states),
        sum(state.waiting for state in states),
        sum(lane.live + lane.queued for lane in lanes),
        sum(gate.queued for gate in desk.admission.memory.gates()),
    )


async def test_in_the_queue() -> None:
    """A call cancelled while it waits takes nothing, and those behind it move up."""
    desk = Desk(PACED)
    await desk.warm()
    began = desk.now
    tasks = [asyncio.create_task(desk.call(number)) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[1::2]:
        task.cancel()
    await finish(*tasks)
    assert [0, 2, 4, 6, 8] == desk.order
    assert pytest.approx(4 * 60.1 / 60) == desk.sent[-1][0] - began
    assert (0, 0, 0, 0) == left(desk)


async def test_the_head_and_the_tail() -> None:
    """With half of a long queue cancelled, first half or second, the rest goes at full pace."""
    for gone in (slice(0, 500), slice(500, 1000), slice(0, 1000, 2)):
        desk = Desk(PACED)
        await desk.warm()
        tasks = [asyncio.create_task(desk.call(number)) for number in range(1000)]
        await asyncio.sleep(0)
        began = desk.now
        for task in tasks[gone]:
            task.cancel()
        await finish(*tasks)
        assert pytest.approx(500 * 60.1 / 60, abs=2) == desk.now - began


async def test_granted_and_not_resumed() -> None:
    """A call cancelled in the very moment of its grant gives back all that it took."""
    desk = Desk(service(limit(60, 60), limit(1600, 3600, name="hour")))
    await desk.warm()
    await desk.call()
    waiting = asyncio.create_task(desk.call("cancelled"))
    await asyncio.sleep(0)
    lane = desk.lane()
    (timer,) = [gate.timer for gate in lane.limits if gate.timer]
    # Due in the same round of the loop: after the grant, before the waiter runs again.
    asyncio.get_running_loop().call_at(timer.when() + 5e-8, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [] == [name for name in desk.order if name == "cancelled"]
    granted = desk.now
    assert [0.0, 0.0] == [gate.gauge.wait(1, granted) for gate in lane.limits]
    assert 1.0 == desk.level("hour")
    assert granted == await desk.call()
    assert (0, 0, 0, 0) == left(desk)


async def test_before_the_handler() -> None:
    """A grant called off before the send gives everything back; whoever waits goes at once."""
    desk = Desk(PACED)
    await desk.warm()
    grant = await desk.admit()
    next_one = asyncio.create_task(desk.call())
    await asyncio.sleep(0)
    grant.cancel()
    grant.cancel()
    assert grant.at == await next_one
    assert (0, 0, 0, 0) == left(desk)


async def test_in_the_handler() -> None:
    """What was cancelled after the send began is spent."""
    desk = Desk(PACED)
    await desk.warm()
    grant = await desk.admit()
    grant.unsent()
    grant.cancel()
    assert pytest.approx(grant.at + 60.1 / 60) == await desk.call()
    assert (0, 0, 0, 0) == left(desk)


async def test_two_at_once() -> None:
    """A head and the one behind it, cancelled together, leave the third to go."""
    desk = Desk(PACED)
    await desk.warm()
    tasks = [asyncio.create_task(desk.call(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    tasks[2].cancel()
    newcomer = asyncio.create_task(desk.call("late"))
    await finish(*tasks, newcomer)
    assert [0, 3, "late"] == desk.order


@pytest.mark.parametrize("seed", range(3))
async def test_cancels_of_any_kind(seed: int) -> None:
    """After thousands of cancels the buckets hold what a model says that they hold."""
    desk, chance = (
        Desk(service(limit(600, 60), limit(5000, 3600, name="hour"))),
        random.Random(seed),
    )
    tasks, began = list[asyncio.Task[float]](), desk.now
    for number in range(4000):
        tasks.append(asyncio.create_task(desk.call(number, chance.choice([1, 1, 2]))))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.choice([0, 0, 0, 0.01, 0.2]))
        if chance.random() < 0.5:
            chance.choice(tasks[-20:]).cancel()
    await finish(*tasks)
    assert (0, 0, 0, 0) == left(desk)
    # The model: a leaky bucket that only those that were sent flow through.
    level, last, rate = 2.0, began, 598 / 60.1
    for time, cost in desk.sent:
        level, last = max(0.0, level - (time - last) * rate) + cost, time
    expected = max(0.0, level - (desk.now - last) * rate)
    assert pytest.approx(expected, abs=1e-6) == desk.level("calls")
    assert sum(cost for _, cost in desk.sent) == desk.level("hour")
    assert 1500 < len(desk.sent) < 3900


async def test_leavers_do_not_pile_up() -> None:
    """Thousands who come and give up behind one that waits leave no trace."""
    desk = Desk(service(limit(60, 60, "ip"), limit(600, 60, name="own")))
    await desk.warm(credential="one")
    await desk.warm(credential="two")
    await desk.call(credential="one")
    first = asyncio.create_task(desk.call("first", 60, credential="one"))
    await asyncio.sleep(0)
    for _ in range(5000):
        task = asyncio.create_task(desk.call(credential="two"))
        await asyncio.sleep(0)
        task.cancel()
    gates = desk.admission.memory.gates()
    assert sum(len(gate.heads) + len(gate.due) for gate in gates) < 200
    assert not first.done()
    await first
