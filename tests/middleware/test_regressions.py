"""Calls that once went wrong: connections, loops, deadlines, hops."""

import asyncio
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
import raw_server
from acme import Client, Connect
from aiohttp import web
from raw_server import RawServer
from server import Server, serving

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer, CredentialRefused
from resilient.testing.loop import run

LARGE_401 = raw_server.reply(raw_server.whole("401 Unauthorized", b"x" * 3_000_000))
REAUTH: dict[str, Any] = {"errors": {}, "statuses": {401: {"policy": "reauth"}}}


def _one_connection(api: Client) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=1)
    return aiohttp.ClientSession(middlewares=(api.middleware,), connector=connector)


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with asyncio.timeout(20), http.get(url + "/things") as response:
        return response.status


@pytest.mark.parametrize("cancelled", [False, True])
async def test_refresh_without_resend(raw: RawServer, reach: Connect, cancelled: bool) -> None:
    """A renewal that fails or is cancelled, and no resend fits: the connection is given back."""

    async def refresh() -> str:
        await asyncio.sleep(1)
        raise CredentialRefused("no")

    raw.then(LARGE_401)
    tokens = {"a": Bearer(lambda: "token-a", refresh), "b": "key-b"}
    async with reach(credentials=tokens, catalog=REAUTH) as api, _one_connection(api) as http:
        with resilient.options(credential="a"):
            task = asyncio.ensure_future(http.post(api.url + "/things", data=b"x"))
        await asyncio.sleep(0.5)
        if cancelled:
            task.cancel()
        await asyncio.wait([task])
        assert cancelled == task.cancelled()
        assert cancelled or isinstance(task.exception(), resilient.ResilientError)
        with resilient.options(credential="b"):
            assert 200 == await _status(http, api.url)


async def test_refresh_without_resend_needs_the_connection(raw: RawServer, reach: Connect) -> None:
    """The renewal gets the only connection although the call that began it cannot be resent."""

    async def refresh(http: aiohttp.ClientSession) -> str:
        async with http.post(raw.url + "/token") as response:
            await response.read()
        return "fresh"

    raw.then(LARGE_401)
    credential = Bearer(lambda: "stale", refresh)
    async with (
        reach(credentials=credential, timeout="60s", catalog=REAUTH) as api,
        _one_connection(api) as http,
    ):
        began = Clock.now()
        with pytest.raises(resilient.ApiError):
            await http.post(api.url + "/things", data=b"x")
        assert 5 > Clock.now() - began
    assert ["/things", "/token"] == [hit.target for hit in raw.hits]


def test_second_event_loop(tmp_path: Path) -> None:
    """A call that waited when its event loop ended wakes nobody; in the next loop calls flow."""
    limits = {"calls": {"rate": "1/2s", "per": ["credential"], "jitter": 0}}
    keys = {"catalog": acme.write(tmp_path, limits=limits), "hosts": ["127.0.0.1"]}
    middleware = resilient.Middleware({"services": {"acme": keys}}, credentials={"acme": "key"})

    async def answered(within: float) -> int:
        async with serving() as server, aiohttp.ClientSession(middlewares=(middleware,)) as http:
            tasks = [asyncio.ensure_future(_status(http, server.url)) for _ in range(2)]
            done, _ = await asyncio.wait(tasks, timeout=within)
            return len(done)

    assert 1 == run(answered(0.5))
    assert 2 == run(answered(12))


@pytest.mark.parametrize("where", ["get", "refresh", "factory"])
async def test_credential_code_is_run_once(server: Server, connect: Connect, where: str) -> None:
    """A lost connection of the user's own code does not make aiohttp begin the call again."""
    runs = 0

    async def lose(*_: object) -> str:
        nonlocal runs
        runs += 1
        raise aiohttp.ServerDisconnectedError

    credential: Any = lose
    if where != "factory":
        credential = Bearer(lose) if where == "get" else Bearer(lambda: "token", lose)
    server.then(**acme.says("expired", status=401), times=5)
    async with connect(credentials=credential) as api:
        name = "x" if where == "factory" else None
        with resilient.options(credential=name), pytest.raises(resilient.ResilientError) as caught:
            await api.get()
        assert 1 == api.names().count("call_failed")
    assert 1 == runs
    if where == "get":
        assert isinstance(caught.value, resilient.NotSent)
        assert [] == server.hits


