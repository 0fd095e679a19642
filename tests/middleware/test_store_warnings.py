"""What is wrong with a store, as far as it tells: who uses it is warned."""

from pathlib import Path

import pytest
from redis_server import RedisServer
from server import Server
from shared_acme import selling, shared

pytestmark = pytest.mark.real_time

FORGETFUL = {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}


@pytest.mark.parametrize(("config", "words"), [({}, []), (FORGETFUL, ["Redis may drop limits"])])
async def test_warned(
    server: Server, tmp_path: Path, config: dict[str, str], words: list[str]
) -> None:
    """Of a store that may drop limits each process is warned, once; calls go all the same."""
    with RedisServer(config=config) as store:
        async with selling(server, shared(store), tmp_path) as vendor:
            for client in await vendor.several(2):
                await client.get()
                await client.get()
                told = [each for each in client.events if each.name == "resilient.config_warning"]
                assert words == [str(each.reason)[:21] for each in told]
