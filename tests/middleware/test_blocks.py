"""block_warning: the scope is latched for its cool-down, then one probe decides."""

import asyncio

import acme
import aiohttp
import pytest
from acme import Connect
from server import Server

import resilient

COOL = {"block_warning": {"action": "block_warning", "cool_down": {"base": "1m", "cap": "3m"}}}
MANUAL = {"block_warning": {"action": "block_warning", "cool_down": "manual"}}


async def fails(api: acme.Client, kind: type[resilient.ResilientError]) -> resilient.ResilientError:
    """Make a call that fails at once, and return what it raised."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(kind) as caught:
        await api.get()
    assert began == asyncio.get_running_loop().time()
    return caught.value


async def test_latch(server: Server, connect: Connect) -> None:
    """The call that hears it raises Blocked; later ones are refused at once and not sent."""
    server.then(**acme.says("shut_out", status=403))
    async with connect(policies=COOL) as api:
        heard = await fails(api, resilient.Blocked)
        assert ["block_warning", "scope_blocked", "call_failed"] == [
            each for each in api.names() if each not in ("started", "attempt_failed")
        ]
        now = acme.now()
        for _ in range(3):
            later = await fails(api, resilient.ScopeBlocked)
            assert 60 == pytest.approx(acme.seconds(now, later.retry_at), abs=5)
            assert 0 == later.attempts
        assert 60 == pytest.approx(acme.seconds(now, heard.retry_at), abs=5)
        assert 0 == pytest.approx(acme.seconds(now, api.state().blocked_since), abs=5)
        assert "shut_out" == api.state().reason
    assert 1 == len(server.hits)


async def test_one_probe(server: Server, connect: Connect) -> None:
    """After the cool-down one call goes first, and its success lets the others go."""
    server.then(**acme.says("shut_out", status=403))
    server.script.append(acme.slowly(0.5))
    async with connect(policies=COOL) as api:
        await fails(api, resilient.Blocked)
        await asyncio.sleep(60)
        answers = await asyncio.gather(*[api.get() for _ in range(4)])
        assert {200} == {answer.status for answer in answers}
        assert [60, 60.5, 60.5, 60.5] == acme.times(server)[1:]
        assert 1 == len(api.told("scope_released"))
        assert api.state().blocked_since is None


async def test_nothing_before_the_cool_down_is_over(server: Server, connect: Connect) -> None:
    """A hair before the end nothing goes yet."""
    server.then(**acme.says("shut_out", status=403))
    async with connect(policies=COOL) as api:
        await fails(api, resilient.Blocked)
        await asyncio.sleep(59.99)
        await fails(api, resilient.ScopeBlocked)
        await asyncio.sleep(0.01)
        await api.get()
    assert [0, 60] == acme.times(server)


async def test_failed_probe_doubles(server: Server, connect: Connect) -> None:
    """Each probe that fails doubles the cool-down, up to its cap; nobody else was sent."""
    server.then(**acme.says("shut_out", status=403), times=5)
    async with connect(policies=COOL) as api:
        waits = []
        for together in (1, 3, 3, 3, 3):
            now, calls = acme.now(), [api.get() for _ in range(together)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [resilient.Blocked, resilient.ScopeBlocked, resilient.ScopeBlocked][
                :together
            ] == [type(each) for each in results]
            waits.append(acme.seconds(now, api.state().blocked_until))
            await asyncio.sleep(round(waits[-1]))
    assert [60, 120, 180, 180, 180] == [pytest.approx(each, abs=5) for each in waits]


async def test_waiters_behind_a_failed_probe(server: Server, connect: Connect) -> None:
    """Whoever waited behind a probe that fails is refused then and there."""
    server.then(**acme.says("shut_out", status=403))
    server.script.append(acme.slowly(0.5, acme.says("shut_out", status=403)))
    async with connect(policies=COOL) as api:
        await fails(api, resilient.Blocked)
        await asyncio.sleep(60)
        results = await asyncio.gather(*[api.get() for _ in range(4)], return_exceptions=True)
    kinds = [type(each) for each in results]
    assert [resilient.Blocked, *[resilient.ScopeBlocked] * 3] == kinds
    assert [0, 60] == acme.times(server)


async def test_waiters_of_a_pause_are_refused(server: Server, connect: Connect) -> None:
    """Calls that wait out a pause are refused as soon as the scope is blocked."""
    server.script.append(acme.slowly(2, acme.says("shut_out", status=403)))
    server.script.append(acme.slowly(1, acme.says("slow_down", status=429, after=30)))
    async with connect(policies=COOL) as api:
        results = await asyncio.gather(api.get(), api.get(), return_exceptions=True)
        assert 2 == asyncio.get_running_loop().time() - server.hits[0].at
    # The second one was sent before: its own failure says more than that it was refused.
    assert [resilient.Blocked, resilient.RateLimited] == [type(each) for each in results]
    assert 2 == len(server.hits)


async def test_success_of_an_older_call(server: Server, connect: Connect) -> None:
    """A success of a call that was sent before the block lifts nothing."""
    server.script.append(acme.slowly(5))
    server.then(**acme.says("shut_out", status=403))
    async with connect(policies=COOL) as api:
        slow = asyncio.create_task(api.get())
        await asyncio.sleep(1)
        await fails(api, resilient.Blocked)
        assert 200 == (await slow).status
        await fails(api, resilient.ScopeBlocked)


async def test_success_of_a_probe_that_was_on_its_way(server: Server, connect: Connect) -> None:
    """A probe that was sent before the block was heard does not lift it."""
    server.script.append(acme.slowly(8, acme.says("shut_out", status=403)))
    server.then(**acme.says("slow_down", status=429, after=5))
    server.script.append(acme.slowly(10))
    async with connect(policies=COOL) as api:
        old = asyncio.create_task(api.get())
        await asyncio.sleep(1)
        assert 200 == (await api.get()).status  # refused at 1, probes at 6, succeeds at 16
        with pytest.raises(resilient.Blocked):  # heard at 8
            await old
        await fails(api, resilient.ScopeBlocked)
        assert api.state().blocked_since is not None


async def test_lost_probe(server: Server, connect: Connect) -> None:
    """A probe that gets no answer keeps the scope shut for another cool-down."""
    server.then(**acme.says("shut_out", status=403))
    server.script.append(acme.slowly(1000))
    async with connect(policies=COOL, attempt_timeout="2s") as api:
        await fails(api, resilient.Blocked)
        await asyncio.sleep(60)
        with pytest.raises(resilient.TransportTimeout):
            await api.get()
        await fails(api, resilient.ScopeBlocked)
        await asyncio.sleep(60)
        assert 200 == (await api.get()).status
    assert [0, 60, 122] == acme.times(server)


async def test_cancelled_probe(server: Server, connect: Connect) -> None:
    """The right of a cancelled probe passes to the next in line."""
    server.then(**acme.says("shut_out", status=403))
    server.script.append(acme.slowly(5))
    async with connect(policies=COOL) as api:
        await fails(api, resilient.Blocked)
        await asyncio.sleep(60)
        probe, other = (asyncio.create_task(api.get()) for _ in range(2))
        await asyncio.sleep(1)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert 200 == (await other).status
    assert [0, 60, 61] == acme.times(server)


async def test_server_asks_for_longer(server: Server, connect: Connect) -> None:
    """A Retry-After above the cool-down, and even its cap, holds."""
    server.then(**acme.says("shut_out", status=403, after=86400))
    async with connect(policies=COOL) as api:
        now = acme.now()
        error = await fails(api, resilient.Blocked)
        assert 86400 == pytest.approx(acme.seconds(now, error.retry_at), abs=5)
        await asyncio.sleep(86399)
        await fails(api, resilient.ScopeBlocked)


async def test_server_asks_for_less(server: Server, connect: Connect) -> None:
    """A Retry-After below the cool-down shortens nothing, and `retry_at` is the block's end."""
    server.then(**acme.says("shut_out", status=403, after=10))
    async with connect(policies=COOL) as api:
        now = acme.now()
        error = await fails(api, resilient.Blocked)
        assert 60 == pytest.approx(acme.seconds(now, error.retry_at), abs=5)
        await asyncio.sleep(10)
        await fails(api, resilient.ScopeBlocked)