async def test_total_of_zero(server: Server, connect: Connect) -> None:
    """A session's total of 0 is no limit, as with aiohttp."""
    timeout = aiohttp.ClientTimeout(total=0)
    async with (
        connect() as api,
        aiohttp.ClientSession(middlewares=(api.middleware,), timeout=timeout) as http,
    ):
        assert 200 == await _status(http, api.url)


@pytest.mark.parametrize("warm", [True, False])
async def test_deadline_already_passed(raw: RawServer, reach: Connect, warm: bool) -> None:
    """A call whose deadline is over sends nothing, be there an open connection or not."""
    async with reach() as api:
        if warm:
            await api.get()
        with resilient.options(timeout=1):
            await asyncio.sleep(2)
            with pytest.raises(resilient.DeadlineExceeded):
                await api.call("POST", "/things", data=b"x")
        await asyncio.sleep(1)
    assert ["GET"] * warm == [hit.method for hit in raw.hits]


async def test_hop_that_is_refused(server: Server, connect: Connect) -> None:
    """A POST that was sent is never called unsent because its redirect could not be followed."""
    endpoints = {"GET /elsewhere": {"name": "elsewhere"}}
    limits = {"elsewhere": {"rate": "1/h", "per": ["credential"], "endpoint": "elsewhere"}}
    catalog = {"limits": limits, "endpoints": endpoints}
    async with connect(catalog=catalog, timeout="10s") as api:
        await api.get("/elsewhere")
        server.then(303, headers={"Location": "/elsewhere"})
        with pytest.raises(resilient.TransportError) as caught:
            await api.call("POST", "/orders", data=b"x")
    assert not isinstance(caught.value, resilient.NotSent)
    assert ["GET", "POST"] == [hit.method for hit in server.hits]


async def test_observe_cancelled(raw: RawServer, reach: Connect) -> None:
    """In observe mode a call that is cancelled while its body is read is in flight no more."""
    raw.then(raw_server.reply(raw_server.head("503 Unavailable", "Content-Length: 10")))
    async with reach(mode="observe") as api:
        task = asyncio.ensure_future(api.get())
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task])
        assert {0} == {each.in_flight for each in api.middleware.state().values()}


async def test_observe_out_of_time(raw: RawServer, reach: Connect) -> None:
    """The same holds when aiohttp's own total ends it."""
    raw.then(raw_server.reply(raw_server.head("503 Unavailable", "Content-Length: 10")))
    async with reach(mode="observe") as api:
        with pytest.raises(TimeoutError):
            await api.get(timeout=aiohttp.ClientTimeout(total=0.5))
        assert {0} == {each.in_flight for each in api.middleware.state().values()}


async def test_return_of_an_empty_body(server: Server, connect: Connect) -> None:
    """With `on_error: return` an empty answer is returned when its resend is refused."""

    async def shut_out(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response(**acme.says("shut_out"))

    server.script.append(shut_out)
    server.then(503, text="", headers={"Retry-After": "5"})
    async with connect(on_error="return") as api:
        answers = await asyncio.gather(api.get(), api.get())
    assert [400, 503] == [answer.status for answer in answers]


async def test_cookie_jar_that_raises(raw: RawServer, reach: Connect) -> None:
    """A cookie jar that raises costs no connection."""

    class Jar(aiohttp.DummyCookieJar):
        def update_cookies_from_headers(self, *args: object, **kwargs: object) -> None:
            raise ValueError("bad cookie")

    raw.then(raw_server.reply(raw_server.whole("404 X", b"x" * 3_000_000, "Set-Cookie: a=b")))
    async with reach() as api:
        http = _one_connection(api)
        http._cookie_jar = Jar()
        async with http:
            with pytest.raises((ValueError, resilient.ApiError)):
                await http.get(api.url + "/things")
            assert 200 == await _status(http, api.url)
