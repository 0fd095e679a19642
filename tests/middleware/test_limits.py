"""Documented limits over real HTTP: what the server counts, and what callers are told."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
from acme import Client, Connect
from aiohttp import web
from oracle import most_in_window
from server import Server

import resilient
from resilient.clock import Clock


def limits(**rates: str) -> dict[str, Any]:
    """Return the catalog's limits of the credential, by name."""
    return {"limits": {name: {"rate": rate, "per": ["credential"]} for name, rate in rates.items()}}


def in_window(server: Server, period: float) -> int:
    """Return the most that the server heard in any window."""
    return most_in_window([(hit.at, 1) for hit in server.hits], period)


async def many(api: Client, count: int) -> float:
    """Make calls at once and return how long they took together."""
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(api.get() for _ in range(count)))
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize(
    ("rate", "calls", "period"), [("1200/min", 1200, 60), ("60/min", 60, 60), ("7/s", 7, 1)]
)
async def test_what_the_server_counts(
    server: Server, connect: Connect, rate: str, calls: int, period: float
) -> None:
    """A saturated limit is never exceeded at the server, and hardly less is used."""
    count = max(70, calls * 2)
    async with connect(catalog=limits(calls=rate)) as api:
        took = await many(api, count)
    assert count == len(server.hits)
    assert in_window(server, period) <= calls
    assert 0.9 * calls <= count / took * period


async def test_two_limits(server: Server, connect: Connect) -> None:
    """45 a minute and 100 in two hours: both hold, and the longer one is no pace."""
    both = limits(minute="45/min", long="100/2h")
    async with connect(catalog=both, timeout="3h") as api:
        await many(api, 120)
    assert in_window(server, 60) <= 45
    assert in_window(server, 7200) <= 100
    assert acme.times(server)[99] < 140
    assert acme.times(server)[100] > 7200


async def test_every_send_is_charged(server: Server, connect: Connect) -> None:
    """Resends and redirect hops count like first sends."""
    for _ in range(4):
        server.then(**acme.says("lost", status=503))
        server.then(302, headers={"Location": "/elsewhere"})
        server.then()
    async with connect(catalog=limits(calls="7/2h"), timeout="6h") as api:
        for _ in range(4):
            await api.get()
    assert 12 == len(server.hits)
    assert 7 == in_window(server, 7200)


async def test_share(server: Server, connect: Connect) -> None:
    """A process with a quarter of the limit uses a quarter."""
    async with connect(catalog=limits(calls="60/min"), share="1/4") as api:
        await many(api, 31)
    assert 15 == in_window(server, 60)


async def test_share_of_less_than_a_call(server: Server, connect: Connect) -> None:
    """A quarter of one call a minute is one in four minutes."""
    async with connect(catalog=limits(calls="1/min"), share="1/4", timeout="1h") as api:
        await many(api, 3)
    assert 1 == in_window(server, 240)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 31_536_000.0, -31_536_000.0])
async def test_the_wall_clock_does_not_matter(server: Server, tmp_path: Path, jump: float) -> None:
    """Whatever happens to the date, limits and pauses run on."""
    wall = [1.7e9]
    file = acme.write(tmp_path, **limits(calls="60/min"))
    middleware = resilient.Middleware(
        {"services": {"acme": {"catalog": file, "hosts": [server.host]}}},
        credentials={"acme": acme.KEY},
        clock=Clock(wall=lambda: wall[0], chance=lambda: 0.0),
    )
    server.then()
    server.then(**acme.says("slow_down", status=429, after=10))
    async with resilient.session(middleware) as http:
        for _ in range(4):
            async with http.get(f"{server.url}/things"):
                wall[0] += jump
    assert [0, 1, 11, 12, 13] == [round(time) for time in acme.times(server)]


async def test_a_wait_that_does_not_fit(server: Server, connect: Connect) -> None:
    """A call behind a queue longer than its time is refused at once, with the time in it."""
    async with connect(catalog=limits(calls="60/min")) as api:
        queue = asyncio.ensure_future(many(api, 30))
        await asyncio.sleep(5)
        before = asyncio.get_running_loop().time()
        with (
            resilient.options(timeout=10),
            pytest.raises(resilient.DeadlineExceeded) as caught,
        ):
            await api.get()
        assert before == asyncio.get_running_loop().time()
        await queue
    assert pytest.approx(25, abs=6) == acme.seconds(acme.now(), caught.value.retry_at)
    assert 30 == len(server.hits)


async def test_a_full_queue(server: Server, connect: Connect) -> None:
    """The call after `max_queue` waiting ones is refused, and nothing of it is sent."""
    async with connect(catalog=limits(calls="60/min"), max_queue=10) as api:
        results = await asyncio.gather(*(api.get() for _ in range(13)), return_exceptions=True)
    assert [resilient.QueueFull] * 2 == [type(each) for each in results[11:]]
    assert 11 == len(server.hits)


