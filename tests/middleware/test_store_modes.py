"""Modes of services, where their scopes are shared with other processes."""

from pathlib import Path

import pytest
from redis_server import RedisServer
from server import Server
from shared_acme import selling, shared

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize("mode", ["observe", "off"])
async def test_who_shares(
    server: Server, redis_server: RedisServer, tmp_path: Path, mode: str
) -> None:
    """Who keeps no limit is none of those among whom a limit is divided without the store."""
    async with selling(server, shared(redis_server), tmp_path) as vendor:
        await (await vendor.join(mode=mode)).get()
        assert 0 == redis_server.command("EXISTS", "resilient:1:{acme}:seen")
        await (await vendor.join()).get()
        assert 1 == redis_server.command("ZCARD", "resilient:1:{acme}:seen")
