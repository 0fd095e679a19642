"""Streams are not held up: what comes first is seen first, and what follows is not looked at."""

import asyncio

import aiohttp
import pytest
import raw_server
from acme import Connect
from aiohttp import web
from naive import Peek
from promises.conftest import Figure
from raw_server import RawServer
from server import Server

import resilient

CHUNKED = "Transfer-Encoding: chunked"
EVENTS = "Content-Type: text/event-stream"
KINDS = (EVENTS, *(f"Content-Type: {kind}" for kind in ("application/octet-stream", "video/mp4")))


async def seconds_to_first_byte(http: aiohttp.ClientSession, raw: RawServer, *head: str) -> float:
    """Return when the first byte of a stream is seen that never ends."""
    start = raw_server.head(*head, CHUNKED)
    raw.default = raw_server.endless(start, b"data: 1\n\n", every=30)
    began = asyncio.get_running_loop().time()
    async with http.get(raw.url + "/things") as response:
        assert b"data: 1\n" == await response.content.readline()
        return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("kind", KINDS)
async def test_first_byte(raw: RawServer, reach: Connect, figure: Figure, kind: str) -> None:
    """The first byte of a success that can be no error of this vendor comes at once."""
    async with reach() as api:
        took = await seconds_to_first_byte(api.http, raw, "200 OK", kind)
    assert took == 0
    figure("B5", "seconds added to the first byte of a stream", took)


@pytest.mark.parametrize("status", ["404 Not Found", "503 Unavailable"])
async def test_first_byte_of_a_failure(raw: RawServer, reach: Connect, status: str) -> None:
    """A stream of events is not looked at, whatever its status."""
    async with reach(on_error="return", policies=ONCE) as api:
        assert 0 == await seconds_to_first_byte(api.http, raw, status, EVENTS)


ONCE = {"retry": {"action": "retry", "attempts": 1}}


async def test_first_byte_naively(raw: RawServer) -> None:
    """The check finds a middleware that looks at a stream: five events come too late."""
    async with aiohttp.ClientSession(middlewares=(Peek(45),)) as http:
        assert 150 == await seconds_to_first_byte(http, raw, "200 OK", EVENTS)


async def test_slow_success(raw: RawServer, reach: Connect) -> None:
    """A success that may be an error is looked at for a second at most, and nothing is lost."""
    start = raw_server.head("200 OK", "Transfer-Encoding: chunked")
    raw.default = raw_server.endless(start, b"[1,", every=0.4)
    began = asyncio.get_running_loop().time()
    async with reach() as api, api.http.get(api.url) as response:
        assert 1 == round(asyncio.get_running_loop().time() - began, 3)
        assert b"[1," * 5 == await response.content.readexactly(15)


async def test_in_part(raw: RawServer, reach: Connect) -> None:
    """A caller may stop in the middle: the connection is closed then, and not left open."""
    raw.default = raw_server.reply(raw_server.whole("200 OK", b'{"lines": 1}'.ljust(5_000_000)))
    async with reach() as api:
        for _ in range(3):
            async with api.http.get(api.url) as response:
                assert b'{"lines"' == await response.content.read(8)
        assert 0 == api.state().in_flight
    assert 3 == raw.connections


async def test_web_socket(server: Server, connect: Connect) -> None:
    """A web socket opens, after a failure too, and the catalog has no say in what it carries."""

    async def upgrade(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(await socket.receive_str())
        await socket.close()
        return socket

    async with connect() as api:
        base = aiohttp.ClientSession()
        for http in (api.http, resilient.wrap(base, api.middleware)):
            server.then(503)
            server.script.append(upgrade)
            async with http.ws_connect(api.url) as socket:
                await socket.send_str('{"errors":[{"code":"wrong"}]}')
                assert '{"errors":[{"code":"wrong"}]}' == await socket.receive_str()
        await http.close()
        await base.close()
        assert {0} == {each.in_flight for each in api.middleware.state().values()}
