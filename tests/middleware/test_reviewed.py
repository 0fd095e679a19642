"""What a review found: each of these once went wrong."""

import asyncio

import aiohttp
import pytest
from server import Server

import resilient
from resilient.credentials import Bearer


def _config(server: Server, **keys: object) -> dict[str, object]:
    return {"services": {"api": {"catalog": "http", "hosts": [server.host], **keys}}}


async def test_a_total_of_nothing_is_none(server: Server) -> None:
    """Aiohttp takes a total of 0 for no limit, and so do we."""
    middleware = resilient.Middleware(_config(server))
    timeout = aiohttp.ClientTimeout(total=0)
    async with (
        aiohttp.ClientSession(middlewares=(middleware,), timeout=timeout) as http,
        http.get(server.url) as response,
    ):
        assert 200 == response.status


async def test_nothing_is_sent_after_the_deadline(server: Server) -> None:
    """A call whose time is over before it begins is not sent."""
    async with resilient.session(_config(server)) as http:
        await http.get(server.url)
        with resilient.options(timeout=1):
            await asyncio.sleep(2)
            with pytest.raises(resilient.DeadlineExceeded):
                await http.post(server.url)
    assert 1 == len(server.hits)


async def test_an_empty_answer_is_handed_back(server: Server) -> None:
    """With `on_error: return` an answer without a body is one, too, when no resend fits."""
    server.then(503, "", headers={"Retry-After": "60"})
    async with resilient.session(_config(server, on_error="return", timeout=5)) as http:
        response = await http.get(server.url)
        assert 503 == response.status


async def test_credential_code_that_loses_its_connection(server: Server) -> None:
    """Aiohttp would run the whole call again on this exception of a user's own code."""
    asked = 0

    async def get() -> str:
        nonlocal asked
        asked += 1
        raise aiohttp.ServerDisconnectedError

    config = {"services": {"jobs": {"catalog": "hh", "hosts": [server.host]}}}
    async with resilient.session(config, credentials={"jobs": Bearer(get)}) as http:
        with pytest.raises(resilient.NotSent, match="could not be had"):
            await http.get(server.url)
    assert 1 == asked
    assert [] == server.hits
