"""Scopes, whichever store keeps them: who goes first, pauses, refusals in a row, and blocks."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from desk import LATCH, finish, limit
from oracle import most_in_window
from shared_desk import Counter, Desks, when

from resilient.catalog import Ban
from resilient.model import Block, Mark, Pause
from resilient.state.grant import Changed, Grant
from resilient.state.waiting import Refused

pytestmark = pytest.mark.real_time  # on the loops that conftest.py gives

FAST = limit(1000, 1, jitter=0)
"""Hardly a limit, but one: its scope is guarded."""

HAIR = 1e-5
"""Seconds: a store's clock has whole microseconds, and a pause is told in them."""


async def ended(grant: Grant, *marks: Mark) -> list[Changed]:
    """Let an answer come, and return what it has changed for all."""
    return await grant.agreed(grant.answered(marks, LATCH))


def refused(seconds: float) -> Pause:
    """Return what a refusal leaves behind."""
    return Pause(scope="credential", seconds=seconds)


def shut(seconds: float, cap: float = 10.0) -> Block:
    """Return what a ban leaves behind."""
    return Block(scope="credential", base=seconds, cap=cap, reason="banned")


async def heard(desk: Counter, count: int = 0) -> list[Grant]:
    """Let the scope hear its first answer; return so many further grants, under way together."""
    await ended(await desk.admit())
    return list(await asyncio.gather(*(desk.admit() for _ in range(count))))


def became(changes: Iterable[Changed]) -> list[str]:
    """Return what has become of scopes."""
    return [each.change for each in changes]


def told(change: Changed) -> tuple[Any, ...]:
    """Return what is told of a change."""
    return change.change, change.seconds, change.reason


async def wait_told(desk: Counter) -> float | None:
    """Return the wait that a call which cannot wait is told, or None: it goes."""
    try:
        grant = await desk.admit(within=0.02)
    except Refused as refusal:
        return refusal.wait or 0.0
    grant.cancel()
    return None


@pytest.mark.parametrize("answered", [True, False])
async def test_a_new_scope(desks: Desks, answered: bool) -> None:
    """Its first call goes alone; the rest go after its answer, or after a second."""
    desk = await desks.open(FAST)
    probe = await desk.admit()
    waiting = desk.start(5)
    await desk.until_told(5)
    assert 1 == len(desk.grants)
    if answered:
        await ended(probe)
    await finish(*waiting)
    late = [time - when(probe) >= 1 - HAIR for time in desk.times()[1:]]
    assert [not answered] * 5 == late


async def test_a_scope_without_limits_is_free(desks: Desks) -> None:
    """Where no limit and no ban rule hangs on a scope nobody has to go first."""
    desk = await desks.open()
    assert 5 == len(await asyncio.gather(*(desk.admit() for _ in range(5))))


@pytest.mark.parametrize("how", ["cancel", "unsent"])
async def test_a_probe_that_was_not_sent(desks: Desks, how: str) -> None:
    """It hands its right to the next one, and to that one only."""
    desk = await desks.open(FAST)
    probe = await desk.admit()
    waiting = [asyncio.create_task(desk.admit()) for _ in range(3)]
    await desk.until_told(3)
    getattr(probe, how)()
    await desk.until_granted(2)
    await asyncio.sleep(0.1)
    assert 2 == len(desk.grants)
    await ended(await waiting[0])
    await finish(*waiting)


async def test_a_lost_probe(desks: Desks) -> None:
    """A probe without an answer tells nothing: the next goes after a back-off that grows."""
    desk = await desks.open(FAST)
    (grant,) = await heard(desk, 1)
    await ended(grant, Pause(scope="credential", seconds=0.1, refusal=False))
    for _ in range(3):
        (await desk.admit()).lost()
    gaps = [later - sooner for sooner, later in pairwise(desk.times()[2:])]
    assert 0.4 - HAIR <= gaps[0] < 0.7 <= 0.8 - HAIR <= gaps[1]


async def test_a_pause(desks: Desks) -> None:
    """Nobody goes before its end; then one alone, and after its answer one more at once."""
    desk = await desks.open(limit(20, 0.4, jitter=0, burst=10))
    (grant,) = await heard(desk, 1)
    waiting = desk.start(5, takes=0.1)
    (change,) = await ended(grant, refused(0.3))
    assert ("paused", pytest.approx(0.3, abs=0.05), "") == told(change)
    paused = desk.now
    early = len(desk.grants)
    await finish(*waiting, *desk.start(5, takes=0.1))
    after = [each for each in desk.grants[early:] if each.at >= paused]
    assert len(after) >= 5
    assert after[0].at >= paused + change.seconds - 0.01
    assert when(after[1]) >= when(after[0]) + 0.1
    # The burst of 10 has not been left over: a bucket holds one call when a pause ends.
    assert 10 > most_in_window([(when(each), 1) for each in after], 0.05)


async def test_a_pause_only_moves_later(desks: Desks) -> None:
    """A shorter one changes nothing, a longer one counts from when it was heard."""
    desk = await desks.open(FAST)
    first, second, third = await heard(desk, 3)
    assert ["paused"] == became(await ended(first, refused(5)))
    assert ["held"] == became(await ended(second, refused(1)))
    assert ["paused"] == became(await ended(third, refused(9)))
    assert pytest.approx(9, abs=0.2) == await wait_told(desk)


