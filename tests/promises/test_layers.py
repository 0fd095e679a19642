"""Layers of retries do not multiply."""

from typing import Any

import aiohttp
import pytest
from server import Server

import resilient


def middleware(server: Server, events: list[resilient.Event] | None = None) -> resilient.Middleware:
    """Return a middleware for the server: four attempts."""
    keys: dict[str, Any] = {"catalog": "http", "hosts": [server.host]}
    listeners = [] if events is None else [events.append]
    return resilient.Middleware({"services": {"api": keys}}, listeners=listeners)


async def test_installed_twice(server: Server) -> None:
    """One middleware twice in a session is one layer."""
    server.default = {"status": 503}
    once = middleware(server)
    async with aiohttp.ClientSession(middlewares=(once, once)) as http:
        with pytest.raises(resilient.Unavailable):
            await http.get(server.url)
    assert 4 == len(server.hits)


async def test_two_middlewares(server: Server) -> None:
    """Of two middlewares for one service the outer one acts, and the other steps aside."""
    server.then(status=503)
    outer: list[resilient.Event] = []
    inner: list[resilient.Event] = []
    layers = (middleware(server, outer), middleware(server, inner))
    async with aiohttp.ClientSession(middlewares=layers) as http:
        assert 200 == (await http.get(server.url)).status
    assert 2 == len(server.hits)
    assert "resilient.call_recovered" in [event.name for event in outer]
    assert [] == inner


async def test_a_call_within_a_call(server: Server) -> None:
    """A request that a layer between makes of its own is a call like any other."""
    first = True

    async def asks_first(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal first
        if first:
            first = False
            async with request.session.get(server.url + "/before") as response:
                assert 200 == response.status
        return await handler(request)

    server.then(status=503)
    events: list[resilient.Event] = []
    async with aiohttp.ClientSession(middlewares=(middleware(server, events), asks_first)) as http:
        assert 200 == (await http.get(server.url)).status
    assert ["/before", "/before", "/"] == [hit.path for hit in server.hits]
    recovered = [event for event in events if event.name == "resilient.call_recovered"]
    assert 1 == len(recovered)
