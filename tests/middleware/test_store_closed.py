"""What is under way when a middleware ends that shares its scopes with others."""

import asyncio
from pathlib import Path

import acme
import pytest
from redis_server import RedisServer
from server import Server
from shared_acme import selling, shared

import resilient

pytestmark = pytest.mark.real_time


async def test_a_call_in_flight(server: Server, redis_server: RedisServer, tmp_path: Path) -> None:
    """A refusal that is heard after the end is the caller's, and opens no new connection."""
    before = redis_server.command("INFO", "clients")["connected_clients"]
    refusal = acme.says("slow_down", status=429, after=60)
    async with selling(server, shared(redis_server), tmp_path) as vendor:
        client = await vendor.join()
        await client.get()
        server.script.append(acme.slowly(0.2, refusal))
        call = asyncio.create_task(client.get())
        async with asyncio.timeout(10):
            while len(server.hits) < 2:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.005)
        await client.middleware.aclose()
        with pytest.raises(resilient.RateLimited):
            await call
        assert before == redis_server.command("INFO", "clients")["connected_clients"]


async def test_unused(server: Server, redis_server: RedisServer, tmp_path: Path) -> None:
    """A middleware that made no call has nothing to say in the end, and opens no connection."""
    before = redis_server.command("INFO", "clients")["connected_clients"]
    async with selling(server, shared(redis_server), tmp_path) as vendor:
        client = await vendor.join()
        await client.middleware.aclose()
        assert before == redis_server.command("INFO", "clients")["connected_clients"]
        assert 0 == redis_server.command("EXISTS", "resilient:1:{acme}:seen")
    assert [] == client.events
