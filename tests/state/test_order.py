"""Who goes first: arrival within a set of limits, back-filling across sets, and nobody starves."""

import asyncio
import random
from typing import Any

import pytest
from desk import Desk, finish, limit, service
from oracle import inversions

MAIL = service(
    limit(1200, 60, "credential", "ip"),
    limit(60, 60, "credential", "ip", name="send", endpoint="send"),
)
"""A limit of all calls, and a much lower one of one endpoint."""

CROSSED = service(limit(10, 10, "credential", "host"))
"""Lanes that share one limit each with others, and not the same."""


async def crowd(desk: Desk, count: int, **lane: Any) -> list[asyncio.Task[float]]:
    """Queue calls, named in their order."""
    tasks = [asyncio.create_task(desk.call(i, **lane)) for i in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_order_under_cancels_and_latecomers() -> None:
    """Whoever leaves and whoever comes later changes nothing in the order of the rest."""
    desk, chance = Desk(MAIL), random.Random(1)
    tasks = []
    for number in range(1000):
        tasks.append(asyncio.create_task(desk.call(number)))
        await asyncio.sleep(chance.choice([0, 0, 0.03]))
        if chance.random() < 0.3:
            tasks[chance.randrange(len(tasks))].cancel()
    await finish(*tasks)
    assert len(desk.order) > 500
    assert 0 == inversions(desk.order)


@pytest.mark.parametrize("credentials", [2, 100])
async def test_order_across_credentials(credentials: int) -> None:
    """What shares the limit that holds it up goes in order of arrival, whatever else differs."""
    desk = Desk(service(limit(600, 60, "ip"), limit(6000, 60, name="own")))
    await desk.warm()
    names = [f"c{number % credentials}" for number in range(1000)]
    await finish(*(desk.call(i, credential=name) for i, name in enumerate(names)))
    # One call of each new credential goes first, and its others wait for the answer.
    rest = desk.order[credentials:]
    assert 0 == inversions(rest[credentials:])


async def test_a_free_scope_does_not_wait_for_a_busy_one() -> None:
    """With a thousand calls queued before one endpoint, another one's go at once."""
    desk = Desk(MAIL)
    await desk.warm()
    queue = await crowd(desk, 1000, endpoint="send")
    for _ in range(50):
        await asyncio.sleep(0.25)
        before = desk.now
        assert before == await desk.call("passing")
    for task in queue:
        task.cancel()


async def test_another_credential_does_not_wait() -> None:
    """A credential with a queue is no reason for another one to wait."""
    desk = Desk(service(limit(60, 60)))
    await desk.warm(credential="two")
    queue = await crowd(desk, 1000)
    before = desk.now
    assert before == await desk.call(credential="two")
    assert [] == [delay for delay in desk.delays if delay.scope == "credential:two"]
    for task in queue:
        task.cancel()


async def test_a_short_wait_is_not_refused_for_a_queue_elsewhere() -> None:
    """Those who wait for another limit do not count as being ahead."""
    desk = Desk(MAIL)
    await desk.warm()
    queue = await crowd(desk, 1000, endpoint="send")
    await finish(*(desk.call() for _ in range(10)))
    grant = await desk.admit(within=1.0)
    grant.cancel()
    for task in queue:
        task.cancel()


async def test_passing_costs_the_older_one_nothing() -> None:
    """A call held up by its own limit goes when it would have gone alone, whoever passes it."""

    async def sent(desk: Desk, passing: int) -> list[float]:
        await desk.warm()
        began = desk.now
        queue = await crowd(desk, 20, endpoint="send")
        others = await crowd(desk, passing)
        times = [await task - began for task in queue]
        await finish(*others)
        return times

    alone = await sent(Desk(MAIL), 0)
    assert pytest.approx(alone, abs=0.01) == await sent(Desk(MAIL), 1000)


@pytest.mark.parametrize("cost", [1, 2, 10])
async def test_nobody_starves_between_two_busy_limits(cost: int) -> None:
    """A call of two limits, each kept busy by others, goes as if it were first at both."""
    desk, stop = Desk(CROSSED), False
    await desk.warm(credential="a", host="a")
    await desk.warm(credential="a", host="b")
    await desk.warm(credential="b", host="a")

    async def busy(**lane: Any) -> None:
        while not stop:
            await desk.call(**lane)

    async with asyncio.timeout(1000), asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(busy(credential="a", host="b"))
            await asyncio.sleep(0.37)
            group.create_task(busy(credential="b", host="a"))
        await asyncio.sleep(20)
        began = desk.now
        # 5 before it at each limit, then the time that it takes to save up.
        waited = await desk.call("crossing", cost, credential="a", host="a") - began
        stop = True
    assert waited < 5 * 1.01 + 2 * cost * 1.01 + 1


async def test_who_let_an_older_one_go_first_goes_when_that_leaves() -> None:
    """Room that was left for an older call is taken at once when it gives up."""
    desk = Desk(CROSSED)
    await desk.warm(credential="a", host="b")
    await desk.call(credential="a", host="b")
    older = asyncio.create_task(desk.call("older", 5, credential="a", host="a"))
    await asyncio.sleep(0.1)
    began = desk.now
    polite = asyncio.create_task(desk.call("polite", credential="b", host="a"))
    await asyncio.sleep(1)
    assert not polite.done()
    older.cancel()
    assert began + 1 == await polite


async def test_nobody_starves_at_random() -> None:
    """Among thirty crossing sets of limits and all costs, each call goes within a bound."""
    desk, chance = Desk(CROSSED), random.Random(3)
    waits = list[float]()

    async def one(cost: int, **lane: Any) -> None:
        began = desk.now
        waits.append(await desk.call(cost=cost, **lane) - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(1000):
            lane = {"credential": chance.choice("abcde"), "host": chance.choice("uvwxyz")}
            group.create_task(one(chance.choice([1, 1, 1, 1, 6]), **lane))
            await asyncio.sleep(chance.expovariate(1.0))
    assert 1000 == len(waits)
    assert max(waits) < 150


async def test_a_heavy_call_goes_in_its_turn() -> None:
    """A call above the burst is not overtaken by light ones that came later."""
    desk = Desk(service(limit(60, 60)))
    await desk.warm()
    light = await crowd(desk, 5)
    heavy = asyncio.create_task(desk.call("heavy", 30))
    await asyncio.sleep(0)
    later = await crowd(desk, 5)
    await finish(*light, heavy, *later)
    assert [0, 1, 2, 3, 4, "heavy", 0, 1, 2, 3, 4] == desk.order
    assert pytest.approx(4 + 30, abs=0.2) == desk.sent[5][0] - desk.sent[0][0]


async def test_the_largest_cost_goes_and_a_larger_one_is_an_error() -> None:
    """A cost of the whole limit waits for a window of silence; a larger one could never go."""
    desk = Desk(service(limit(60, 60)))
    began = desk.now
    assert 59 < await desk.call(cost=60) - began < 62
    with pytest.raises(ValueError, match="a cost of 61 is above the limit's 60 calls"):
        await desk.call(cost=61)


async def test_renewing_goes_before_all_others() -> None:
    """A refresh call does not wait behind the calls that wait for it."""
    desk = Desk(service(limit(60, 60)))
    await desk.warm()
    queue = await crowd(desk, 100)
    first = await crowd(desk, 3, urgent=True)
    await finish(*first)
    assert [0, 0, 1, 2] == desk.order
    await finish(*queue)


async def test_all_or_none() -> None:
    """A call that one limit holds up has taken nothing from the others."""
    desk = Desk(MAIL)
    await desk.warm()
    queue = await crowd(desk, 10, endpoint="send")
    await asyncio.sleep(0.5)
    gates = desk.lane(endpoint="send").limits
    assert [0.0] * 2 == [gate.gauge.wait(6, desk.now) for gate in gates if gate.name == "calls"]
    for task in queue:
        task.cancel()
