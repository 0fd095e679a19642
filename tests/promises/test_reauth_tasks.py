"""Whose calls are a renewal's own, and whose name is none."""

import asyncio
from typing import Any

import aiohttp
import pytest
from acme import Connect
from authority import Authority, presiding
from server import Server

import resilient
from resilient.credentials import Bearer


@pytest.fixture
def authority(server: Server) -> Authority:
    """What answers: an API and its authorization server."""
    return presiding(server)


@pytest.mark.parametrize("where", ["get", "refresh", "factory"])
async def test_task_left_running(server: Server, connect: Connect, where: str) -> None:
    """A task that a refresh starts and leaves running makes calls as anybody does: signed."""
    left: list[asyncio.Task[Any]] = []

    async def keep_alive() -> int:
        async with http.get(f"{server.url}/during") as response:
            await response.read()
        await asyncio.sleep(5)
        async with http.get(f"{server.url}/after") as response:
            return response.status

    async def start(*_: object) -> str:
        left.append(asyncio.create_task(keep_alive()))
        await asyncio.sleep(1)
        return "token"

    credential: Any = start if where == "factory" else Bearer(start)
    if where == "refresh":
        credential = Bearer(lambda: "old", start)
        server.then(401)
    async with connect(credentials=credential) as api:
        http = api.http
        with resilient.options(credential="x" if where == "factory" else None):
            assert 200 == (await api.get()).status
        if where == "factory":
            # A factory's credentials have names: the call after needs one, as anybody's does.
            with pytest.raises(resilient.ConfigError):
                await left[0]
        else:
            assert 200 == await left[0]
    signed = {hit.path: "Authorization" in hit.headers for hit in server.hits}
    assert not signed["/during"]
    assert (where == "factory") == ("/after" not in signed)
    assert signed.get("/after", True)


async def test_after_a_refresh_that_is_abandoned(
    authority: Authority, server: Server, connect: Connect
) -> None:
    """Nor does the context of a caller who gave up stay a renewal's."""
    authority.takes = lambda: 1.0
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.expired = True
        with resilient.options(timeout=0.3), pytest.raises(resilient.ResilientError):
            await api.get()
        assert 200 == (await api.get()).status
    calls = [hit for hit in server.hits if hit.path == "/things"]
    assert all("Authorization" in hit.headers for hit in calls)


@pytest.mark.parametrize("credentials", [{"first": "a", "second": "b"}, {"first": "a"}])
async def test_mistyped_name(server: Server, connect: Connect, credentials: Any) -> None:
    """A name that the mapping does not have is an error, and no scope with limits of its own."""
    async with connect(credentials=credentials) as api:
        with (
            resilient.options(credential="typo"),
            pytest.raises(resilient.ConfigError, match="no credential 'typo'; it has first"),
        ):
            await api.get()
        assert [] == server.hits
        with resilient.options(credential="first"):
            assert 200 == (await api.get()).status


@pytest.mark.parametrize("credentials", [None, "key"])
async def test_open_names(server: Server, connect: Connect, credentials: Any) -> None:
    """Where the caller signs himself, or the host gives the name, any name is one."""
    keys = {"credential_from": "host"} if credentials else {}
    async with connect(credentials=credentials, **keys) as api:
        with resilient.options(credential="mine"):
            await api.get()
        assert "acme/credential:mine" in api.middleware.state()


async def test_each_session_its_own(authority: Authority, connect: Connect) -> None:
    """Calls of several sessions of one middleware share the renewal."""
    authority.takes = lambda: 1.0
    async with connect(**authority.client("OAuth2")) as api:
        await api.get()
        authority.expired = True
        async with aiohttp.ClientSession(middlewares=(api.middleware,)) as other:
            answers = await asyncio.gather(api.get(), other.get(api.url + "/things"))
    assert [200, 200] == [each.status for each in answers]
    assert 1 == authority.sold
