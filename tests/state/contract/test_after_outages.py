"""What came of calls while the store did not answer: it holds for all when it is back."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from desk import LATCH, limit
from shared_desk import Counter
from shared_pair import SOON, Pairs

from resilient.catalog import Ban
from resilient.model import Block, Mark, Pause
from resilient.state.grant import Grant
from resilient.state.waiting import Refused

pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_factories=["redis"])]

FAST = limit(1000, 1, jitter=0)
"""Hardly a limit, but one: its scope is guarded."""

ROW = Ban(after=3, within=20)

BROKEN: Mapping[str, Any] = {
    "after it was heard": {"cut": 0},
    "before it was heard": {"refuses": True},
}
"""How a reply is lost on its way."""


async def ended(grant: Grant, *marks: Mark) -> list[str]:
    """Let an answer come, and return what has become of the scopes."""
    return [each.change for each in await grant.agreed(grant.answered(marks, LATCH))]


async def heard(desk: Counter, count: int) -> list[Grant]:
    """Let the scope hear its first answer; return further grants, under way together."""
    await ended(await desk.admit())
    return list(await asyncio.gather(*(desk.admit() for _ in range(count))))


async def probing(desk: Counter) -> Grant:
    """Return the call that goes first after a pause."""
    (grant,) = await heard(desk, 1)
    await ended(grant, refused(0.05))
    return await desk.admit()


def refused(seconds: float) -> Pause:
    """Return what a refusal leaves behind."""
    return Pause(scope="credential", seconds=seconds)


def shut(seconds: float, asked: float | None = None) -> Block:
    """Return what a ban leaves behind."""
    return Block(scope="credential", base=seconds, cap=3600.0, asked=asked, reason="banned")


async def refusal(desk: Counter) -> tuple[Any, ...]:
    """Return why a call that cannot wait is refused, and the wait that it is told."""
    with pytest.raises(Refused) as caught:
        await desk.admit(within=SOON)
    return caught.value.why, caught.value.wait


async def held_by_a_probe(desk: Counter) -> asyncio.Task[float]:
    """Return a call that waits for the answer to another."""
    desk.delays.clear()
    (waiting,) = desk.start(1, within=SOON)
    await desk.until_told(1)
    assert ["probe"] == [each.reason for each in desk.delays]
    return waiting


@pytest.mark.parametrize(
    ("mark", "why"),
    [(refused(30), "deadline"), (shut(30), "blocked"), (shut(1, asked=30), "blocked")],
    ids=["pause", "block", "block that was asked for"],
)
async def test_heard_meanwhile(pairs: Pairs, mark: Mark, why: str) -> None:
    """A pause and a block hold for all, lessened by the time gone."""
    pair = await pairs.open(FAST)
    (grant,) = await heard(pair.far, 1)
    await pair.part()
    await ended(grant, mark)
    end = pair.far.now + 30
    await asyncio.sleep(0.6)
    await pair.meet()
    for desk in (pair.far, pair.near):
        assert (why, pytest.approx(end - desk.now, abs=0.4)) == await refusal(desk)


@pytest.mark.parametrize("mark", [refused(0.1), shut(0.1), shut(0.01, asked=0.1)])
async def test_over_meanwhile(pairs: Pairs, mark: Mark) -> None:
    """One that is over holds nobody up; as after any other, a probe goes first."""
    pair = await pairs.open(FAST)
    (grant,) = await heard(pair.far, 1)
    await pair.part()
    await ended(grant, mark)
    await asyncio.sleep(0.15)
    await pair.meet()
    probe = await pair.near.admit(within=SOON)
    waiting = await held_by_a_probe(pair.far)
    assert ["released"] == await ended(probe)
    await waiting


async def test_refusals_meanwhile(pairs: Pairs) -> None:
    """They count in the row, be their pauses over: one before the ban all wait until it is."""
    pair = await pairs.open(FAST, ban=ROW)
    *both, last = await heard(pair.far, 3)
    await pair.part()
    for grant in both:
        await ended(grant, refused(0.01))
    await asyncio.sleep(0.05)
    await pair.meet()
    assert ("deadline", pytest.approx(20, abs=2)) == await refusal(pair.near)
    assert ["blocked"] == await ended(last, refused(0.01))


@pytest.mark.parametrize("how", BROKEN)
async def test_an_end_lost_on_the_way(pairs: Pairs, how: str) -> None:
    """It is told again; its refusal counts at most once."""
    pair = await pairs.open(FAST, ban=ROW)
    grant, other = await heard(pair.far, 2)
    pair.spoil(**BROKEN[how])
    await ended(grant, refused(30))
    await pair.meet()
    assert ("deadline", pytest.approx(30, abs=5)) == await refusal(pair.near)
    expected = {"after it was heard": "foreseen", "before it was heard": "paused"}
    assert [expected[how]] == await ended(other, refused(60))


@pytest.mark.parametrize(("how", "room"), [("after it was heard", 2), ("before it was heard", 1)])
async def test_a_call_called_off_on_the_way(pairs: Pairs, how: str, room: int) -> None:
    """What it took is given back once at most, however often that is told."""
    pair = await pairs.open(limit(4, 3600))
    grant, _ = await heard(pair.far, 2)
    pair.spoil(**BROKEN[how])
    grant.cancel()
    await pair.is_up(up=False)
    await pair.meet()
    for _ in range(room):
        await pair.near.admit(within=SOON)
    with pytest.raises(Refused, match="deadline"):
        await pair.near.admit(within=SOON)


async def test_a_probe_answered_meanwhile(pairs: Pairs) -> None:
    """After it everybody goes at once: nobody waits for an answer that was there."""
    pair = await pairs.open(FAST)
    probe = await probing(pair.far)
    await pair.part()
    await ended(probe)
    await pair.meet()
    await pair.all_go()


@pytest.mark.parametrize("how", ["unsent", "cancel", "lost"])
async def test_a_probe_without_an_answer_meanwhile(pairs: Pairs, how: str) -> None:
    """Another one goes in its place, and then everybody."""
    pair = await pairs.open(FAST)
    probe = await probing(pair.far)
    await pair.part()
    getattr(probe, how)()
    await pair.meet()
    await pair.all_go()


async def test_a_probe_nobody_knows_of(pairs: Pairs) -> None:
    """One that was granted, and nobody was told, holds nobody up either."""
    pair = await pairs.open(FAST)
    (grant,) = await heard(pair.far, 1)
    await ended(grant, refused(0.05))
    await asyncio.sleep(0.06)
    pair.spoil(cut=0)
    await pair.far.call(within=SOON)
    await pair.is_up(up=False)
    waiting = await held_by_a_probe(pair.near)
    await pair.meet()
    await waiting
    await pair.all_go()