async def test_manual(server: Server, connect: Connect) -> None:
    """`cool_down: manual` waits for release(), however long; then a probe goes first."""
    server.then(**acme.says("shut_out", status=403))
    server.script.append(acme.slowly(0.5))
    async with connect(policies=MANUAL) as api:
        assert (await fails(api, resilient.Blocked)).retry_at is None
        await asyncio.sleep(30 * 86400)
        error = await fails(api, resilient.ScopeBlocked)
        assert error.retry_at is None
        assert "until somebody releases it" in str(error)
        assert api.state().blocked_until is None
        assert ["credential:default"] == await api.middleware.release("acme")
        await asyncio.gather(*[api.get() for _ in range(3)])
        assert [0.0, 0.5, 0.5] == [round(each - 30 * 86400, 3) for each in acme.times(server)[1:]]


async def test_ip_block_holds_every_credential(server: Server, connect: Connect) -> None:
    """A block of the address holds all credentials, one of a credential only that one."""
    keys = {"first": "key-1", "second": "key-2"}
    server.then(**acme.says("shut_out", status=403))
    async with connect(policies=COOL, credentials=keys) as api:
        with resilient.options(credential="first"):
            await fails(api, resilient.Blocked)
            await fails(api, resilient.ScopeBlocked)
        with resilient.options(credential="second"):
            assert 200 == (await api.get()).status
            server.then(**acme.says("shut_out_ip", status=403))
            await fails(api, resilient.Blocked)
            await fails(api, resilient.ScopeBlocked)
    assert 3 == len(server.hits)


async def test_naive_client_goes_on(server: Server) -> None:
    """Without the library every call is sent to a server that has shut us out."""
    server.then(**acme.says("shut_out", status=403), times=9)
    async with aiohttp.ClientSession() as http:
        for _ in range(4):
            async with http.get(server.url) as response:
                assert 403 == response.status
    assert 4 == len(server.hits)
