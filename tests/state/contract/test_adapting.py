"""A rate follows refusals and hints, whichever store keeps the limit: each process slows itself."""

import asyncio

import pytest
from desk import LATCH, limit
from shared_desk import Counter, Desks

from resilient.model import Hint, Pause
from resilient.state.adaptive import Adaptive

pytestmark = pytest.mark.real_time  # on the loops that conftest.py gives

FAST = limit(100, 0.5, jitter=0)
REFUSED = Pause(scope="credential", seconds=0.05)


async def used(desk: Counter) -> None:
    """Use the limit for more than a period."""
    for _ in range(20):
        for grant in await asyncio.gather(*(desk.admit() for _ in range(6))):
            grant.answered((), LATCH)


def gauge(desk: Counter) -> Adaptive:
    """Return the bucket of the limit, as this process knows it."""
    (gate,) = desk.admission.memory.limits["calls"].values()
    assert isinstance(gate.gauge, Adaptive)
    return gate.gauge


async def test_a_refusal(desks: Desks) -> None:
    """The answer of a refused call says that the rate came down, and later calls go by it."""
    desk = await desks.open(FAST)
    await used(desk)
    documented = gauge(desk).rate
    refused, other = await desk.admit(), await desk.admit()
    other.answered((), LATCH)
    changes = await refused.agreed(refused.answered([REFUSED], LATCH))
    (change,) = (each for each in changes if each.change == "adapted")
    assert change.adapted is not None
    assert documented == change.adapted.documented == change.adapted.before
    assert gauge(desk).rate < 0.99 * documented
    assert "paused" in {each.change for each in changes}
    (await desk.admit()).answered((), LATCH)
    assert gauge(desk).rate < 0.99 * documented


async def test_what_is_left(desks: Desks) -> None:
    """Where nothing is left nobody goes until the server counts anew."""
    desk = await desks.open(FAST)
    (await desk.admit()).answered((), LATCH)
    grant = await desk.admit()
    grant.hinted([Hint(remaining=2, reset=0.3)])
    grant.answered((), LATCH)
    began, second = desk.now, await desk.admit()
    second.cancel()
    third = [await desk.admit() for _ in range(3)]
    assert 0.3 == pytest.approx(third[-1].at - began, abs=0.1)
    for each in third:
        each.answered((), LATCH)
