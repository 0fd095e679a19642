"""The caller's response: what was looked at is there as if nobody had looked."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable

import acme
import aiohttp
import pytest
import raw_server
from acme import Client, Connect
from aiohttp import ClientResponse, web
from raw_server import RawServer
from server import Server

import resilient

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
FRAMINGS: dict[str, Callable[..., bytes]] = {
    "length": raw_server.whole,
    "chunked": raw_server.chunked,
    "until closed": lambda status, body, *headers: raw_server.head(status, *headers) + body,
}
SIZES = (0, 1, 17, 4096, 65535, 65536, 65537, 200_000, 5_000_000)
STATUSES = ("200 OK", "404 Not Found", "503 Unavailable")


async def _read(response: ClientResponse) -> bytes:
    return await response.read()


async def _text(response: ClientResponse) -> bytes:
    return (await response.text()).encode()


async def _json(response: ClientResponse) -> bytes:
    return json.dumps(await response.json(content_type=None)).encode()


async def _chunked(response: ClientResponse) -> bytes:
    return b"".join([piece async for piece in response.content.iter_chunked(1000)])


async def _chunks(response: ClientResponse) -> bytes:
    return b"".join([piece async for piece, _ in response.content.iter_chunks()])


async def _any(response: ClientResponse) -> bytes:
    return b"".join([piece async for piece in response.content.iter_any()])


async def _lines(response: ClientResponse) -> bytes:
    return b"".join([line async for line in response.content])


async def _exactly(response: ClientResponse) -> bytes:
    start = await response.content.readexactly(1)
    return start + await response.content.read()


async def _readany(response: ClientResponse) -> bytes:
    pieces = []
    while piece := await response.content.readany():
        pieces.append(piece)
    return b"".join(pieces)


WAYS = (_read, _text, _json, _chunked, _chunks, _any, _lines, _exactly, _readany)


def _document(size: int) -> bytes:
    """Return JSON of about a size, of lines that are no longer than aiohttp reads."""
    if size < 3:
        return b" " * size if size != 1 else b"1"
    lines = ["x" * 60] * (size // 65)
    body = json.dumps({"lines": lines}, indent=0).encode()
    return body + b" " * (size - len(body))


async def _get(api: Client, way: Callable[[ClientResponse], Awaitable[bytes]]) -> bytes:
    with resilient.options(on_error="return"):
        async with api.http.get(api.url + "/things") as response:
            return await way(response)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", SIZES)
async def test_body(raw: RawServer, reach: Connect, size: int, coding: str, framing: str) -> None:
    """Every byte is there, whatever the size, the coding, the framing and the status."""
    body = _document(size)
    packed = CODINGS[coding](body)
    codings = [] if coding == "identity" else [f"Content-Encoding: {coding}"]
    async with reach(policies={"retry": {"action": "retry", "attempts": 1}}) as api:
        for status in STATUSES:
            answer = FRAMINGS[framing](status, packed, *codings)
            raw.then(raw_server.reply(answer, keep=framing != "until closed"))
            assert body == await _get(api, _read)


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [17, 70_000, 300_000])
@pytest.mark.parametrize("way", WAYS)
async def test_ways(
    raw: RawServer,
    reach: Connect,
    way: Callable[[ClientResponse], Awaitable[bytes]],
    size: int,
    framing: str,
) -> None:
    """Every way to read a response that aiohttp knows works, at once and in part."""
    body = _document(size)
    async with reach(policies={"retry": {"action": "retry", "attempts": 1}}) as api:
        for status in STATUSES:
            raw.then(raw_server.reply(FRAMINGS[framing](status, body)))
            found = await _get(api, way)
            if way is _json:
                found, expected = json.loads(found), json.loads(body)
                assert expected == found
            else:
                assert body == found


async def test_ways_naive(raw: RawServer) -> None:
    """Why that needs care: after a middleware's `read()` there is nothing left to stream."""

    async def peek(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> ClientResponse:
        response = await handler(request)
        await response.read()
        return response

    async with aiohttp.ClientSession(middlewares=(peek,)) as http, http.get(raw.url) as response:
        assert b"" == await _chunked(response)


@pytest.mark.parametrize("size", [10_000, 300_000])
async def test_read_twice(raw: RawServer, reach: Connect, size: int) -> None:
    """A body may be read several times, as with aiohttp."""
    raw.then(raw_server.reply(raw_server.whole("404 Not Found", _document(size))))
    async with reach(on_error="return") as api, api.http.get(api.url) as response:
        assert await response.read() == await response.read() == (await response.text()).encode()


async def test_in_part(raw: RawServer, reach: Connect) -> None:
    """A caller may stop in the middle: the connection is closed then, and not left open."""
    raw.default = raw_server.reply(raw_server.whole("200 OK", _document(5_000_000)))
    async with reach() as api:
        for _ in range(3):
            async with api.http.get(api.url) as response:
                assert b'{\n"lines"' == await response.content.read(9)
        assert 0 == api.state().in_flight
    assert 3 == raw.connections


async def test_events_stream(raw: RawServer, reach: Connect) -> None:
    """A stream of server-sent events is not looked at: the first byte comes at once."""
    start = raw_server.head(
        "200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"
    )
    raw.default = raw_server.endless(start, b"data: 1\n\n", every=30)
    began = asyncio.get_running_loop().time()
    async with reach() as api, api.http.get(api.url) as response:
        assert b"data: 1\n" == await response.content.readline()
        assert began == asyncio.get_running_loop().time()


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "video/mp4"])
async def test_other_kinds(raw: RawServer, reach: Connect, kind: str) -> None:
    """A success that can be no error of this vendor is not waited for either."""
    start = raw_server.head("200 OK", f"Content-Type: {kind}", "Transfer-Encoding: chunked")
    raw.default = raw_server.endless(start, b"x", every=30)
    began = asyncio.get_running_loop().time()
    async with reach() as api, api.http.get(api.url) as response:
        assert b"x" == await response.content.read(1)
    assert began == asyncio.get_running_loop().time()


