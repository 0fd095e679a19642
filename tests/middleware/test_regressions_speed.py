"""Calls that once went wrong on the short way: credentials, totals, sessions that closed."""

import asyncio
import gc
from typing import Any

import aiohttp
import pytest
from acme import Connect, slowly
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from server import Server

import resilient
from resilient import route
from resilient.state import memory
from resilient.state.lane import Lane

OURS, THEIRS = "ours", "theirs"


@pytest.mark.parametrize("places", [["header", "query"], ["query", "header"]])
@pytest.mark.parametrize("where", ["header", "query"])
@pytest.mark.parametrize("first", [OURS, THEIRS])
async def test_callers_own_field(
    server: Server, connect: Connect, places: list[str], where: str, first: str
) -> None:
    """A caller's own field counts in each of its places, whoever has called before."""
    rule = {"kind": "api_key", "fields": [{"name": "key", "in": places}]}
    own: dict[str, Any] = (
        {"headers": {"key": THEIRS}} if where == "header" else {"params": {"key": THEIRS}}
    )
    wanted = [first, OURS, THEIRS, OURS, THEIRS]
    async with connect(catalog={"credential": rule}, credentials=OURS) as api:
        for whose in wanted:
            await api.get(**(own if whose == THEIRS else {}))
    found = [f"{hit.path} {hit.headers.get('key')}" for hit in server.hits]
    assert wanted == [OURS if OURS in each else THEIRS for each in found]
    assert not any(OURS in each and THEIRS in each for each in found)


async def test_callers_own_field_with_a_space(server: Server, connect: Connect) -> None:
    """A caller's own field is found in the query where its name has a space, too."""
    rule = {"kind": "api_key", "fields": [{"name": "api key", "in": "query"}]}
    async with connect(catalog={"credential": rule}, credentials=OURS) as api:
        await api.get()
        await api.get(params={"api key": THEIRS})
    assert ["/things?api+key=ours", "/things?api+key=theirs"] == [hit.path for hit in server.hits]


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("total", [2.0, 7.5])
async def test_total_of_aiohttp(server: Server, connect: Connect, total: float, warm: bool) -> None:
    """A total shorter than an attempt may be ends the call on the moment, as a timeout."""
    limit = aiohttp.ClientTimeout(total=total)
    async with (
        connect(attempt_timeout="10s") as api,
        aiohttp.ClientSession(middlewares=(api.middleware,), timeout=limit) as http,
    ):
        if warm:
            await api.get()
        server.script.append(slowly(60))
        began = asyncio.get_running_loop().time()
        with pytest.raises(resilient.TransportTimeout):
            await http.get(api.url + "/things")
        assert total == pytest.approx(asyncio.get_running_loop().time() - began)


@pytest.mark.parametrize("credentials", [None, OURS])
async def test_session_closed_by_then(
    server: Server, connect: Connect, credentials: str | None
) -> None:
    """A session that is closed while a layer further out waits sends nothing, and says so."""

    async def wait(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        await asyncio.sleep(5)
        return await handler(request)

    async with connect(credentials=credentials) as api:
        await api.get()
        http = aiohttp.ClientSession(middlewares=(wait, api.middleware))
        call = asyncio.ensure_future(http.get(api.url + "/things"))
        await asyncio.sleep(1)
        await http.close()
        with pytest.raises(resilient.NotSent, match="closed"):
            await call
    assert 1 == len(server.hits)


async def test_one_request_twice_at_once(server: Server, connect: Connect) -> None:
    """Who sends one request twice at the same time is limited twice: none is within the other."""

    async def hedge(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        first, second = await asyncio.gather(handler(request), handler(request))
        second.close()
        return first

    limits = {"calls": {"rate": "1/60s", "per": ["credential"], "jitter": 0}}
    catalog = {"limits": limits}
    async with connect(catalog=catalog, timeout="1000s", credentials=None) as api:
        await api.get()
        await asyncio.sleep(300)
        async with (
            aiohttp.ClientSession(middlewares=(hedge, api.middleware)) as http,
            http.get(server.url + "/things"),
        ):
            pass
    assert 59 < server.hits[2].at - server.hits[1].at


def lanes() -> int:
    """Count the lanes of this process."""
    gc.collect()
    return sum(isinstance(each, Lane) for each in gc.get_objects())


async def test_a_route_keeps_no_scope(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential that was used once is looked up soon again, but its scopes are let go of."""
    monkeypatch.setattr(memory, "FEW", 1)
    limits = {"calls": {"rate": "10/s", "per": ["credential"]}}
    before = lanes()
    async with connect(catalog={"limits": limits}, credentials=None) as api:
        for number in range(60):
            with resilient.options(credential=f"account {number}"):
                await api.get()
            await asyncio.sleep(10)
        assert 20 > lanes() - before


async def test_an_attempt_that_will_not_be_ended(server: Server, connect: Connect) -> None:
    """A layer that swallows the end of an attempt and answers late leaves nobody cancelled."""

    async def stubborn(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return await handler(request)
        raise AssertionError("nobody ended it")

    async with (
        connect(attempt_timeout="2s") as api,
        aiohttp.ClientSession(middlewares=(api.middleware, stubborn)) as http,
    ):
        began = asyncio.get_running_loop().time()
        async with http.get(server.url + "/things") as response:
            assert 200 == response.status
        task = asyncio.current_task()
        assert task is not None
        assert 0 == task.cancelling()
        assert 2 == pytest.approx(asyncio.get_running_loop().time() - began, abs=0.1)


async def test_more_ways_than_are_remembered(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ways beyond a number, and to very long paths, are looked up anew, and lead to the same."""
    monkeypatch.setattr(route, "ROUTES", 3)
    async with connect() as api:
        for path in ("/things", "/others", "/things", "/" + 300 * "x", "/others", "/things"):
            await api.get(path)
        assert 6 == len(server.hits)
        found = [each.scope for each in api.middleware.state().values()]
    assert ["credential:default"] == [each for each in found if each.startswith("credential")]


async def test_a_redirect_that_leads_nowhere(server: Server, connect: Connect) -> None:
    """A redirect without a Location is an answer like any other."""
    server.then(302)
    async with connect() as api, await api.get() as response:
        assert 302 == response.status
