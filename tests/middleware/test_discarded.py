"""Responses that nobody gets: their cookies are not lost."""

import aiohttp
import pytest
from acme import Connect
from multidict import CIMultiDict
from server import Server
from yarl import URL

import resilient

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
