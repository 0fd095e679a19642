"""The limits hold: no window of the documented length ever sees more calls than documented."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from desk import Desk, limit, service
from hypothesis import given
from hypothesis import strategies as st
from oracle import Spent, most_in_window

from resilient.catalog import Limit
from resilient.core import pacing

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


@pytest.mark.parametrize("calls", [1, 7, 20, 45, 60])
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