async def test_a_long_wait_is_told(server: Server, connect: Connect) -> None:
    """A wait of `report_wait` or more is told at its beginning: for what, how long, which place."""
    async with connect(catalog=limits(calls="60/min"), report_wait="2s") as api:
        await api.get()
        await many(api, 4)
    told = api.told("call_delayed")
    assert [("limit", "calls", 2), ("limit", "calls", 3), ("limit", "calls", 4)] == [
        (each["reason"], each["limit"], each["position"]) for each in told
    ]
    assert [2, 3, 4] == [round(each["delay"]) for each in told]


async def test_closing(server: Server, connect: Connect) -> None:
    """Closing ends all waits with NotSent, and no timer keeps a call."""
    async with connect(catalog=limits(calls="60/min"), timeout="1h") as api:
        tasks = [asyncio.ensure_future(api.get()) for _ in range(1000)]
        await asyncio.sleep(10.5)
        await api.middleware.aclose()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {resilient.NotSent} == {type(each) for each in results[11:]}
    assert 11 == len(server.hits)
    failed = api.told("call_failed")
    assert [pytest.approx(10.5)] * 989 == [each["waited"] for each in failed]


# Connections.


Connector = Callable[[], aiohttp.TCPConnector]


def _two() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=2)


def _two_per_host() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit_per_host=2)


def session(api: Client, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    """Return a session of the same middleware with its own connections."""
    return aiohttp.ClientSession(
        connector=connector,
        middlewares=(api.middleware,),
        timeout=aiohttp.ClientTimeout(total=None),
    )


@pytest.mark.parametrize("connector", [_two, _two_per_host])
async def test_no_token_is_taken_before_a_connection_is_free(
    server: Server, connect: Connect, connector: Connector
) -> None:
    """Behind a slow server calls leave when they are granted: none bursts after having waited."""
    server.then()
    server.script.extend([acme.slowly(20)] * 4)
    async with connect(catalog=limits(calls="10/s")) as api, session(api, connector()) as http:

        async def get() -> None:
            async with http.get(f"{server.url}/things") as response:
                await response.read()

        await get()
        slow = [asyncio.ensure_future(get()) for _ in range(2)]
        await asyncio.sleep(5)
        await asyncio.gather(*slow, *(get() for _ in range(30)))
        assert {"connection"} == {each["reason"] for each in api.told("call_delayed")}
    assert 33 == len(server.hits)
    assert in_window(server, 1) <= 10


async def test_a_pool_without_the_gate_bursts(server: Server, connect: Connect) -> None:
    """What the gate prevents: calls granted early leave together when connections come free."""
    server.then()
    server.script.extend([acme.slowly(20)] * 12)
    async with (
        connect(catalog=limits(calls="10/s")) as api,
        session(api, aiohttp.TCPConnector(limit=12)) as http,
    ):

        async def get() -> None:
            async with http.get(f"{server.url}/things") as response:
                await response.read()

        await get()
        for lane in api.middleware._admission.memory.lanes.values():
            for pool in lane.pools:
                pool.room = 1000
        await asyncio.gather(*(get() for _ in range(40)))
    assert in_window(server, 1) > 10


async def test_an_unread_response_keeps_its_connection(server: Server, connect: Connect) -> None:
    """Others wait while a caller has not read what he holds, and go when he lets go of it."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)
            await asyncio.sleep(1)

    server.script.append(endless)
    async with connect() as api, session(api, aiohttp.TCPConnector(limit=1)) as http:
        began = asyncio.get_running_loop().time()
        held = await http.get(f"{server.url}/things")
        waiting = asyncio.ensure_future(http.get(f"{server.url}/things"))
        await asyncio.sleep(30)
        assert not waiting.done()
        held.close()
        (await waiting).release()
        assert 30 == round(server.hits[1].at - began)


def left(api: Client, http: aiohttp.ClientSession) -> tuple[int, ...]:
    """Return what must be 0 when no call is under way."""
    memory = api.middleware._admission.memory
    assert http.connector is not None
    pools = memory.pools[http.connector].values() if http.connector in memory.pools else ()
    return (
        len(http.connector._acquired),
        sum(pool.used for pool in pools),
        *(
            sum(getattr(g.state, n) for g in memory.scopes.values())
            for n in ("in_flight", "waiting")
        ),
        sum(lane.live + lane.queued for lane in memory.lanes.values()),
    )


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_cancelled_at_every_step(server: Server, connect: Connect, which: int) -> None:
    """Wherever a call is cancelled, nothing of it is left, and the others are answered."""
    async with (
        connect(catalog=limits(calls="60/min")) as api,
        session(api, aiohttp.TCPConnector(limit=1)) as http,
    ):

        async def get() -> int:
            async with http.get(f"{server.url}/things") as response:
                await response.read()
                return response.status

        for steps in range(60):
            await asyncio.sleep(60)
            server.script.clear()
            server.script.append({**acme.says("lost", status=503)})
            tasks = [asyncio.ensure_future(get()) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
            if steps >= 40:
                await asyncio.sleep((steps - 40) / 5)
            tasks[which].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            others = [each for i, each in enumerate(results) if i != which]
            assert [200, 200] == others
            assert isinstance(results[which], asyncio.CancelledError) or results[which] == 200
            await asyncio.sleep(1)
            assert (0, 0, 0, 0, 0) == left(api, http)
    assert in_window(server, 60) <= 60
