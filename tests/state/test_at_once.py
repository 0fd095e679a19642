"""A call that nothing holds up goes at once, and by no other rules than one that queues."""

import asyncio
import random

import pytest
from aiohttp import TCPConnector
from desk import LATCH, Desk, limit, service
from oracle import most_in_window

from resilient.catalog import Ban
from resilient.model import Block, Pause
from resilient.state.grant import Grant

LIMITS = (
    limit(20, 1, "credential", "ip"),
    limit(100, 60, name="minute"),
    limit(300, 3600, name="hour"),
)


def at_once(desk: Desk, cost: int = 1, within: float = 60.0) -> Grant | None:
    """Let a call go at once, or not."""
    return desk.admission.at_once(desk.lane(), cost, desk.now + within, desk.now)


async def calm(desk: Desk, connector: TCPConnector | None = None) -> None:
    """Make two calls and wait: a scope that is new is looked at more closely."""
    for _ in range(2):
        grant = await desk.admit(connector=connector)
        grant.answered((), LATCH)
        grant.disconnected()
        await asyncio.sleep(7200)


@pytest.mark.parametrize(
    "ban", [None, Ban(after=3, within=10), Ban(after=3, within=10, strict=True)]
)
@pytest.mark.parametrize("seed", range(4))
async def test_by_the_same_rules(seed: int, ban: Ban | None) -> None:
    """Whoever goes at once would not have had to wait; no limit is broken, and no pause."""
    desk, chance, grants = Desk(service(*LIMITS, ban=ban)), random.Random(seed), list[Grant]()
    gone = 0
    for _ in range(600):
        cost = chance.choice([1, 1, 1, 3])
        delay = desk.admission.foresee_delay(desk.lane(), cost)
        grant = at_once(desk, cost)
        gone += grant is not None
        assert grant is None or delay is None
        if grant is None and delay is None:
            grant = await desk.admit(cost)
        if grant is not None:
            desk.sent.append((grant.at, cost))
            grants.append(grant)
        if grants and chance.random() < 0.7:
            refused = chance.random() < 0.02
            marks = [Pause(scope="credential", seconds=2)] if refused else ()
            grants.pop(chance.randrange(len(grants))).answered(marks, LATCH)
        await asyncio.sleep(chance.choice([0, 0, 0.05, 1]))
    assert most_in_window(desk.sent, 1) <= 20
    assert most_in_window(desk.sent, 60) <= 100
    assert ban is not None or gone > 100


async def test_nobody_is_passed() -> None:
    """Where a call waits for more than there is, a smaller one does not go at once."""
    desk = Desk(service(limit(600, 60), limit(600, 60, "ip", name="machine")))
    await calm(desk)
    first = at_once(desk, cost=2)
    assert first is not None
    first.answered((), LATCH)
    waiting = asyncio.create_task(desk.call(credential="other", cost=3))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert at_once(desk) is None
    await waiting


@pytest.mark.parametrize(
    "mark", [Pause(scope="credential", seconds=10), Block(scope="host", base=10.0, cap=10.0)]
)
async def test_what_is_shut_is_not_passed(mark: Pause | Block) -> None:
    """A refusal stops the next call at once, and the one after the pause is a probe."""
    desk = Desk(service(limit(600, 60)))
    await calm(desk)
    refused = at_once(desk)
    assert refused is not None
    refused.answered([mark], LATCH)
    assert at_once(desk) is None
    await asyncio.sleep(10)
    probe = await desk.admit()
    assert at_once(desk) is None
    probe.answered((), LATCH)


async def test_nothing_is_taken_in_vain() -> None:
    """Where one limit has nothing left, the others keep what they have."""
    desk = Desk(service(limit(100, 1), limit(2, 3600, name="hour")))
    await calm(desk)
    for _ in range(2):
        grant = at_once(desk)
        assert grant is not None
        grant.answered((), LATCH)
    await asyncio.sleep(1)
    assert [None] * 5 == [at_once(desk) for _ in range(5)]
    assert 0 == desk.level()


async def test_when_it_does_not_go() -> None:
    """Too late, too dear, without a connection or at a closed desk nobody goes at once."""
    connector = TCPConnector(limit=1)
    desk = Desk(service(limit(60, 60)))
    await calm(desk, connector)
    lane = desk.lane(connector=connector)
    assert desk.admission.at_once(lane, 1, desk.now, desk.now) is None
    assert desk.admission.at_once(lane, 1000, desk.now + 1, desk.now) is None
    grant = desk.admission.at_once(lane, 1, desk.now + 1, desk.now)
    assert grant is not None
    await asyncio.sleep(60)
    assert desk.admission.at_once(lane, 1, desk.now + 1, desk.now) is None
    grant.answered((), LATCH)
    grant.disconnected()
    desk.admission.close()
    assert desk.admission.at_once(lane, 1, desk.now + 1, desk.now) is None
    await connector.close()
