"""What is under way in the very moment in which a process loses the store."""

import asyncio
import gc
from functools import partial
from typing import Any

import pytest
from desk import LATCH, limit
from redis_server import RedisServer
from shared_desk import Counter
from shared_pair import SOON, Pair, Pairs

import resilient
from resilient.model import Pause
from resilient.state.redis import presence
from resilient.state.waiting import Refused

pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_factories=["redis"])]

FAST = limit(1000, 1, jitter=0)
"""Hardly a limit, but one: its scope is guarded."""

SLOW = limit(10, 20, jitter=0)
"""One at once, and one each two seconds."""


def store_of(desk: Counter) -> Any:
    """Return where a desk keeps its state."""
    return desk.admission.store


async def heard(desk: Counter, *marks: Pause, credential: str = "one") -> None:
    """Make a call, and wait until the store has heard how it ended."""
    grant = await desk.admit(credential=credential)
    await grant.agreed(grant.answered(marks, LATCH))


async def on_its_way(pair: Pair) -> None:
    """Wait until something of the far one is on its way to the store."""
    heard = len(pair.front.heard)
    await pair.far.until(lambda: len(pair.front.heard) > heard)


async def test_an_ask_that_was_not_sent(pairs: Pairs) -> None:
    """It spends nothing, as one whose answer is lost does."""
    pair = await pairs.open(limit(3, 3600))
    for name in ("one", "two"):  # of three calls one has gone, and each counts for two instances
        await heard(pair.far, credential=name)
    pair.spoil(late=0.1)
    sent = asyncio.create_task(pair.far.admit(credential="one", within=SOON))
    await on_its_way(pair)
    unsent = asyncio.create_task(pair.far.admit(credential="two", within=SOON))
    pair.spoil(cut=0)
    await unsent
    with pytest.raises(Refused, match="deadline"):
        await sent


async def test_a_call_that_comes_as_it_is_lost(pairs: Pairs) -> None:
    """It queues behind those who had asked, and each is told its own place."""
    pair = await pairs.open(SLOW)
    await heard(pair.far)
    late = list[asyncio.Task[Any]]()

    def hear(event: resilient.Event) -> None:
        if event.name == "resilient.store_degraded":
            late.extend(pair.far.start(1))

    store_of(pair.far).presence.tell = hear
    pair.spoil(refuses=True)
    asking = pair.far.start(3)
    await pair.far.until_told(4)
    assert [1, 2, 3, 4] == sorted(each.position for each in pair.far.delays)
    for task in (*asking, *late):
        task.cancel()


async def test_lifting_without_an_answer(pairs: Pairs) -> None:
    """Where the store says nothing, nothing is said to have been lifted."""
    pair = await pairs.open(FAST)
    await heard(pair.far, Pause(scope="credential", seconds=60))
    lift = partial(store_of(pair.far).release, "api", lambda _: True)
    pair.spoil(cut=0)
    assert [] == await lift()
    await pair.is_up(up=False)
    assert [] == await lift()
    await pair.meet()
    assert ["credential"] == [scope.kind for scope in await lift()]


@pytest.mark.parametrize("cut", [None, 0], ids=["answered", "lost"])
async def test_lifting_called_off(pairs: Pairs, cut: int | None) -> None:
    """Who lifts and does not wait for the answer leaves nothing behind that holds others up."""
    wrong = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, found: wrong.append(found))
    pair = await pairs.open(FAST)
    await heard(pair.far)
    pair.spoil(late=0.05)
    lifting = asyncio.create_task(store_of(pair.far).release("api", lambda _: True))
    await on_its_way(pair)
    lifting.cancel()
    pair.spoil(cut=cut)
    await pair.far.call(within=SOON)
    await pair.is_up(up=cut is None)
    await pair.meet()
    await pair.all_go()
    gc.collect()  # a task that failed says so when it goes
    assert [] == wrong


async def test_signs_of_life(
    pairs: Pairs, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes no calls says now and then that it is there: also when the store is back."""
    monkeypatch.setattr(presence, "SIGN", 0.02)
    monkeypatch.setattr(presence, "BUSY", 0.0)
    pair = await pairs.open(FAST)
    name = ("resilient:1:{api}:seen", store_of(pair.far).presence.instance)
    last = partial(redis_server.command, "ZSCORE", *name)

    async def says_so() -> None:
        before = last()
        await pair.far.until(lambda: last() > before)

    for _ in range(2):
        for _ in range(2):  # the first may come with what else there is to tell
            await says_so()
        await pair.part()
        await asyncio.sleep(0.06)  # there is nobody to say it to
        pair.spoil(refuses=False)
        await pair.is_up(up=True)
