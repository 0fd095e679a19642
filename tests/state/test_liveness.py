"""Nobody who could go is left waiting, whatever happens in whatever order."""

import asyncio
import random
from typing import Any

import aiohttp
from desk import LATCH, Desk, finish, limit, service

from resilient.catalog import Ban
from resilient.model import Block, Mark, Pause
from resilient.state.waiting import Refused

BUSY = service(
    limit(60, 10, "credential", "ip"),
    limit(5, 5, "endpoint", name="each", endpoint="send"),
    limit(30, 10, "host", name="host"),
    limit(400, 100, "credential", name="long"),
    ban=Ban(after=4, within=20),
    max_queue=200,
)


def marks(chance: random.Random) -> list[Mark]:
    """Return what an answer leaves behind: mostly nothing."""
    scope: Any = chance.choice(["credential", "ip", "host", "endpoint"])
    fate = chance.random()
    if fate < 0.04:
        return [Pause(scope=scope, seconds=chance.uniform(0, 8), refusal=chance.random() < 0.5)]
    if fate < 0.045:
        return [Block(scope=scope, base=chance.uniform(1, 20), cap=60)]
    return []


async def anything(desk: Desk, chance: random.Random, connector: aiohttp.TCPConnector) -> str:
    """Make a call, and let anything happen to it that can; return how it ended."""
    who = {"credential": chance.choice("ab"), "host": chance.choice("xyz")}
    who["endpoint"] = chance.choice(["send", "other"])
    within = chance.choice([float("inf"), 100.0, 3.0])
    try:
        grant = await desk.admit(
            chance.choice([1, 1, 1, 1, 3, 5]),
            within,
            urgent=chance.random() < 0.02,
            connector=connector,
            **who,
        )
    except Refused as refusal:
        return refusal.why
    fate = chance.random()
    if fate < 0.1:
        grant.cancel()
        return "cancelled"
    try:
        await asyncio.sleep(chance.expovariate(4.0))
        if fate < 0.15:
            grant.lost()
        elif fate > 0.2:
            grant.answered(marks(chance), LATCH)
            await asyncio.sleep(chance.choice([0.0, 0.5]))
    finally:
        grant.unsent()
        grant.disconnected()
    return "sent"


def stuck(desk: Desk) -> list[str]:
    """Return the heads that could go now and wait all the same, for nobody older."""
    admission, found = desk.admission, []
    for lane in admission.memory.lanes.values():
        head = lane.head()
        if head is not None and admission._held(lane, head.arrival, head.cost, desk.now) is None:
            due = [each for gate in lane.limits for each in gate.due if gate._is_due(*each)]
            if not [arrival for arrival, _ in due if arrival < head.arrival]:
                found.append(f"{head} at {lane.filed}")
    return found


async def test_nobody_is_left_waiting() -> None:
    """Under pauses, blocks, costs, cancels, lost answers and few connections no wake-up is lost."""
    chance, desk, found = random.Random(0), Desk(BUSY), list[str]()
    connectors = [aiohttp.TCPConnector(limit=4), aiohttp.TCPConnector(limit=6, limit_per_host=2)]
    tasks = []
    for _ in range(1500):
        tasks.append(asyncio.create_task(anything(desk, chance, chance.choice(connectors))))
        # At an odd moment, when no timer is due.
        await asyncio.sleep(chance.choice([0.0001234567, 0.1234567, 0.7654321]))
        found += stuck(desk)
        if chance.random() < 0.1:
            chance.choice(tasks[-30:]).cancel()
        if chance.random() < 0.003:
            desk.admission.release(lambda _: chance.random() < 0.5)
    results = await finish(*tasks)
    assert [] == found
    ends = {each if isinstance(each, str) else type(each).__name__ for each in results}
    assert {"sent", "cancelled", "deadline", "blocked", "CancelledError"} <= ends
    assert ends <= {"sent", "cancelled", "deadline", "blocked", "queue", "CancelledError"}
    assert 400 < results.count("sent")
    memory = desk.admission.memory
    assert {0} == {lane.live + lane.queued for lane in memory.lanes.values()}
    assert {0} == {gate.state.in_flight + gate.state.waiting for gate in memory.scopes.values()}
    assert {0} == {pool.used for each in memory.pools.values() for pool in each.values()}
    assert {0} == {gate.queued for gate in memory.gates()}
    for connector in connectors:
        await connector.close()
