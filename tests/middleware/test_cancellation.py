"""A caller who gives up: nothing of his call stays behind, and nobody else is harmed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import acme
import aiohttp
import pytest
import pytest_asyncio
import raw_server
from acme import Client, Connect
from raw_server import RawServer, Wire

import resilient
from resilient.credentials import Bearer

POLICIES = {
    "retry": {"action": "retry", "attempts": 3, "delay": {"base": "2s", "cap": "2s"}},
    "back_off": {"action": "back_off", "attempts": 3, "delay": {"base": "2s", "cap": "2s"}},
}
CHUNKS = "Transfer-Encoding: chunked"


def _slow(status: str, *headers: str) -> raw_server.Answer:
    """Answer after half a second, with a body that takes half a second more."""

    async def answer(wire: Wire) -> bool:
        await wire.body()
        await asyncio.sleep(0.5)
        await wire.send(raw_server.head(status, "Content-Length: 2", *headers) + b"{")
        await asyncio.sleep(0.5)
        await wire.send(b"}")
        return True

    return answer


async def _refresh() -> str:
    await asyncio.sleep(0.5)
    return "fresh"


@pytest_asyncio.fixture
async def api(raw: RawServer, reach: Connect) -> AsyncIterator[Client]:
    """A client with room for one connection, and a limit of a call a second."""
    limits = {"calls": {"rate": "1/s", "per": ["credential"], "jitter": 0}}
    bearer = Bearer(lambda: "stale", _refresh)
    options = {"policies": POLICIES, "chance": 0.9, "report_wait": "100ms"}
    async with reach(catalog={"limits": limits}, credentials=bearer, **options) as found:
        connector = aiohttp.TCPConnector(limit=1)
        middlewares = (found.middleware,)
        async with aiohttp.ClientSession(connector=connector, middlewares=middlewares) as http:
            found.http = http
            yield found


def _ours() -> list[str]:
    """Return the library's tasks that run."""
    tasks: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    return [str(coro) for coro in tasks if "/resilient/" in coro.cr_code.co_filename]


async def _nothing_is_left(api: Client, raw: RawServer) -> None:
    """Check that no call is known of any more, and that the one connection is free."""
    raw.script.clear()
    await asyncio.sleep(30)
    states = api.middleware.state().values()
    assert {(state.waiting, state.in_flight) for state in states} <= {(0, 0)}
    assert [] == _ours()
    assert raw.open <= 1
    began = asyncio.get_running_loop().time()
    response = await api.call("PUT", "/things", data=b"x" * 100_000)
    assert 200 == response.status
    assert asyncio.get_running_loop().time() - began < 0.1


SCENARIOS: dict[str, list[raw_server.Answer]] = {
    "retry": [_slow("503 Unavailable"), _slow("503 Unavailable")],
    "back_off": [_slow("429 Slow"), _slow("429 Slow")],
    "reauth": [_slow("401 Unauthorized"), _slow("503 Unavailable")],
    "redirect": [_slow("307 Elsewhere", "Location: /there"), _slow("503 Unavailable")],
    "failure": [_slow("404 Not Found")],
    "stall": [raw_server.stall],
    "endless": [raw_server.endless(raw_server.head("503 X", CHUNKS), b" ", every=0.2)],
    "early": [raw_server.early("429 Slow"), _slow("503 Unavailable")],
}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_at_any_time(raw: RawServer, api: Client, scenario: str) -> None:
    """Cancelled at any time of its life, a call ends at once and leaves nothing."""
    ended = 0
    for tenths in range(1, 80, 6):
        raw.script.extend(SCENARIOS[scenario])
        task = asyncio.ensure_future(api.call("PUT", "/things", data=b"x" * 1_000_000))
        done, _ = await asyncio.wait([task], timeout=tenths / 10)
        ended += len(done)
        task.cancel()
        await asyncio.wait([task])
        assert done or task.cancelled()
        assert task.cancelled() or task.exception() is None or scenario == "failure"
        await _nothing_is_left(api, raw)
    assert (scenario == "stall") is not ended


