"""One goes first: a new scope, one that comes out of a pause, and who may be the probe."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from desk import LATCH, Desk, finish, limit, service

from resilient.catalog import Ban
from resilient.model import Block, Mark, Pause

PACED = service(limit(1200, 60), adaptive=False)
"""Its rate stays as it is: how it follows a refusal is the subject of test_adapting."""
BURST = 6
RATE = 1195 / 60.1


def paused(seconds: float, scope: str = "credential", *, refusal: bool = True) -> Sequence[Mark]:
    """Return what a refusal leaves behind."""
    return [Pause(scope=scope, seconds=seconds, refusal=refusal)]  # type: ignore[arg-type]


async def started(desk: Desk, count: int, **call: object) -> list[asyncio.Task[float]]:
    """Start calls, named in their order."""
    tasks = [asyncio.create_task(desk.call(i, **call)) for i in range(count)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return tasks


def times(desk: Desk, since: float) -> list[float]:
    """Return when calls were sent, in seconds since some time."""
    return [round(time - since, 2) for time, _ in desk.sent]


@pytest.mark.parametrize(("takes", "expected"), [(0.3, 0.3), (0.999, 1.0), (1.5, 1.0), (50, 1.0)])
async def test_a_new_scope(takes: float, expected: float) -> None:
    """Its first call goes alone; the rest after its answer, or after a second."""
    desk = Desk(PACED)
    began = desk.now
    await finish(*await started(desk, 20, takes=takes))
    sent = times(desk, began)
    assert [0, pytest.approx(expected, abs=0.01)] == sent[:2]
    # By then the bucket is full: the burst, and then the pace.
    assert min(BURST, 1 + round(expected * RATE)) == sum(t < sent[1] + 0.01 for t in sent[1:])


async def test_a_scope_without_limits_is_free() -> None:
    """Where no limit and no ban rule hangs on a scope nobody has to go first."""
    desk = Desk(service())
    began = desk.now
    await finish(*await started(desk, 20, takes=1.0))
    assert [0.0] * 20 == times(desk, began)


async def test_the_end_of_a_pause() -> None:
    """After a pause one call goes, and after its answer the bucket begins with what it holds."""
    desk = Desk(PACED)
    await desk.warm()
    began = desk.now
    await desk.call(marks=paused(10))
    await finish(*await started(desk, 10, takes=0.1))
    sent = times(desk, began)
    assert [0, 10, 10.1] == sent[:3]
    assert sent[3:] == pytest.approx([10.1 + i / RATE for i in range(8)], abs=0.06)


async def test_no_second_releases_a_pause() -> None:
    """After a pause the probe's answer alone lets the rest go, however long it takes."""
    desk = Desk(PACED)
    await desk.warm()
    began = desk.now
    await desk.call(marks=paused(10))
    probe = asyncio.create_task(desk.call(takes=30))
    await asyncio.sleep(0)
    await finish(probe, *await started(desk, 2))
    assert [0, 10, 40] == times(desk, began)[:3]


async def test_a_probe_that_is_refused() -> None:
    """It renews the pause, and the next probe goes after that."""
    desk = Desk(PACED)
    await desk.warm()
    began = desk.now
    await desk.call(marks=paused(10))
    probe = asyncio.create_task(desk.call(marks=paused(20)))
    await asyncio.sleep(0)
    await finish(probe, *await started(desk, 2, takes=1))
    assert [0, 10, 30, 31] == times(desk, began)


@pytest.mark.parametrize("how", ["cancel", "unsent"])
@pytest.mark.parametrize("after", [0.0, 0.4])
@pytest.mark.parametrize("new", [True, False])
async def test_a_probe_called_off(how: str, after: float, new: bool) -> None:
    """A probe that was cancelled, or certainly not sent, hands its right to the next one."""
    desk = Desk(PACED)
    if not new:
        await desk.warm()
        await desk.call(marks=paused(10))
    grant = await desk.admit()
    waiting = await started(desk, 3, takes=5)
    await asyncio.sleep(after)
    desk.sent.clear()
    getattr(grant, how)()
    await asyncio.sleep(0.2)
    assert [0] == [number for number, task in enumerate(waiting) if not task.done()][:1]
    assert [grant.at + after] == pytest.approx([time for time, _ in desk.sent], abs=0.06)
    await finish(*waiting)


