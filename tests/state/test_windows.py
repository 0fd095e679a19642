"""The limits hold: no window of the documented length ever sees more calls than documented."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from desk import LATCH, Desk, limit, service
from hypothesis import given
from hypothesis import strategies as st
from oracle import Spent, most_in_window

from resilient.catalog import Limit
from resilient.core import pacing
from resilient.model import Pause

LIMITS = {
    "1200/min": (limit(1200, 60),),
    "60/min": (limit(60, 60),),
    "7/s": (limit(7, 1),),
    "1/s": (limit(1, 1),),
    "300/10s": (limit(300, 10, "ip"),),
    "45/min and 1600/h": (limit(45, 60, name="minute"), limit(1600, 3600, name="hour")),
    "key and address": (limit(1200, 60, "credential", "ip"), limit(90, 60, "ip", name="all")),
    "10/s and 50/min and 400/h": (
        limit(10, 1, name="s"),
        limit(50, 60, "credential+ip", name="m"),
        limit(400, 3600, "host", name="h"),
    ),
}


def gaps(kind: str, chance: random.Random) -> Iterator[float]:
    """Yield the seconds between arrivals."""
    while True:
        if kind == "at once":
            yield 0.0
        elif kind == "silence, then a burst":
            yield chance.choice([0.0] * 99 + [chance.uniform(1, 200)])
        elif kind == "on and off":
            yield chance.choice([0.0, 0.001, 0.01] * 20 + [5.0])
        else:
            yield chance.expovariate(10.0)


ARRIVALS = ("at once", "silence, then a burst", "on and off", "scattered")


def windows(limits: tuple[Limit, ...], sent: list[Spent]) -> dict[str, int]:
    """Return the most that a window of each limit held, for one credential and address."""
    return {each.name: most_in_window(sent, each.period) for each in limits}


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4)), max_size=30), st.integers(1, 20))
def test_the_oracle(spent: list[Spent], period: int) -> None:
    """The oracle finds what looking at every window finds."""
    every = range(-period, 61)
    counts = [sum(c for t, c in spent if start <= t < start + period) for start in every]
    assert max(counts) == most_in_window([(float(t), c) for t, c in spent], period)


@pytest.mark.parametrize("arrivals", ARRIVALS)
@pytest.mark.parametrize("name", LIMITS)
async def test_no_window_is_overfull(name: str, arrivals: str) -> None:
    """At most N in any window, from the first second on, however calls arrive."""
    limits, chance = LIMITS[name], random.Random(f"{name} {arrivals}")
    desk, between = Desk(service(*limits)), gaps(arrivals, chance)
    count = 1700 if limits[0].calls in (45, 1200) else 500
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(desk.call(takes=chance.uniform(0, 0.3)))
            await asyncio.sleep(next(between))
    assert count == len(desk.sent)
    most = windows(limits, desk.sent)
    assert all(most[each.name] <= each.calls for each in limits), most


async def _wildly(desk: Desk, chance: random.Random, number: int) -> None:
    """Make a call, and let anything happen to it that can."""
    cost = chance.choice([1] * 8 + [2, 5])
    within = chance.choice([float("inf"), 60.0, 5.0])
    fate = chance.random()
    who = {"credential": f"c{chance.randrange(3)}", "endpoint": chance.choice(["send", "other"])}
    grant = await desk.admit(cost, within, **who)
    if fate < 0.15:
        try:
            await asyncio.sleep(chance.choice([0.0, 0.0, 0.05]))
        finally:
            grant.cancel()
        return
    desk.sent.append((grant.at, cost))
    desk.order.append((who["credential"], who["endpoint"]))
    try:
        await asyncio.sleep(chance.expovariate(5.0))
    finally:
        pause = Pause(scope=chance.choice(["credential", "ip"]), seconds=chance.uniform(0, 5))
        if fate < 0.25:
            grant.lost()
        elif fate < 0.3:
            grant.unsent()
        else:
            grant.answered([pause] if fate < 0.32 else (), LATCH)


@pytest.mark.parametrize("seed", range(4))
async def test_no_window_is_overfull_whatever_happens(seed: int) -> None:
    """Cancels, calls given back, lost answers, pauses and costs break no limit."""
    chance = random.Random(seed)
    desk = Desk(
        service(
            limit(120, 10, "credential", "ip"),
            limit(20, 10, "credential", "ip", name="send", endpoint="send"),
            limit(900, 120, "ip", name="long"),
        )
    )
    between, tasks = gaps("on and off", chance), list[asyncio.Task[None]]()
    for number in range(3000):
        tasks.append(asyncio.create_task(_wildly(desk, chance, number)))
        await asyncio.sleep(next(between) * 5)
        if chance.random() < 0.2:
            chance.choice(tasks[-50:]).cancel()
    await asyncio.wait(tasks)
    of = [(spent, *who) for spent, who in zip(desk.sent, desk.order, strict=True)]
    assert len(of) > 700
    assert most_in_window([s for s, *_ in of], 120) <= 900
    for credential in ("c0", "c1", "c2", None):
        mine = [(s, e) for s, c, e in of if credential in (None, c)]
        assert most_in_window([s for s, _ in mine], 10) <= 120
        assert most_in_window([s for s, e in mine if e == "send"], 10) <= 20
    lanes = desk.admission.memory.lanes.values()
    assert {(0, 0, None)} == {(lane.live, lane.queued, lane.filed) for lane in lanes}
    scopes = desk.admission.memory.scopes.values()
    assert {(0, 0, 0)} == {(g.state.in_flight, g.state.waiting, len(g.lanes)) for g in scopes}


@pytest.mark.parametrize("calls", [1, 7, 20, 45, 60, 1200])
@given(seed=st.integers(0, 10**6))
def test_jitter_on_the_way(calls: int, seed: int) -> None:
    """The bound holds at the server, if the way there varies by less than the jitter."""
    pace, chance = pacing.pace(limit(calls, 60)), random.Random(seed)
    assert isinstance(pace, pacing.Bucket)
    grants, level, now = list[float](), pace.capacity - 1.0, 0.0
    for _ in range(calls * 3):
        # The greediest that the bucket allows, after a silence now and then.
        silence = chance.choice([0.0] * 30 + [chance.uniform(0, 90)])
        level, now = max(0.0, level - silence * pace.rate), now + silence
        wait = max(0.0, (level + 1 - pace.capacity) / pace.rate)
        level, now = max(0.0, level - wait * pace.rate) + 1, now + wait
        grants.append(now)
    arrivals = [(grant + chance.uniform(0, 0.0999), 1) for grant in grants]
    assert most_in_window(arrivals, 60) <= calls


async def test_use_at_saturation() -> None:
    """Of 1200 calls a minute at least 99 % are used, and 60/min loses only its jitter."""
    desk = Desk(service(limit(1200, 60)))
    async with asyncio.TaskGroup() as group:
        for _ in range(6000):
            group.create_task(desk.call())
    first, last = desk.sent[0][0], desk.sent[-1][0]
    assert 0.99 * 1200 <= 6000 / (last - first) * 60 <= 1200
    assert 0.99 * 1200 <= most_in_window(desk.sent, 60) <= 1200


async def test_a_quota_is_used_whole() -> None:
    """A limit of hours is no pace: all of it can go in its first minutes, and not one more."""
    desk = Desk(service(limit(45, 60, name="minute"), limit(200, 3600, name="hour")))
    async with asyncio.TaskGroup() as group:
        for _ in range(201):
            group.create_task(desk.call())
    began = desk.sent[0][0]
    times = [time - began for time, _ in desk.sent]
    assert times[199] < 280
    assert 3600 <= times[200] < 3600 * 66 / 64


async def test_a_bucket_of_the_limits_own_size_is_caught() -> None:
    """The oracle sees what the obvious bucket lets through: nearly twice the limit."""
    desk = Desk(service(limit(1200, 60)))
    gauge = desk.lane().limits[0].gauge
    gauge.max_rate, gauge._level, gauge.rate = 1200, 0.0, 20.0  # type: ignore[attr-defined]
    async with asyncio.TaskGroup() as group:
        for _ in range(3000):
            group.create_task(desk.call())
    assert 2399 == most_in_window(desk.sent, 60)
