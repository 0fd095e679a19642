"""A link to the master that Sentinels name."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import pytest_asyncio
from redis_server import RedisServer

from resilient.state.redis.link import Link, Unreachable

pytestmark = pytest.mark.real_time

LinkTo = Callable[[str], Link]


def _is_replicated(master: RedisServer, sentinel: RedisServer) -> bool:
    online = "online" in str(master.command("INFO", "replication").get("slave0", ""))
    return online and len(sentinel.command("SENTINEL", "REPLICAS", "main")) == 1


@pytest_asyncio.fixture
async def watched() -> AsyncIterator[tuple[RedisServer, RedisServer, RedisServer]]:
    """A master, its replica, and the Sentinel that watches both."""
    with (
        RedisServer(tcp=True, password="pw") as master,
        RedisServer(tcp=True, password="pw", master=master) as replica,
        RedisServer(watches=master) as sentinel,
    ):
        await sentinel.until(partial(_is_replicated, master, sentinel), "no replica")
        yield master, replica, sentinel


async def _port(link: Link) -> str:
    """Return the port of the server that a link leads to."""
    async with asyncio.timeout(0.3):
        ((_, port),) = await link.run([("CONFIG", "GET", "port")])
    return str(port.decode())


async def test_failover(
    watched: tuple[RedisServer, RedisServer, RedisServer], link_to: LinkTo
) -> None:
    """When the master has died, the link leads to the one that is promoted."""
    master, replica, sentinel = watched
    link = link_to(f"redis+sentinel://:pw@127.0.0.1:{sentinel.port}/main")
    assert str(master.port) == await _port(link)
    master.kill()
    found = None
    for _ in range(500):
        try:
            found = await _port(link)
            break
        except (Unreachable, TimeoutError):
            await asyncio.sleep(0.01)
    assert str(replica.port) == found
    assert [b"OK"] == await link.run([("SET", "k", 1)])


async def test_deaf_sentinel(
    watched: tuple[RedisServer, RedisServer, RedisServer], link_to: LinkTo
) -> None:
    """A Sentinel that does not answer costs one try: the next one asks another first."""
    master, _, sentinel = watched
    with RedisServer(watches=master) as deaf:
        deaf.suspend()
        ports = (1, deaf.port, sentinel.port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        link = link_to(f"redis+sentinel://:pw@{hosts}/main")
        with pytest.raises(TimeoutError):
            await _port(link)
        assert str(master.port) == await _port(link)


async def test_demoted(
    watched: tuple[RedisServer, RedisServer, RedisServer], link_to: LinkTo
) -> None:
    """A server that the Sentinels still name, and that is no master, is not used."""
    master, _, sentinel = watched
    master.command("REPLICAOF", "127.0.0.1", 1)
    link = link_to(f"redis+sentinel://:pw@127.0.0.1:{sentinel.port}/main")
    with pytest.raises(Unreachable, match="it is a master no more"):
        await link.open()


async def test_unknown(
    watched: tuple[RedisServer, RedisServer, RedisServer], link_to: LinkTo
) -> None:
    """A name that no Sentinel knows leads nowhere."""
    link = link_to(f"redis+sentinel://:pw@127.0.0.1:{watched[2].port}/other")
    with pytest.raises(Unreachable, match="no Sentinel names a master"):
        await link.open()