async def test_slow_success(raw: RawServer, reach: Connect) -> None:
    """A success that may be an error is looked at for a second at most, and nothing is lost."""
    start = raw_server.head("200 OK", "Transfer-Encoding: chunked")
    raw.default = raw_server.endless(start, b"[1,", every=0.4)
    began = asyncio.get_running_loop().time()
    async with reach() as api, api.http.get(api.url) as response:
        assert 1 == round(asyncio.get_running_loop().time() - began, 3)
        assert b"[1," * 5 == await response.content.readexactly(15)


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


@pytest.mark.parametrize("status", [200, 204, 304, 404])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_body(raw: RawServer, reach: Connect, method: str, status: int) -> None:
    """An answer without a body is recognised by its status, and waits for nothing."""
    length = ["Content-Length: 1000"] if method == "HEAD" else []
    length = ["Content-Length: 0"] if status in (200, 404) and not length else length
    raw.then(raw_server.reply(raw_server.head(f"{status} Some", *length)))
    async with reach(on_error="return") as api, api.http.request(method, api.url) as response:
        assert (status, b"") == (response.status, await response.read())
    assert (status == 404) is (resilient.failure(response) is not None)


async def test_history(server: Server, connect: Connect) -> None:
    """The redirects that led to a response are its history."""
    server.then(302, headers={"Location": "/a"})
    server.then(307, headers={"Location": "/b"})
    async with connect() as api:
        response = await api.get()
    assert [302, 307] == [each.status for each in response.history]
    assert ["/things", "/a", "/b"] == [hit.path for hit in server.hits]


@pytest.mark.parametrize("size", [2, 100_000])
async def test_raise_for_status(server: Server, connect: Connect, size: int) -> None:
    """A response that was handed back can be asked to raise, and read."""
    server.then(404, " " * size)
    async with connect(on_error="return") as api, api.http.get(api.url) as response:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            response.raise_for_status()
        assert size == len(await response.read())
    assert (404, False) == (caught.value.status, isinstance(caught.value, resilient.ApiError))


async def test_raise_for_status_of_the_session(server: Server, connect: Connect) -> None:
    """A session that raises for a status raises ours first, and its own for what is no error."""
    async with connect(statuses={"404": "none"}) as api:
        http = aiohttp.ClientSession(middlewares=(api.middleware,), raise_for_status=True)
        server.then(**acme.says("wrong"))
        with pytest.raises(resilient.ApiError):
            await http.get(api.url)
        server.then(404)
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await http.get(api.url)
        await http.close()
    assert not isinstance(caught.value, resilient.ApiError)


@pytest.mark.parametrize("size", [2, 100_000])
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_release(raw: RawServer, reach: Connect, status: str, size: int) -> None:
    """A caller who does not read may let go of a response: nothing is held."""
    raw.default = raw_server.reply(raw_server.whole(status, _document(size)))
    async with reach(on_error="return") as api:
        connector = aiohttp.TCPConnector(limit=1)
        http = aiohttp.ClientSession(middlewares=(api.middleware,), connector=connector)
        for let_go in (ClientResponse.release, ClientResponse.close):
            for _ in range(2):
                let_go(await http.get(api.url))
        await http.close()
        assert 0 == api.state().in_flight
    assert 4 == len(raw.hits)
