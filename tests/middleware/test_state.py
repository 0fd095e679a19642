"""What an operator sees and does: state(), release(), aclose()."""

import asyncio
from datetime import UTC

import acme
import aiohttp
import pytest
from acme import KEY, Connect
from server import Server

import resilient

SCOPE = "credential:default"
KEYS = {"first": "key-1", "second": "key-2"}


async def test_idle(server: Server, connect: Connect) -> None:
    """There is nothing to see before the first call, and nothing remarkable after it."""
    async with connect(egress="office", limits={"calls": {"rate": "60/min"}}) as api:
        assert {} == api.middleware.state()
        await api.get()
        assert {f"acme/{SCOPE}", "acme/ip:office", f"acme/host:{server.host}"} == set(
            api.middleware.state()
        )
        state = api.state()
    assert ("acme", SCOPE) == (state.service, state.scope)
    assert (0, 0, 0) == (state.waiting, state.in_flight, state.refusals)
    assert (None, None, None, None) == (
        state.paused_until,
        state.blocked_since,
        state.blocked_until,
        state.reason,
    )
    assert {"calls": pytest.approx(59 / 60.1, rel=0.05)} == state.rates


async def test_pause(server: Server, connect: Connect) -> None:
    """A pause shows who waits, and until when: aware UTC."""
    server.then(**acme.says("slow_down", status=429, after=30))
    async with connect() as api, asyncio.TaskGroup() as group:
        now = acme.now()
        for _ in range(3):
            group.create_task(api.get())
            await asyncio.sleep(1)
        state = api.state()
        assert (3, 0, 1) == (state.waiting, state.in_flight, state.refusals)
        assert UTC is state.paused_until.tzinfo
        assert 27 == pytest.approx(acme.seconds(now, state.paused_until), abs=5)
        await asyncio.sleep(30)
        assert (0, None, 0) == (api.state().waiting, api.state().paused_until, api.state().refusals)


async def test_in_flight(server: Server, connect: Connect) -> None:
    """Calls under way are counted."""
    server.script.extend([acme.slowly(5)] * 3)
    async with connect() as api, asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(api.get())
        await asyncio.sleep(1)
        assert 3 == api.state().in_flight
    assert 0 == api.state().in_flight


async def test_no_secret(server: Server, connect: Connect) -> None:
    """The state knows credentials by name only, also one that the caller put there himself."""
    async with connect() as api:
        await api.get()
        await api.get(headers={"Authorization": "Bearer " + KEY})
        assert KEY not in repr(api.middleware.state()) + repr(api.middleware)
        assert any("credential:signed-" in name for name in api.middleware.state())


async def test_release_of_a_pause(server: Server, connect: Connect) -> None:
    """A released pause lets a probe go at once, and after it the others."""
    server.then(**acme.says("slow_down", status=429, after=100))
    server.script.append(acme.slowly(0.5))
    async with connect() as api:
        calls = [asyncio.create_task(api.get())]
        await asyncio.sleep(10)
        calls += [asyncio.create_task(api.get()) for _ in range(2)]
        await asyncio.sleep(0)
        assert [SCOPE] == await api.middleware.release("acme")
        await asyncio.gather(*calls)
        assert SCOPE == api.told("scope_released")[0]["scope"]
    assert [0, 10, 10.5, 10.5] == acme.times(server)


async def test_release_of_one_credential(server: Server, connect: Connect) -> None:
    """A release of one credential lifts that one's block and leaves the others."""
    server.then(**acme.says("shut_out"), times=2)
    async with connect(credentials=KEYS) as api:
        for name in KEYS:
            with resilient.options(credential=name), pytest.raises(resilient.Blocked):
                await api.get()
        assert ["credential:first"] == await api.middleware.release("acme", credential="first")
        with resilient.options(credential="first"):
            assert 200 == (await api.get()).status
        with resilient.options(credential="second"), pytest.raises(resilient.ScopeBlocked):
            await api.get()


