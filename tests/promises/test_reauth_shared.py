"""Limits that are shared through Redis bring a lock along, for credentials that have none."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
from authority import Authority, presiding
from promises.conftest import Figure
from redis_server import RedisServer
from server import Server

import resilient
from resilient.credentials import OAuth2

pytestmark = pytest.mark.real_time

MANY = 4


@pytest.fixture
def authority(server: Server) -> Authority:
    """What answers: a purchase takes its time."""
    found = presiding(server)
    found.takes = lambda: 0.3
    return found


async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(f"{url}/things") as response:
        return response.status


def _client(
    authority: Authority, folder: Path, **more: Any
) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
    """Return a session of the library that knows nothing of others."""
    service = {
        "catalog": acme.write(folder, credential={"kind": "oauth2", "fields": [acme.FIELD]}),
        "hosts": [authority.url.removeprefix("http://")],
    }
    store = authority.store
    oauth = OAuth2("id", "secret", store.load, store.save, token_url="/token")
    return resilient.session({"services": {"acme": service}, **more}, credentials={"acme": oauth})


async def _race(authority: Authority, folder: Path, **more: Any) -> list[int | BaseException]:
    """Let several sessions be refused at the same time."""
    async with AsyncExitStack() as stack:
        clients = [_client(authority, folder, **more) for _ in range(MANY)]
        sessions = [await stack.enter_async_context(each) for each in clients]
        assert {200} == {await _status(each, authority.url) for each in sessions}
        authority.expired = True
        calls = [_status(each, authority.url) for each in sessions]
        return await asyncio.gather(*calls, return_exceptions=True)


async def test_one_renewal(
    authority: Authority, tmp_path: Path, redis_server: RedisServer, figure: Figure
) -> None:
    """With `store: redis://…` one of all who share it renews, and the others take the new pair."""
    answers = await _race(authority, tmp_path, store={"url": redis_server.url, "timeout": "5s"})
    assert [200] * MANY == answers
    assert (1, 0) == (authority.sold, authority.revoked)
    figure("G2", "renewals under the lock of shared limits", authority.sold, of=f"{MANY} sessions")


async def test_renewals_without_it(authority: Authority, tmp_path: Path) -> None:
    """Without it they send one refresh token several times, and lose the family."""
    await _race(authority, tmp_path)
    assert 1 == authority.revoked


async def test_redis_that_is_down(
    authority: Authority, tmp_path: Path, redis_server: RedisServer
) -> None:
    """While Redis is down one that is alone renews as it did before there was a Redis."""
    redis_server.kill()
    async with _client(authority, tmp_path, store=redis_server.url) as http:
        authority.expired = True
        assert 200 == await _status(http, authority.url)
    assert (1, 0) == (authority.sold, authority.revoked)
