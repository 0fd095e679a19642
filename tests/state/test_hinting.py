"""What a server says of its limits, unasked, only ever tightens what the gates know."""

import asyncio
from typing import Any

import pytest
from desk import LATCH, Desk, limit, service

from resilient.model import Hint, Pause
from resilient.state.gates import LimitGate
from resilient.state.grant import Changed, Grant

PACED = service(limit(600, 60))
COUNTED = service(limit(1000, 3600))


async def told(desk: Desk, *hints: Hint, **lane: Any) -> list[Changed]:
    """Make a call whose answer holds hints."""
    grant = await desk.admit(**lane)
    changes = grant.hinted(hints)
    grant.answered((), LATCH)
    return changes


def left(remaining: int, reset: float, name: str | None = None) -> Hint:
    """Return what says that so many calls are left until the server counts anew."""
    return Hint(limit=name, remaining=remaining, reset=reset)


def gate(desk: Desk, name: str = "calls") -> LimitGate:
    """Return the gate of the only limit of that name."""
    (found,) = desk.admission.memory.limits[name].values()
    return found


def kept(desk: Desk) -> int:
    """Return how many calls are left."""
    allowance = gate(desk).allowance
    assert allowance is not None
    return allowance.left


async def sends(desk: Desk, count: int, seconds: float) -> int:
    """Return how many of some calls go within some seconds; the others are called off."""
    tasks = [asyncio.create_task(desk.call()) for _ in range(count)]
    await asyncio.sleep(seconds)
    done = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done


@pytest.mark.parametrize("served", [PACED, COUNTED], ids=["a pace", "a count"])
async def test_nothing_is_left(served: Any) -> None:
    """The gate waits until the server counts anew, and no refusal is counted."""
    desk = Desk(served)
    await told(desk, left(0, 30))
    assert [] == list(desk.lane().scopes[0].state.refusals)
    began = desk.now
    assert pytest.approx(30) == await desk.call() - began
    assert 0.5 >= await desk.call() - desk.now
    assert None is gate(desk).allowance


@pytest.mark.parametrize(("reset", "goes", "later"), [(50.0, 3, 1), (1000.0, 5, 0)])
async def test_some_are_left(reset: float, goes: int, later: int) -> None:
    """At most so many go: evenly where it is a minute at most, as they come where it is longer."""
    desk = Desk(PACED)
    await told(desk, left(5, reset))
    await asyncio.sleep(1)
    assert goes == await sends(desk, 20, 30)
    assert later == await sends(desk, 20, reset - 31.5)


async def test_plenty_is_left() -> None:
    """Where more is left than would go in any case, nothing has to be kept."""
    desk = Desk(PACED)
    assert [] == await told(desk, left(500, 40), left(90, 9))
    assert None is gate(desk).allowance


@pytest.mark.parametrize("name", ["calls", None, "others"])
async def test_which_limit_is_meant(name: str | None) -> None:
    """A hint names a limit, or means all of the call's; of a limit it has not, it is nothing."""
    desk = Desk(service(limit(600, 60), limit(60, 60, name="some", endpoint="send")))
    await told(desk, left(0, 30, name), endpoint="send")
    assert (name != "others") == (gate(desk).allowance is not None)
    assert (name is None) == (gate(desk, "some").allowance is not None)


async def test_a_limit_that_is_less_than_documented() -> None:
    """It is paced for, and told once, though every answer says it; more is not believed."""
    desk = Desk(PACED)
    said = Hint(calls=300, period=60.0)
    (change,) = await told(desk, said)
    assert ("adapted", "hint") == (change.change, change.reason)
    assert change.adapted is not None
    assert 300 == change.adapted.observed
    assert [] == await told(desk, said)
    assert pytest.approx(4.96, abs=0.05) == gate(desk).gauge.rate
    assert [] == await told(desk, Hint(calls=1200, period=60.0))
    assert pytest.approx(4.96, abs=0.05) == gate(desk).gauge.rate
    assert pytest.approx(0, abs=1) == await sends(desk, 100, 20) - 99


async def test_what_is_under_way_is_not_in_it() -> None:
    """Calls that were sent after the one that is answered are taken off what is left."""
    desk = Desk(PACED)
    await desk.call()
    await asyncio.sleep(10)
    grants: list[Grant] = [await desk.admit() for _ in range(3)]
    grants[0].hinted([left(2, 30)])
    assert 0 == kept(desk)
    counted = Desk(COUNTED)
    await counted.call()
    grants = [await counted.admit() for _ in range(3)]
    grants[0].answered((), LATCH)
    grants[0].hinted([left(3, 30)])
    assert 1 == kept(counted)


async def test_the_latest_call_is_believed() -> None:
    """An answer to an older call only ever lowers what a younger one's said."""
    desk = Desk(PACED)
    await desk.call()
    older, younger = await desk.admit(), await desk.admit()
    younger.hinted([left(20, 30)])
    older.hinted([left(400, 30)])
    assert 20 >= kept(desk)
    older.hinted([left(3, 30)])
    assert 3 >= kept(desk)
    younger.hinted([left(100, 30)])
    assert 50 < kept(desk)


async def test_what_is_called_off_is_left() -> None:
    """A call that was not sent gives back what it took of what is left."""
    desk = Desk(PACED)
    await told(desk, left(5, 1000))
    await asyncio.sleep(1)
    grant = await desk.admit()
    assert 4 == kept(desk)
    desk.call_off(grant)
    assert 5 == kept(desk)
    assert not gate(desk).idle(desk.now)
    assert gate(desk).idle(desk.now + 1001)
    foreseen = gate(desk).foresee(5, 1, desk.now)
    assert pytest.approx(999) == foreseen


async def test_it_does_not_lift_a_pause() -> None:
    """Whatever is left, a pause holds."""
    desk = Desk(PACED)
    await desk.call()
    grant, began = await desk.admit(), desk.now
    grant.answered([Pause(scope="credential", seconds=10)], LATCH)
    grant.hinted([left(100, 5)])
    assert pytest.approx(10) == await desk.call() - began


async def test_what_was_granted_before_a_hint_is_not_of_it() -> None:
    """A call that was let go before a hint, and is called off after it, gives nothing back."""
    desk = Desk(PACED)
    await desk.warm()
    await asyncio.sleep(1)
    before = await desk.admit()
    await asyncio.sleep(1)
    await told(desk, left(5, 1000))
    known = kept(desk)
    desk.call_off(before)
    assert known == kept(desk)


async def test_a_hint_after_its_time() -> None:
    """What was left until a time that is over says nothing of what is left now."""
    desk = Desk(COUNTED)
    early = await desk.admit()
    await told(desk, left(5, 30))
    await asyncio.sleep(60)
    early.hinted([left(20, 100)])
    early.answered((), LATCH)
    assert 5 < kept(desk) <= 20
