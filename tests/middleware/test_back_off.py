"""back_off: the whole scope pauses, then one probe, then the scope's own rate."""

import asyncio
from itertools import pairwise

import acme
import pytest
from acme import Connect
from multidict import CIMultiDict
from server import Server

import resilient

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LIMIT = {"rate": "1200/min"}
"""Kept by six calls at once, and 19.88 in a second."""


async def test_scope_pauses_then_one_probe(server: Server, connect: Connect) -> None:
    """Everybody in the scope waits; one call goes first, and its answer lets the rest go."""
    server.then(**acme.says("slow_down", status=429, after=10))
    server.script.append(acme.slowly(0.5))
    async with connect() as api, asyncio.TaskGroup() as group:
        first = group.create_task(api.get())
        await asyncio.sleep(1)
        others = [group.create_task(api.get()) for _ in range(4)]
    assert {200} == {task.result().status for task in (first, *others)}
    assert [0, 10, 10.5, 10.5, 10.5, 10.5] == acme.times(server)


async def test_then_own_rate(server: Server, connect: Connect) -> None:
    """After the probe the scope goes at the rate of its own limits, without a burst."""
    server.then(**acme.says("slow_down", status=429, after=10))
    async with connect(limits={"calls": LIMIT}) as api:
        await asyncio.gather(*[api.get() for _ in range(20)])
    after = acme.times(server)[1:]
    assert 10 == after[0]
    gaps = [later - sooner for sooner, later in pairwise(after)]
    assert [pytest.approx(60.1 / 1195, abs=0.002)] * 19 == gaps


async def test_refused_probe_pauses_again(server: Server, connect: Connect) -> None:
    """A probe that is refused, too, pauses the scope again; nobody else was sent."""
    server.then(**acme.says("slow_down", status=429, after=10), times=2)
    async with connect() as api, asyncio.TaskGroup() as group:
        group.create_task(api.get())
        await asyncio.sleep(1)
        for _ in range(4):
            group.create_task(api.get())
    assert [0, 10, 20, 20, 20, 20, 20] == acme.times(server)


async def test_pauses_grow(server: Server, connect: Connect) -> None:
    """Where the server does not say how long, each refused probe doubles the scope's pause."""
    server.then(**acme.says("slow_down", status=429), times=5)
    async with connect(chance=0.0) as api:
        await api.get()
    assert [0, 0.5, 1.5, 3.5, 7.5, 15.5] == acme.times(server)


async def test_one_step_for_a_volley(server: Server, connect: Connect) -> None:
    """Refusals of calls that were under way together are one step, not many."""
    server.script.extend([acme.slowly(0.1, acme.says("slow_down", status=429))] * 8)
    async with connect() as api:
        await asyncio.gather(*[api.get() for _ in range(8)])
    assert [0] * 8 + [0.6] * 8 == acme.times(server)


async def test_pauses_start_afresh(server: Server, connect: Connect) -> None:
    """A success ends the row: the next pause is as short as the first one."""
    refusal = acme.says("slow_down", status=429)
    server.then(**refusal, times=3)
    server.then()
    server.then(**refusal)
    async with connect() as api:
        await api.get()
        await api.get()
    assert [0, 0.5, 1.5, 3.5, 3.5, 4.0] == acme.times(server)


async def test_exhausted(server: Server, connect: Connect) -> None:
    """A call that is refused as often as its policy tries is RateLimited, and says until when."""
    policies = {"back_off": {"action": "back_off", "attempts": 3}}
    server.then(**acme.says("slow_down", status=429, after=10), times=9)
    async with connect(policies=policies) as api:
        with pytest.raises(resilient.RateLimited) as caught:
            await api.get()
        left = acme.seconds(api.state().paused_until, caught.value.retry_at)
        assert 0 == pytest.approx(left, abs=5)
    assert (3, 429) == (caught.value.attempts, caught.value.status)
    assert [0, 10, 20] == acme.times(server)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("7", 7.0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0.5),
        ("0", 0.5),
        ("-7", 0.5),
        ("7.5", 0.5),
        ("soon", 0.5),
        ("", 0.5),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", 0.5),
    ],
)
async def test_retry_after(server: Server, connect: Connect, asked: str, expected: float) -> None:
    """Retry-After counts in seconds and in all three forms of a date, against the server's Date.

    What is malformed, or shorter than the policy's own delay, leaves that delay.
    """
    headers = {"Retry-After": asked, "Date": DATE}
    server.then(**{**acme.says("slow_down", status=429), "headers": headers})
    async with connect() as api:
        await api.get()
    assert [0, expected] == acme.times(server)


async def test_several_retry_afters(server: Server, connect: Connect) -> None:
    """Of several the longest that can be read counts."""
    headers = [("Retry-After", each) for each in ("3", "soon", "9", "5")]
    server.then(**{**acme.says("slow_down", status=429), "headers": CIMultiDict(headers)})
    async with connect() as api:
        await api.get()
    assert [0, 9] == acme.times(server)


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
async def test_never_shortened(server: Server, connect: Connect, chance: float) -> None:
    """What the server asks is never undercut: chance only ever adds to it."""
    server.then(**acme.says("slow_down", status=429, after=60))
    async with connect(chance=chance) as api:
        await api.get()
    assert 60 <= acme.times(server)[1] <= 66


@pytest.mark.parametrize("code", ["slow_down", "lost"])
async def test_above_max_wait(server: Server, connect: Connect, code: str) -> None:
    """A wait above `max_wait` is raised at once, with the time in it."""
    server.then(**acme.says(code, status=503, after=3600))
    async with connect(timeout="2h") as api:
        began, now = asyncio.get_running_loop().time(), acme.now()
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
        assert began == asyncio.get_running_loop().time()
    assert 3600 == pytest.approx(acme.seconds(now, caught.value.retry_at), abs=5)
    assert 1 == len(server.hits)


async def test_pause_above_max_wait_holds(server: Server, connect: Connect) -> None:
    """The scope pauses for all that was asked, even where no call will wait for it."""
    server.then(**acme.says("slow_down", status=429, after=3600))
    async with connect(timeout="2h") as api:
        with pytest.raises(resilient.RateLimited):
            await api.get()
        assert 200 == (await api.get()).status
    assert [0, 3600] == acme.times(server)


async def test_retry_pauses_nobody(server: Server, connect: Connect) -> None:
    """A server's failure holds back the call that met it, and nobody else."""
    server.then(**acme.says("lost", status=503, after=10))
    async with connect() as api, asyncio.TaskGroup() as group:
        group.create_task(api.get())
        await asyncio.sleep(1)
        group.create_task(api.get())
    assert [0, 1, 10] == acme.times(server)


async def test_documented_wait(server: Server, connect: Connect) -> None:
    """A wait that the vendor documents counts where no Retry-After came."""
    slow = {"policy": "back_off", "processed": False, "wait": "45s"}
    server.then(**acme.says("slow_down", status=429))
    server.then(**acme.says("slow_down", status=429, after=7))
    async with connect(errors={"slow_down": slow}) as api:
        await api.get()
    assert [0, 45, 52] == acme.times(server)


async def test_post_waits_too(server: Server, connect: Connect) -> None:
    """A POST that was certainly not processed is sent again after the pause, body and all."""
    server.then(**acme.says("slow_down", status=429, after=5))
    async with connect() as api:
        await api.call("POST", "/things", json={"colour": "red"})
    assert [0, 5] == acme.times(server)
    assert server.hits[0].body == server.hits[1].body != b""
