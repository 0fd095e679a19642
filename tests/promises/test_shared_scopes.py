"""Which processes share what: by caller, by address, by service, and those who merely observe."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import acme
import pytest
from acme import Client
from redis_server import RedisServer
from server import Server
from shared_acme import Vendor, selling, shared

import resilient

pytestmark = pytest.mark.real_time

HOURLY = {"calls": {"rate": "2/h", "per": ["credential"]}}
BY_ADDRESS = {"calls": {"rate": "2/h", "per": ["ip"]}}


@pytest.fixture
async def vendor(
    server: Server, redis_server: RedisServer, tmp_path: Path
) -> AsyncIterator[Vendor]:
    """Clients that share a Redis."""
    async with selling(server, shared(redis_server), tmp_path) as found:
        yield found


async def sent(*clients: Client, **request: Any) -> int:
    """Let clients call in turn until no call can go; return how many went."""
    count = 0
    for each in clients * 3:
        try:
            await each.get(**request)
        except resilient.DeadlineExceeded:
            continue
        count += 1
    return count


async def test_one_limit(vendor: Vendor) -> None:
    """A limit's calls are those of all processes together."""
    assert 2 == await sent(*await vendor.several(2, limits=HOURLY))


async def test_each_its_own(server: Server, tmp_path: Path) -> None:
    """Without a store each process makes as many."""
    async with selling(server, "memory", tmp_path) as vendor:
        assert 4 == await sent(*await vendor.several(2, limits=HOURLY))


async def test_callers_who_sign(vendor: Vendor) -> None:
    """Whoever signs himself is in one scope in all processes, by his key, which is not shown."""
    clients = await vendor.several(2, limits=HOURLY, credentials=None)
    one, other = ({"Authorization": f"Bearer key-{number}"} for number in range(2))
    assert 2 == await sent(*clients, headers=one)
    assert 2 == await sent(*clients, headers=other)
    names = [sorted(each.middleware.state()) for each in clients]
    assert names[0] == names[1]
    assert "key-" not in str(names)


@pytest.mark.parametrize(("egress", "expected"), [("office", 2), ("home", 4)])
async def test_addresses(vendor: Vendor, egress: str, expected: int) -> None:
    """What counts by address is shared by those with the same `egress`."""
    one = await vendor.join(limits=BY_ADDRESS, egress="office")
    other = await vendor.join(limits=BY_ADDRESS, egress=egress)
    assert expected == await sent(one, other)


async def test_a_pause_of_an_address(vendor: Vendor, server: Server) -> None:
    """A pause of an address holds those behind it up, and no others."""
    one, other = [await vendor.join(egress="office", timeout="2s") for _ in range(2)]
    elsewhere = await vendor.join(egress="home")
    server.then(**acme.says("slow_down_ip", status=429, after=60))
    for each in (one, other):
        with pytest.raises(resilient.ResilientError):
            await each.get()
    assert 1 == len(server.hits)
    await elsewhere.get()


async def test_observers_take_nothing(
    vendor: Vendor, server: Server, redis_server: RedisServer
) -> None:
    """Who merely observes takes nothing from the others, and shuts nothing."""
    observer = await vendor.join(limits=HOURLY, mode="observe")
    server.then(**acme.says("shut_out", status=403))
    for _ in range(5):
        await observer.get()
    keys = redis_server.command("KEYS", "*")
    assert [] == [key for key in keys if ":scope:" in key or ":quota:" in key]
    assert 2 == await sent(await vendor.join(limits=HOURLY))


async def test_another_prefix(server: Server, redis_server: RedisServer, tmp_path: Path) -> None:
    """Programs that share a Redis and not its prefix share nothing."""
    clients = []
    store = shared(redis_server)
    async with (
        selling(server, store, tmp_path) as ours,
        selling(server, {**store, "prefix": "theirs"}, tmp_path) as theirs,
    ):
        clients = [await each.join(limits=HOURLY) for each in (ours, theirs)]
        assert 4 == await sent(*clients)
