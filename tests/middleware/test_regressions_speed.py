"""Calls that went wrong once the common way was made short: credentials, timeouts, layers."""

import asyncio
from typing import Any

import aiohttp
import pytest
from acme import Connect
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from server import Server

import resilient

EITHER = {"kind": "api_key", "fields": [{"name": "key", "in": ["header", "query"]}]}


async def test_callers_field_in_the_other_place(server: Server, connect: Connect) -> None:
    """A caller who signs in the query is left alone where the header is our first choice."""
    async with connect(catalog={"credential": EITHER}, credentials="ours") as api:
        for path in ("/things?key=theirs", "/things", "/things?key=theirs"):
            await api.get(path)
    assert [None, "ours", None] == [hit.headers.get("key") for hit in server.hits]


async def test_hedged(server: Server, connect: Connect) -> None:
    """Two sends of one request at the same time, by a layer further out, are both admitted."""

    async def hedge(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        first, second = await asyncio.gather(handler(request), handler(request))
        second.close()
        return first

    limits = {"calls": {"rate": "1/100s", "per": ["credential"], "jitter": 0}}
    async with connect(catalog={"limits": limits}) as api:
        await api.get()
        await asyncio.sleep(300)
        async with aiohttp.ClientSession(middlewares=(hedge, api.middleware)) as http:
            async with http.get(server.url + "/things") as response:
                assert 200 == response.status
    print([hit.at for hit in server.hits])
    assert 9 < server.hits[2].at - server.hits[1].at


@pytest.mark.parametrize("total", [2.0, 9.5])
async def test_total(server: Server, connect: Connect, total: float) -> None:
    async def hang(request: Any) -> Any:
        await asyncio.sleep(100)

    async with connect() as api:
        await api.get()
        server.default = hang
        async with aiohttp.ClientSession(
            middlewares=(api.middleware,), timeout=aiohttp.ClientTimeout(total=total)
        ) as http:
            began = asyncio.get_running_loop().time()
            try:
                await http.get(server.url + "/things")
            except BaseException as error:
                print("RAISED", type(error), error, asyncio.get_running_loop().time() - began)
        print(api.told("call_failed"), [n for n in api.names()])
