"""Responses that nobody gets: no connection stays with them, no cookie is lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import Connect
from multidict import CIMultiDict
from raw_server import RawServer
from server import Server
from yarl import URL

import resilient

OFTEN = {
    "retry": {"action": "retry", "attempts": 9, "delay": {"base": "1s", "cap": "5s"}},
    "back_off": {"action": "back_off", "attempts": 9, "delay": {"base": "1s", "cap": "5s"}},
}
ERROR = b'{"errors": [{"code": "broken"}]}'
FRAMINGS: dict[str, Callable[..., bytes]] = {
    "length": raw_server.whole,
    "chunked": lambda status, body: raw_server.chunked(status, body, size=50_000),
}
SMALL = (1, 1000, 60_000)
LARGE = (70_000, 2_000_000, 20_000_000)


def _one_connection(api: Any) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=1)
    return aiohttp.ClientSession(middlewares=(api.middleware,), connector=connector)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("size", [*SMALL, *LARGE])
@pytest.mark.parametrize("status", ["503 Unavailable", "429 Slow"])
async def test_one_connection(
    raw: RawServer, reach: Connect, status: str, size: int, framing: str
) -> None:
    """With room for one connection, calls that fail neither wait for ever nor waste it."""
    failing = raw_server.reply(FRAMINGS[framing](status, b" " * size))
    raw.then(*[failing] * 6)
    async with reach(policies=OFTEN) as api:
        http = _one_connection(api)
        answers = await asyncio.gather(*(http.get(api.url + "/things") for _ in range(4)))
        assert {0} == {each.in_flight for each in api.middleware.state().values()}
        await http.close()
    assert [200] * 4 == [answer.status for answer in answers]
    assert 10 == len(raw.hits)
    assert raw.connections == 1 or size not in SMALL


@pytest.mark.parametrize("size", SMALL)
async def test_error_in_a_success(raw: RawServer, reach: Connect, size: int) -> None:
    """The same holds for errors inside a success."""
    raw.then(*[raw_server.reply(raw_server.whole("200 OK", ERROR + b" " * size))] * 6)
    async with reach(policies=OFTEN) as api:
        http = _one_connection(api)
        await asyncio.gather(*(http.get(api.url) for _ in range(4)))
        await http.close()
    assert (10, 1) == (len(raw.hits), raw.connections)


@pytest.mark.parametrize("size", [0, *SMALL, *LARGE])
async def test_raised(raw: RawServer, reach: Connect, size: int) -> None:
    """A response that became an exception holds nothing; its body is kept in part."""
    raw.default = raw_server.reply(raw_server.whole("404 Not Found", b"x" * size))
    async with reach() as api:
        http = _one_connection(api)
        for _ in range(3):
            with pytest.raises(resilient.ApiError) as caught:
                await http.get(api.url)
            assert min(size, 65_536) == len(caught.value.body)
        await http.close()
    assert raw.connections == 1 or size in LARGE


@pytest.mark.parametrize(("kind", "longest"), [("text/event-stream", 0), ("application/json", 1)])
async def test_endless(raw: RawServer, reach: Connect, kind: str, longest: float) -> None:
    """An error whose body never ends is over in a second, and its connection closed."""
    start = raw_server.head("503 X", f"Content-Type: {kind}", "Transfer-Encoding: chunked")
    raw.then(*[raw_server.endless(start, b" ", every=0.1)] * 3)
    async with reach(policies=OFTEN) as api:
        http = _one_connection(api)
        assert 200 == (await http.get(api.url)).status
        await http.close()
    assert 4 == raw.connections
    waits = [after.at - before.at for before, after in zip(raw.hits, raw.hits[1:], strict=False)]
    assert longest == round(max(waits), 3)


async def test_dropped_naively(raw: RawServer) -> None:
    """Why that needs care: a response that is dropped unread keeps its connection for ever."""
    kept = []

    async def twice(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        kept.append(await handler(request))
        return await handler(request)

    raw.default = raw_server.reply(raw_server.whole("503 Unavailable", b" " * 2_000_000))
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(middlewares=(twice,), connector=connector) as http:
        with pytest.raises(TimeoutError):
            await http.get(raw.url, timeout=aiohttp.ClientTimeout(total=60))
        kept[0].close()
    assert 1 == len(raw.hits)


SENT_AND_SET = {
    "new": ({}, "", ["sid=new"], "sid=new"),
    "other": ({"sid": "old"}, "", ["sid=new"], "sid=new"),
    "two": ({"sid": "old"}, "", ["a=1", "b=2; Path=/"], "sid=old; a=1; b=2"),
    "deleted": ({"sid": "old", "a": "1"}, "", ["sid=; Max-Age=0"], "a=1"),
    "all deleted": ({"sid": "old"}, "", ["sid=; Max-Age=0"], ""),
    "another path": ({"sid": "old"}, "", ["sid=new; Path=/elsewhere"], "sid=old"),
    "nonsense": ({"sid": "old"}, "", ["=;;==", "=", "sid=new"], "sid=new"),
    "own": ({"sid": "old"}, "own=1", ["sid=new"], "own=1; sid=new"),
    "own that no parser likes": ({}, "a[b]={1}; c", ["sid=new"], "a[b]={1}; c; sid=new"),
}


@pytest.mark.parametrize("case", SENT_AND_SET)
async def test_cookies(server: Server, connect: Connect, case: str) -> None:
    """The cookies of a discarded response are kept, and the next attempt sends them."""
    kept, own, received, expected = SENT_AND_SET[case]
    jar = aiohttp.CookieJar(unsafe=True)  # it is the only one that serves an IP address
    jar.update_cookies(kept, URL(server.url))
    server.then(503, headers=CIMultiDict([("Set-Cookie", each) for each in received]))
    headers = {"Cookie": own} if own else {}
    async with connect() as api:
        http = aiohttp.ClientSession(middlewares=(api.middleware,), cookie_jar=jar)
        await http.get(server.url + "/things", headers=headers)
        await http.get(server.url + "/things")
        await http.close()
    _, again, later = (hit.headers.get("Cookie", "").split("; ") for hit in server.hits)
    assert set(expected.split("; ")) == set(again)
    assert set(expected.split("; ")) - set(own.split("; ")) == set(later) - set(own.split("; "))


async def test_cookies_of_the_call(server: Server, connect: Connect) -> None:
    """A cookie that the caller gave for this call goes before the jar's, as with aiohttp."""
    server.then(503, headers={"Set-Cookie": "sid=new"})
    async with connect() as api:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(middlewares=(api.middleware,), cookie_jar=jar) as http:
            for _ in range(2):
                await http.get(server.url, cookies={"sid": "own"})
    assert ["sid=own"] * 3 == [hit.headers["Cookie"] for hit in server.hits]


async def test_cookies_of_an_exception(server: Server, connect: Connect) -> None:
    """The cookies of a response that became an exception are kept, too."""
    server.then(404, headers={"Set-Cookie": "sid=new"})
    async with connect() as api:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(middlewares=(api.middleware,), cookie_jar=jar) as http:
            with pytest.raises(resilient.ApiError):
                await http.get(server.url)
            await http.get(server.url)
    assert "sid=new" == server.hits[1].headers["Cookie"]