async def test_a_probe_that_is_refused(desks: Desks) -> None:
    """It renews the pause, and the next probe goes after that."""
    desk = await desks.open(FAST)
    (grant,) = await heard(desk, 1)
    await ended(grant, refused(0.1))
    probe = await desk.admit()
    assert 2 == probe.step("credential")
    assert ["paused"] == became(await ended(probe, refused(0.2)))
    later = await desk.admit()
    assert when(later) >= when(probe) + 0.2
    await ended(later)


async def test_refusals_in_a_row(desks: Desks) -> None:
    """One before the ban the scope waits until the row is over; at the ban it is shut."""
    desk = await desks.open(FAST, ban=Ban(after=3, within=20))
    first, second, third = await heard(desk, 3)
    assert ["paused"] == became(await ended(first, refused(0.1)))
    (foreseen,) = await ended(second, refused(0.1))
    assert ("foreseen", pytest.approx(20, abs=0.5), "") == told(foreseen)
    (blocked,) = await ended(third, refused(0.1))
    expected = ("blocked", pytest.approx(LATCH.base, abs=0.01), "refusals in a row")
    assert expected == told(blocked)
    with pytest.raises(Refused, match="blocked"):
        await desk.admit()


async def test_a_success_ends_the_row(desks: Desks) -> None:
    """A success that was sent after a refusal was heard makes the next one the first."""
    desk = await desks.open(FAST, ban=Ban(after=3, within=20))
    for _ in range(3):
        (grant,) = await heard(desk, 1)
        assert ["paused"] == became(await ended(grant, refused(0.05)))


async def test_few_in_flight(desks: Desks) -> None:
    """With refusals heard, so few are under way that the row cannot fill unheard."""
    desk = await desks.open(FAST, ban=Ban(after=5, within=20))
    first, *slow = await heard(desk, 4)
    await ended(first, refused(0.05))
    waiting = asyncio.create_task(desk.admit())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    slow[0].unsent()
    probe = await waiting
    await ended(probe)


@pytest.mark.parametrize("lanes", [1, 3], ids=["one lane", "several lanes"])
async def test_strictly_few_in_flight(desks: Desks, lanes: int) -> None:
    """`in_flight: strict` keeps fewer under way than end in a ban, at any time, in all lanes."""
    desk = await desks.open(FAST, ban=Ban(after=3, within=60, strict=True))
    await heard(desk)
    await asyncio.sleep(0.05)  # so that the limit holds none of them up
    hosts = ["hij"[number % lanes] for number in range(6)]
    waiting = [asyncio.create_task(desk.admit(host=host)) for host in hosts]
    for done in (2, 4, 6):
        await desk.until_granted(1 + done)
        await asyncio.sleep(0.06)
        assert 1 + done == len(desk.grants)
        for grant in desk.grants[-2:]:
            grant.answered((), LATCH)
    await finish(*waiting)


async def test_a_block(desks: Desks) -> None:
    """Whoever waits is refused then, and whoever comes, at once; after it one goes alone."""
    desk = await desks.open(limit(10, 5, jitter=0), ban=Ban(after=3, within=20))
    (grant,) = await heard(desk, 1)
    waiting = [asyncio.create_task(desk.admit()) for _ in range(3)]
    await desk.until_told(3)
    (blocked,) = await ended(grant, shut(1.0))
    assert ("blocked", pytest.approx(1.0, abs=0.01), "banned") == told(blocked)
    ends = await finish(*waiting)
    assert ["blocked"] * 3 == [each.why for each in ends]
    with pytest.raises(Refused, match="blocked") as caught:
        await desk.admit()
    assert 0 < caught.value.wait <= 1  # type: ignore[operator]
    assert "credential:one" == str(caught.value.scope)


async def test_a_cool_down_doubles(desks: Desks) -> None:
    """Each probe that is banned doubles it, up to its cap; an answer opens the scope."""
    desk = await desks.open(FAST)
    (grant,) = await heard(desk, 1)
    lengths = []
    for _ in range(3):
        (change,) = await ended(grant, shut(0.1, cap=0.3))
        lengths.append(change.seconds)
        await asyncio.sleep(change.seconds + 0.01)
        grant = await desk.admit()
    assert pytest.approx([0.1, 0.2, 0.3], abs=0.01) == lengths
    assert ["released"] == became(await ended(grant))
    await heard(desk)


@pytest.mark.parametrize("mark", [refused(60), shut(60)])
async def test_release(desks: Desks, mark: Mark) -> None:
    """It lifts a pause and a block for everybody; a probe goes first."""
    desk = await desks.open(FAST)
    (grant,) = await heard(desk, 1)
    await ended(grant, mark)
    here = [str(each.scope) for each in desk.admission.release(lambda scope: True)]
    everywhere = await desk.admission.store.release("api", lambda scope: True)
    assert {"credential:one"} == {*here, *map(str, everywhere)}
    probe = await desk.admit()
    waiting = desk.start(3)
    await desk.until_told(3)
    await ended(probe)
    await finish(*waiting)


async def test_scopes_are_apart(desks: Desks) -> None:
    """A pause of one credential holds nobody else up; one of the address holds up both."""
    desk = await desks.open(FAST, limit(1000, 1, "ip", jitter=0, name="address"))
    await ended(await desk.admit(credential="one"))
    await ended(await desk.admit(credential="two"), Pause(scope="credential", seconds=60))
    await ended(await desk.admit(credential="one"), Pause(scope="ip", seconds=60))
    for name in ("one", "three"):
        with pytest.raises(Refused, match="deadline") as caught:
            await desk.admit(credential=name, within=5)
        assert pytest.approx(60, abs=1) == caught.value.wait