async def test_in_the_queue(raw: RawServer, api: Client) -> None:
    """A caller who gives up in the queue makes room: those behind him come sooner."""
    raw.then(raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 5")))
    calls = [asyncio.ensure_future(api.get(f"/things?n={n}")) for n in range(5)]
    await asyncio.sleep(1)
    for call in calls[1:4]:
        call.cancel()
    await asyncio.wait(calls)
    assert ["n=0", "n=0", "n=4"] == sorted(hit.target.partition("?")[2] for hit in raw.hits)
    await _nothing_is_left(api, raw)


@pytest.mark.parametrize("leader", [True, False], ids=["the first", "another"])
async def test_in_a_refresh(raw: RawServer, api: Client, leader: bool) -> None:
    """Whoever gives up while the credential is renewed: the others get it, by one refresh."""

    async def check(wire: Wire) -> bool:
        fresh = wire.request.headers["authorization"] == "Bearer fresh"
        status = "200 OK" if fresh else "401 Unauthorized"
        return await raw_server.reply(raw_server.whole(status, b"{}"))(wire)

    raw.default = check
    calls = [asyncio.ensure_future(api.get()) for _ in range(4)]
    # The one that goes first is answered at once; the refresh takes half a second.
    await asyncio.sleep(0.2)
    assert 1 == len(raw.hits)
    calls[0 if leader else 2].cancel()
    await asyncio.wait(calls)
    assert 1 == sum(call.cancelled() for call in calls)
    assert 3 == sum(not call.cancelled() and call.result().status == 200 for call in calls)
    await _nothing_is_left(api, raw)


@pytest.mark.parametrize("seconds", [0.2, 0.7, 1.5, 3.3])
async def test_the_caller_s_timeout(raw: RawServer, api: Client, seconds: float) -> None:
    """A timeout around the call ends it, and stays the caller's own."""
    raw.then(*SCENARIOS["retry"])
    task = asyncio.current_task()
    assert task is not None
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(seconds):
            await api.get()
    assert TimeoutError is type(caught.value)
    assert seconds == round(asyncio.get_running_loop().time() - began, 3)
    assert 0 == task.cancelling()
    await _nothing_is_left(api, raw)


async def test_a_retried_attempt_timeout(raw: RawServer, reach: Connect) -> None:
    """Our own timeout of an attempt leaves no trace of a cancellation in the caller's task."""
    raw.then(raw_server.stall)
    async with reach(attempt_timeout="2s") as api:
        await api.get()
        assert {0} == {each.in_flight for each in api.middleware.state().values()}
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


class Stop(BaseException):
    """As KeyboardInterrupt and SystemExit: no error, but an end."""


@pytest.mark.parametrize("error", [Stop, ValueError, RuntimeError])
async def test_what_is_none_of_our_business(
    raw: RawServer, reach: Connect, error: type[BaseException]
) -> None:
    """What another middleware raises passes through, unchanged, and nothing is held."""

    async def inner(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        raise error("its own")

    async with reach() as api:
        with pytest.raises(error, match="its own"):
            await api.get(middlewares=(api.middleware, inner))
        assert {0} == {each.in_flight for each in api.middleware.state().values()}
        assert 200 == (await api.get()).status


async def test_closed_in_the_middle(raw: RawServer, api: Client) -> None:
    """Whoever waits when the middleware is closed is told so, and nothing is left."""
    raw.then(raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 60")))
    calls = [asyncio.ensure_future(api.get()) for _ in range(3)]
    await asyncio.sleep(1)
    await api.middleware.aclose()
    await asyncio.wait(calls)
    errors = [call.exception() for call in calls]
    assert {resilient.RateLimited, resilient.NotSent} == {type(error) for error in errors}
    assert {0} == {each.in_flight for each in api.middleware.state().values()}
    assert [] == _ours()
    assert acme.KEY not in str(errors)
