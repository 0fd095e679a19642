"""What is remembered is bounded: scopes by those in use, queues by their cap."""

import asyncio
import gc
import random
import sys
import tracemalloc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import aiohttp
import attrs
import pytest
from acme import Connect
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from desk import LATCH, Desk, finish, limit, service
from oracle import inversions, most_in_window
from promises.conftest import Figure, Scale
from server import Server

import resilient
from resilient.state import gauge, memory
from resilient.state.waiting import Refused

MIB = 2**20
KEYS = service(limit(2, 2))
"""What is known of a key is worth remembering for a second: then its bucket is full again."""


@contextmanager
def traced() -> Iterator[list[int]]:
    """Measure memory: the list gets the bytes that are in use after the block, and at its peak."""
    found = list[int]()
    gc.collect()
    tracemalloc.start()
    try:
        yield found
        gc.collect()
        found.extend(tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()


@attrs.define(eq=False)
class Calls:
    """Calls of keys that come and go.

    Attributes:
        numbers: Which key each was of.
        times: When it was sent; 0: it was not.
        seen: How many keys there were.
        made: How many calls.
    """

    keys: int
    live: int
    seen: int = 0
    made: int = 0
    chance: random.Random = attrs.field(factory=lambda: random.Random(1))
    numbers: "array[int]" = attrs.field(init=False)
    times: "array[float]" = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Made at once, and beforehand: what the test itself remembers is not to be measured.
        self.numbers = array("q", bytes(10 * self.keys))
        self.times = array("d", bytes(10 * self.keys))

    async def make(self, desk: Desk, but: int = 0) -> "Calls":
        """Make `live` calls a second, each remembered about a second, for all keys but the last.

        One in five is of a key that came lately: it may be forgotten, or still remembered.
        """
        while self.seen < self.keys - but and self.made < len(self.times):
            new = not self.seen or self.chance.random() < 0.8
            number = self.seen - (0 if new else 1 + self.chance.randrange(2 * self.live))
            self.seen += new
            if self.made % 50 == 0:
                await asyncio.sleep(50 / self.live)
            await self._one(desk, max(0, number))
            self.made += 1
        return self

    async def _one(self, desk: Desk, number: int) -> None:
        try:
            grant = await desk.admit(within=1e-6, credential=f"key-{number}")
        except Refused:
            return
        self.numbers[self.made], self.times[self.made] = number, grant.at
        grant.answered((), LATCH)

    def over_issued(self) -> int:
        """Count the keys with an overfull window."""
        sent = sorted(each for each in zip(self.numbers, self.times, strict=True) if each[1])
        by_key = (list(group) for _, group in groupby(sent, key=lambda each: each[0]))
        (found,) = KEYS.catalog.limits
        return sum(
            most_in_window([(time, 1) for _, time in group], found.period) > found.calls
            for group in by_key
            if len(group) > found.calls
        )


async def test_many_keys(scale: Scale, figure: Figure) -> None:
    """However many keys were seen, memory is that of those in use, and none goes too often."""
    desk, calls = Desk(KEYS), Calls(scale(8_000, 1_000_000), scale(1000, 50_000))
    await calls.make(desk, but=calls.keys // 2)
    blocks = sys.getallocatedblocks()
    # To trace costs four times what it watches: what is in use at the end was made lately.
    await calls.make(desk, but=4 * calls.live)
    with traced() as used:
        await calls.make(desk)
    scopes, (held, peak) = len(desk.admission.memory.scopes), used
    assert calls.live * 0.8 < scopes < calls.live * 1.4
    assert peak < 64 * MIB * calls.live / 50_000 + MIB / 2
    assert sys.getallocatedblocks() < blocks + 5 * calls.live
    assert 0 == calls.over_issued()
    of = f"{calls.keys:,} keys, {calls.live:,} live"
    figure("D1", "MiB at most", peak / MIB, of=of)
    figure("D1", "MiB at the end", held / MIB, of=f"{scopes:,} scopes")
    figure("D1", "keys with a window over N", 0, of=of)


async def test_a_memory_that_forgets_too_early_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: to forget a bucket that is not full is to issue too much."""
    monkeypatch.setattr(gauge.Bucket, "idle", lambda *_: True)
    monkeypatch.setattr(memory, "FEW", 1)
    assert 0 < (await Calls(3000, 600).make(Desk(KEYS))).over_issued()


async def test_a_memory_that_forgets_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without sweeps all the keys that were seen are still there."""
    monkeypatch.setattr(memory.Memory, "sweep", lambda *_: None)
    desk, calls = Desk(KEYS), Calls(2000, 500)
    await calls.make(desk)
    assert calls.live * 1.4 < len(desk.admission.memory.scopes)


async def crowd(desk: Desk, count: int) -> list["asyncio.Task[float]"]:
    """Let calls queue, named in their order."""
    tasks = [asyncio.create_task(desk.call(number)) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_long_queue(scale: Scale, figure: Figure) -> None:
    """A waiter takes 4 KiB at most, its task included, and all go in the order they came."""
    desk, count = Desk(service(limit(10, 1), max_queue=10**6)), scale(2000, 100_000)
    await desk.warm()
    began = desk.now
    with traced() as used:
        tasks = await crowd(desk, count)
    await finish(*tasks)
    assert used[0] < 4096 * count
    assert 0 == inversions(desk.order)
    assert count == len(desk.order)
    assert count / 10 < desk.now - began < count / 10 * 1.1 + 1
    figure("D3", "bytes per waiter", used[0] // count, of=count)
    figure("D3", "out of order", 0, of=f"{count:,} callers on 10/s")


async def test_a_full_queue_refuses_at_once() -> None:
    """The call beyond `max_queue` is refused in its first step: it awaits nothing."""
    desk = Desk(service(limit(60, 60), max_queue=100))
    tasks = await crowd(desk, 101)
    before, beyond = desk.now, desk.admit()
    with pytest.raises(Refused, match="queue"):
        beyond.send(None)
    assert before == desk.now
    for task in tasks:
        task.cancel()


async def test_the_middleware_refuses_at_once(server: Server, connect: Connect) -> None:
    """A call that is refused never leaves the middleware's first step, and takes no time."""
    first_steps: list[object] = []

    async def step(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        call: Any = handler(request)
        try:
            first_steps.append(call.send(None))
        except resilient.QueueFull as refusal:
            first_steps.append(refusal)
        finally:
            call.close()
        raise aiohttp.ClientError

    rate = {"limits": {"calls": {"rate": "1/min", "per": ["credential"]}}}
    async with connect(catalog=rate, max_queue=3) as api:
        await api.get()
        tasks = [asyncio.ensure_future(api.get()) for _ in range(3)]
        await asyncio.sleep(0.1)
        before = asyncio.get_running_loop().time()
        watched = aiohttp.ClientSession(middlewares=(step, api.middleware))
        async with watched as http, asyncio.timeout(1):
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{api.url}/things")
        assert before == asyncio.get_running_loop().time()
        assert [resilient.QueueFull] == [type(each) for each in first_steps]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
