"""What happens to a waiting call in one and the same turn of the loop."""

import asyncio

import aiohttp
import pytest
from desk import LATCH, Desk, limit, service

from resilient.model import Pause
from resilient.state.waiting import Refused

PACED = service(limit(60, 60))


async def test_refused_and_cancelled_at_once() -> None:
    """A call that is cancelled before it hears of its refusal is cancelled, and leaves nothing."""
    desk = Desk(PACED)
    await desk.call(marks=[Pause(scope="credential", seconds=60)])
    call = asyncio.create_task(desk.call())
    await asyncio.sleep(1)
    desk.admission.close()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert 0 == desk.lane().live


@pytest.mark.parametrize("early", [5e-10, -5e-10])
async def test_closed_when_a_delay_ends(early: float) -> None:
    """A delay that ends in the turn in which all is closed ends, in one way or the other."""
    desk = Desk(PACED)
    loop = asyncio.get_running_loop()
    loop.call_at(loop.time() + 1.0 - early, desk.admission.close)
    if early > 0:
        with pytest.raises(Refused, match="closed"):
            await desk.admission.delay(1.0)
    else:
        await desk.admission.delay(1.0)
    with pytest.raises(Refused, match="closed"):
        await desk.admission.delay(1.0)


async def test_an_attempt_ends_once() -> None:
    """What is said of an attempt after it ended changes nothing."""
    desk = Desk(PACED)
    grant = await desk.admit()
    grant.unsent()
    state = desk.lane().scopes[0].state
    grant.lost()
    assert [] == grant.answered([Pause(scope="credential", seconds=60)], LATCH)
    grant.cancel()
    assert (0, 0.0, False) == (state.in_flight, state.paused_until, state.heard)


async def test_closed_as_a_deadline_comes() -> None:
    """A call that is refused in the turn in which its time runs out is refused once."""
    desk, connector = Desk(service()), aiohttp.TCPConnector(limit=1)
    await desk.admit(connector=connector)
    loop = asyncio.get_running_loop()
    loop.call_at(loop.time() + 5.0 - 5e-10, desk.admission.close)
    with pytest.raises(Refused, match="closed"):
        await desk.admit(within=5.0, connector=connector)
    assert 0 == desk.lane(connector=connector).live
    await connector.close()
