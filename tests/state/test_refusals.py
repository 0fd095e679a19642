"""Who is refused: a wait that cannot fit, a full queue, a pause that moves, and the end."""

import asyncio
from typing import Any

import pytest
from desk import LATCH, Desk, finish, limit, service

from resilient.model import Block, Pause
from resilient.state.waiting import Refused

PACED = service(limit(60, 60))


async def queue(desk: Desk, count: int, **keys: Any) -> list[asyncio.Task[float]]:
    """Queue calls."""
    tasks = [asyncio.create_task(desk.call(number, **keys)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def refusal(desk: Desk, **keys: Any) -> tuple[Any, ...]:
    """Return why a call is refused, after how long, and the wait that it is told."""
    began = desk.now
    with pytest.raises(Refused) as caught:
        await desk.admit(**keys)
    return caught.value.why, desk.now - began, caught.value.wait


async def test_a_wait_known_not_to_fit() -> None:
    """A call behind a queue longer than its deadline is refused then and there."""
    desk = Desk(PACED)
    await desk.warm()
    await queue(desk, 11)
    why, after, wait = await refusal(desk, within=9.9)
    assert ("deadline", 0.0, pytest.approx(11 * 60.1 / 60)) == (why, after, wait)
    await desk.admit(within=11.1)


@pytest.mark.parametrize("cost", [5, 30])
async def test_a_heavy_call_known_not_to_fit(cost: int) -> None:
    """The time in which a call above the burst saves up counts, too."""
    desk = Desk(PACED)
    await desk.warm()
    await desk.call()
    expected = ("deadline", 0.0, pytest.approx(cost * 60.1 / 60))
    assert expected == await refusal(desk, cost=cost, within=cost)
    await desk.admit(cost=cost, within=cost + 1)


async def test_a_paused_scope() -> None:
    """A call whose deadline is within a pause is refused at once, with the rest of the pause."""
    desk = Desk(PACED)
    await desk.call(marks=[Pause(scope="credential", seconds=60)])
    await asyncio.sleep(10)
    assert ("deadline", 0.0, 50.0) == await refusal(desk, within=49)


async def test_a_pause_that_moves() -> None:
    """Who waits and whom the new pause no longer fits is refused then; the others wait on."""
    desk = Desk(PACED)
    await desk.warm()
    other = await desk.admit()
    short = asyncio.create_task(refusal(desk, within=30))
    long = asyncio.create_task(desk.call("long"))
    await asyncio.sleep(0.5)
    moved = desk.now
    other.answered([Pause(scope="credential", seconds=100)], LATCH)
    assert ("deadline", 0.5, 100.0) == await short
    assert moved + 100 == await long


async def test_a_lost_probe_that_no_longer_fits() -> None:
    """The back-off after a probe without an answer is a pause that moves, too."""
    desk = Desk(PACED)
    await desk.warm()
    await desk.call(marks=[Pause(scope="credential", seconds=10)])
    probe = await desk.admit()
    waiting = asyncio.create_task(refusal(desk, within=5))
    await asyncio.sleep(1)
    probe.lost()
    assert ("deadline", 1.0, 10.0) == await waiting


async def test_a_block() -> None:
    """Whoever waits when a scope is blocked is refused then, and whoever comes, at once."""
    desk = Desk(PACED)
    await desk.warm()
    other = await desk.admit()
    waiting = asyncio.create_task(refusal(desk))
    await asyncio.sleep(0.25)
    other.answered([Block(scope="credential", base=100, cap=100)], LATCH)
    assert ("blocked", 0.25, 100.0) == await waiting
    assert ("blocked", 0.0, 100.0) == await refusal(desk)


async def test_a_lost_probe_of_a_block() -> None:
    """Whoever waits for a block's probe is refused when that gets no answer."""
    desk = Desk(PACED)
    await desk.call(marks=[Block(scope="credential", base=100, cap=100)])
    await asyncio.sleep(100)
    probe = await desk.admit()
    waiting = asyncio.create_task(refusal(desk))
    await asyncio.sleep(2)
    probe.lost()
    assert ("blocked", 2.0, 100.0) == await waiting


async def test_the_deadline_itself() -> None:
    """A wait that nobody could foresee ends with the deadline, and those behind move up."""
    desk = Desk(PACED)
    await desk.warm()
    await desk.call(marks=[Pause(scope="credential", seconds=10)])
    probe = await desk.admit()
    waiting = asyncio.create_task(refusal(desk, within=5))
    await asyncio.sleep(0)
    behind = asyncio.create_task(desk.call())
    assert ("deadline", 5.0) == (await waiting)[:2]
    probe.answered((), LATCH)
    await behind


async def test_a_full_queue() -> None:
    """More than `max_queue` do not wait in one scope; a refresh call does."""
    desk = Desk(service(limit(60, 60), max_queue=10))
    await desk.warm()
    tasks = await queue(desk, 11)
    why, after, wait = await refusal(desk)
    assert ("queue", 0.0, pytest.approx(11 * 60.1 / 60)) == (why, after, wait)
    urgent = asyncio.create_task(desk.call("urgent", urgent=True))
    await finish(*tasks, urgent)
    await desk.call()


async def test_another_scope_is_not_full() -> None:
    """The cap is a scope's own."""
    desk = Desk(service(limit(60, 60), max_queue=10))
    await desk.warm(credential="one")
    await desk.warm(credential="two")
    tasks = await queue(desk, 11, credential="one")
    before = desk.now
    assert before == await desk.call(credential="two")
    await finish(*tasks)


async def test_the_end() -> None:
    """Closing refuses all who wait, whatever they wait for, and whoever comes."""
    desk = Desk(service(limit(60, 60), limit(60, 60, "endpoint", name="each")))
    tasks = [
        asyncio.create_task(refusal(desk, credential=f"c{number % 7}", endpoint=f"e{number % 3}"))
        for number in range(1000)
    ]
    await asyncio.sleep(3)
    desk.admission.close()
    done = await finish(*tasks)
    assert {"closed"} == {each[0] for each in done if isinstance(each, tuple)}
    assert ("closed", 0.0, None) == await refusal(desk)
    assert all(gate.timer is None for gate in desk.admission.memory.gates())


@pytest.mark.parametrize(
    ("position", "seconds"), [(1, 60.1 / 60), (2, 2 * 60.1 / 60), (50, 50 * 60.1 / 60)]
)
async def test_what_a_caller_is_told(position: int, seconds: float) -> None:
    """Whoever waits is told for what, in which place, and how long at least."""
    desk = Desk(PACED)
    await desk.warm()
    await queue(desk, position + 1)
    told = desk.delays[-1]
    assert ("limit", "calls", position) == (told.reason, told.limit, told.position)
    assert pytest.approx(seconds) == told.seconds


async def test_what_nobody_knows() -> None:
    """Of a probe's answer nobody can say when it comes, for the first who waits or the tenth."""
    desk = Desk(service(limit(1200, 60)))
    await desk.warm()
    await desk.call(marks=[Pause(scope="credential", seconds=10)])
    grant = await desk.admit()
    desk.delays.clear()
    tasks = await queue(desk, 10)
    assert {("probe", None, "credential:one")} == {
        (told.reason, told.seconds, told.scope) for told in desk.delays
    }
    assert list(range(1, 11)) == [told.position for told in desk.delays]
    grant.answered((), LATCH)
    await finish(*tasks)


async def test_a_pause_is_told() -> None:
    """Whoever waits for a pause is told its rest."""
    desk = Desk(PACED)
    await desk.call(marks=[Pause(scope="credential", seconds=60)])
    desk.delays.clear()
    await queue(desk, 1)
    (told,) = desk.delays
    assert ("pause", 60.0, "credential:one") == (told.reason, told.seconds, told.scope)