async def test_a_waiting_probe_that_is_cancelled() -> None:
    """Cancelled before the pause is over, it leaves the right to whoever is next."""
    desk = Desk(PACED)
    await desk.warm()
    began = desk.now
    await desk.call(marks=paused(10))
    waiting = await started(desk, 3, takes=1)
    waiting[0].cancel()
    await finish(*waiting)
    assert [0, 10, 11] == times(desk, began)


@pytest.mark.parametrize("new", [True, False])
async def test_a_probe_without_an_answer(new: bool) -> None:
    """A probe that was lost tells nothing: the next one goes after a back-off that grows."""
    desk = Desk(PACED)
    if not new:
        await desk.warm()
        await desk.call(marks=paused(10, refusal=False))
    sent = list[float]()
    for _ in range(4):
        grant = await desk.admit()
        sent.append(grant.at)
        grant.lost()
    gaps = [later - sooner for sooner, later in pairwise(sent)]
    assert pytest.approx([0.4, 0.8, 1.6][: 2 if new else 3], abs=0.06) == gaps[: 2 if new else 3]


async def test_a_lost_probe_after_a_refusal_renews_the_pause() -> None:
    """Where there were refusals, no answer is no reason to ask sooner than last time."""
    desk = Desk(PACED)
    await desk.warm()
    await desk.call(marks=paused(10))
    probe = await desk.admit()
    probe.lost()
    assert pytest.approx(probe.at + 10) == (await desk.admit()).at


async def test_the_right_of_all_scopes_at_once() -> None:
    """A call that needs two probe rights waits for both, and keeps neither from others."""
    desk = Desk(service(limit(1200, 60, "credential", "host")))
    await desk.warm(credential="one", host="one")
    await desk.warm(credential="two", host="two")
    await desk.call(marks=paused(10), credential="one", host="one")
    await desk.call(marks=paused(20, "host"), credential="two", host="two")
    began = desk.now
    desk.sent.clear()
    both = asyncio.create_task(desk.call("both", credential="one", host="two"))
    await asyncio.sleep(0)
    alone = asyncio.create_task(desk.call("alone", credential="one", host="one", takes=15))
    await finish(both, alone)
    assert ["alone", "both"] == desk.order[-2:]
    # At 20 the host's pause is over; at 25 the probe of the credential was answered.
    assert [10, 25] == times(desk, began)


async def test_a_late_success_does_not_lift_a_pause() -> None:
    """An answer to what was sent before a refusal was heard says nothing about the pause."""
    desk = Desk(PACED)
    await desk.warm()
    early = await desk.admit()
    began = desk.now
    await desk.call(marks=paused(10))
    await asyncio.sleep(1)
    early.answered((), LATCH)
    await finish(*await started(desk, 3, takes=2))
    assert [0, 10, 12] == times(desk, began)[:3]


async def test_a_success_does_not_lift_a_block_that_came_after_it_was_sent() -> None:
    """A probe on its way when the scope was blocked opens nothing."""
    desk = Desk(PACED)
    await desk.warm()
    early = await desk.admit()
    await desk.call(marks=paused(1))
    probe = await desk.admit()
    early.answered([Block(scope="credential", base=100, cap=100, reason="banned")], LATCH)
    probe.answered((), LATCH)
    (state,) = [g.state for s, g in desk.admission.memory.scopes.items() if s.kind == "credential"]
    assert state.blocked is not None


async def test_in_flight_under_a_ban_rule() -> None:
    """With a refusal heard, so few are under way that the row cannot fill unheard."""
    desk = Desk(service(limit(1200, 60), ban=Ban(after=4, within=60)))
    await desk.warm()
    refused = await desk.admit()
    slow = [await desk.admit() for _ in range(3)]
    refused.answered(paused(1), LATCH)
    began = desk.now
    desk.sent.clear()
    waiting = await started(desk, 3)
    await asyncio.sleep(5)
    assert [] == desk.sent
    slow[0].answered((), LATCH)
    slow[1].answered((), LATCH)
    slow[2].unsent()
    await finish(*waiting)
    assert 5 == times(desk, began)[0]


async def test_strictly_few_in_flight() -> None:
    """`in_flight: strict` keeps fewer under way than end in a ban, at any time."""
    desk = Desk(service(limit(1200, 60), ban=Ban(after=3, within=60, strict=True)))
    await desk.warm()
    began = desk.now
    await finish(*await started(desk, 6, takes=10))
    assert [0, 0, 10, 10, 20, 20] == times(desk, began)
