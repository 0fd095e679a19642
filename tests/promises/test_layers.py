"""Layers of retries do not multiply."""

import asyncio
import gc
from contextvars import copy_context
from typing import Any
from weakref import ref

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


async def test_a_kept_connection_holds_no_request(server: Server) -> None:
    """That a request is under way is forgotten with it, not with the connection that it opened."""
    sent: list[ref[aiohttp.ClientRequest]] = []

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        sent.append(ref(request))
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=(middleware(server), note)) as http:
        async with http.get(server.url) as response:
            await response.read()
        del response
        gc.collect()
        assert http.connector is not None
        assert 1 == len(http.connector._conns)
        assert [None] == [each() for each in sent]


async def test_closed_in_another_context(server: Server) -> None:
    """A call whose loop has ended is closed in whatever context there is, without complaint."""
    never = asyncio.get_running_loop().create_future()

    async def wait(request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        response: aiohttp.ClientResponse = await never
        return response

    async def start(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        call = layer(request, wait)
        copy_context().run(call.send, None)
        call.close()
        return await handler(request)

    layer = middleware(server)
    async with aiohttp.ClientSession(middlewares=(start,)) as http:
        assert 200 == (await http.get(server.url)).status
    assert {0} == {scope.in_flight for scope in layer.state().values()}