async def test_release_of_nothing(server: Server, connect: Connect) -> None:
    """Where nothing is shut there is nothing to release, also after a pause that is over."""
    server.then(**acme.says("slow_down", status=429, after=5))
    async with connect() as api:
        await api.get()
        assert [] == await api.middleware.release("acme")
        assert [] == await api.middleware.release("acme", credential="nobody")
        with pytest.raises(resilient.ConfigError, match="no service 'other'"):
            await api.middleware.release("other")


async def test_blocked_again_after_a_release(server: Server, connect: Connect) -> None:
    """A scope that was released too early is latched anew, for the first cool-down."""
    server.then(**acme.says("shut_out"), times=2)
    async with connect() as api:
        for _ in range(2):
            with pytest.raises(resilient.Blocked):
                await api.get()
            now = acme.now()
            assert 300 == pytest.approx(acme.seconds(now, api.state().blocked_until), abs=5)
            await api.middleware.release("acme")


async def test_aclose_ends_waits(server: Server, connect: Connect) -> None:
    """When it is closed, whoever waits raises at once: first attempts and later ones."""
    server.then(**acme.says("slow_down", status=429, after=100))
    async with connect() as api:
        calls = [asyncio.create_task(api.get())]
        await asyncio.sleep(1)
        calls += [asyncio.create_task(api.get()) for _ in range(3)]
        await asyncio.sleep(1)
        closed = asyncio.get_running_loop().time()
        await api.middleware.aclose()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert closed == asyncio.get_running_loop().time()
        assert 0 == api.state().waiting
    assert [resilient.RateLimited, *[resilient.NotSent] * 3] == [type(each) for each in results]
    assert 1 == len(server.hits)


async def test_aclose_between_attempts(server: Server, connect: Connect) -> None:
    """A call that is between two attempts does not send the next one, but raises the last."""
    server.then(**acme.says("lost", status=503, after=100))
    async with connect() as api:
        call = asyncio.create_task(api.get())
        await asyncio.sleep(1)
        await api.middleware.aclose()
        with pytest.raises(resilient.Unavailable):
            await call
    assert 1 == len(server.hits)


async def test_aclose_ends_delays(server: Server, connect: Connect) -> None:
    """A call that is between two attempts raises as soon as it is closed."""
    server.then(**acme.says("lost", status=503, after=100))
    async with connect() as api:
        call = asyncio.create_task(api.get())
        await asyncio.sleep(1)
        await api.middleware.aclose()
        await asyncio.wait((call,))
        assert 1 == round(asyncio.get_running_loop().time() - server.hits[0].at, 3)


async def test_calls_after_aclose(server: Server, connect: Connect) -> None:
    """After the end nothing is sent, and closing twice does no harm."""
    async with connect() as api:
        await api.get()
        for _ in range(2):
            await api.middleware.aclose()
            with pytest.raises(resilient.NotSent, match="closed"):
                await api.get()
    assert 1 == len(server.hits)


async def test_session_closes_its_own(server: Server) -> None:
    """`session()` ends what it made, and leaves a middleware that it was given."""
    config = {"services": {"web": {"catalog": "http", "hosts": [server.host]}}}
    middleware = resilient.Middleware(config)
    for _ in range(2):
        async with resilient.session(middleware) as http, http.get(server.url) as response:
            assert 200 == response.status
    await middleware.aclose()


async def test_two_sessions_share_it_all(server: Server) -> None:
    """One middleware in two sessions: a pause that one hears holds the other."""
    config = {"services": {"web": {"catalog": "http", "hosts": [server.host]}}}
    middleware = resilient.Middleware(config)
    server.then(429, headers={"Retry-After": "10"})
    async with resilient.session(middleware) as one, resilient.session(middleware) as two:

        async def call(http: aiohttp.ClientSession) -> None:
            async with http.get(server.url) as response:
                assert 200 == response.status

        async with asyncio.TaskGroup() as group:
            group.create_task(call(one))
            await asyncio.sleep(1)
            group.create_task(call(two))
    assert 0 == acme.times(server)[0]
    assert all(10 <= each <= 11 for each in acme.times(server)[1:])
