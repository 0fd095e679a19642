"""What one process hears holds for all that share its store: pauses, refusals, blocks, probes."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import acme
import pytest
from acme import Client
from aiohttp import web
from promises.conftest import Figure
from redis_server import RedisServer
from server import Server
from shared_acme import Vendor, selling, shared
from until import until as bounded

import resilient
from resilient.state.redis import errands

pytestmark = pytest.mark.real_time

BAN = {"after": 3, "within": "1m"}
SLOWER = acme.says("slow_down", status=429, after=1)
SHUT_OUT = acme.says("shut_out", status=403)
PATIENCE = 20.0
until = partial(bounded, within=PATIENCE)


@pytest.fixture
async def vendor(
    server: Server, redis_server: RedisServer, tmp_path: Path
) -> AsyncIterator[Vendor]:
    """Clients that share a Redis."""
    async with selling(server, shared(redis_server), tmp_path) as found:
        yield found


async def until_told(clients: list[Client], name: str, count: int) -> None:
    """Wait until there are so many events of that name."""
    await until(lambda: len(told(clients, name)) == count)


def told(clients: list[Client], name: str) -> list[dict[str, Any]]:
    """Return the events of that name of all clients."""
    return [event for client in clients for event in client.told(name)]


async def pause_all(server: Server, clients: list[Client]) -> None:
    """Let the first of three hear a refusal, then let all call; the probe's answer takes time."""
    for each in clients:
        await each.get()
    server.then(**SLOWER)
    server.script.append(acme.slowly(0.3))
    first = asyncio.create_task(clients[0].get())
    await until(lambda: told(clients, "scope_paused"))
    await asyncio.gather(first, *(each.get() for each in clients[1:] for _ in range(3)))


def check_pause(server: Server) -> None:
    """Hold the calls after a refusal to its pause: none before its end, and a probe first."""
    _, probe, *rest = [hit.at for hit in server.hits[3:]]
    refused = server.hits[3].at
    assert probe >= refused + 1
    assert min(rest) >= probe + 0.3


async def test_a_pause(vendor: Vendor, server: Server, figure: Figure) -> None:
    """After one process's Retry-After nobody sends before its end; then one does, then all."""
    clients = await vendor.several(3)
    await pause_all(server, clients)
    check_pause(server)
    assert 1 == len(told(clients, "scope_paused"))
    assert 1 == len(told(clients, "scope_released"))
    figure("A7", "sends of three processes within a pause that one heard", 0, of=7)


async def test_a_pause_of_each_alone(server: Server, tmp_path: Path) -> None:
    """Where nothing is shared, the others go on sending into it."""
    async with selling(server, "memory", tmp_path) as vendor:
        await pause_all(server, await vendor.several(3))
    with pytest.raises(AssertionError):
        check_pause(server)


async def refusals(server: Server, clients: list[Client], count: int) -> list[asyncio.Task[Any]]:
    """Let so many calls be under way together, and refuse them one after the other."""
    for each in clients:
        await each.get()
    heard = asyncio.Event()
    turns = [asyncio.Event() for _ in range(count)]

    def refusing(number: int) -> acme.Answer:
        async def refuse(request: web.Request) -> web.StreamResponse:
            heard.set()
            await turns[number].wait()
            return web.Response(**acme.says("slow_down", status=429))

        return refuse

    server.script.extend(refusing(number) for number in range(count))
    tasks = []
    for number in range(count):
        heard.clear()
        tasks.append(asyncio.create_task(clients[number % len(clients)].get()))
        await heard.wait()
    for number in range(count):
        turns[number].set()
        await until_told(clients, "attempt_failed", number + 1)
    return tasks


async def test_refusals_are_counted_together(vendor: Vendor, server: Server) -> None:
    """Refusals that each heard one of are one row: foreseen together, with one alert in all."""
    clients = await vendor.several(2, catalog={"ban": BAN})
    tasks = await refusals(server, clients, 2)
    (alert,) = told(clients, "block_warning")
    assert 55 < alert["delay"] <= 60
    sent = len(server.hits)
    for each in clients:
        with pytest.raises(resilient.DeadlineExceeded), resilient.options(timeout=3):
            await each.get()
    assert sent == len(server.hits)
    for task in tasks:
        task.cancel()


async def test_a_full_row_blocks_all(vendor: Vendor, server: Server) -> None:
    """The last refusal of a row, whoever hears it, blocks the scope for all, and is told once."""
    clients = await vendor.several(3, catalog={"ban": BAN})
    tasks = await refusals(server, clients, 3)
    assert 1 == len(told(clients, "scope_blocked"))
    assert 2 == len(told(clients, "block_warning"))
    sent = len(server.hits)
    ends = await asyncio.gather(*tasks, *(each.get() for each in clients), return_exceptions=True)
    assert {resilient.ScopeBlocked} == {type(end) for end in ends[3:]}
    assert sent == len(server.hits)


async def blocked(vendor: Vendor, server: Server) -> tuple[Client, Client]:
    """Return two clients, after the first was shut out."""
    one, other = await vendor.several(2)
    await one.get()
    await other.get()
    server.then(**SHUT_OUT)
    with pytest.raises(resilient.Blocked):
        await one.get()
    return one, other


async def test_a_block(vendor: Vendor, server: Server) -> None:
    """One process is shut out, and nobody sends any more."""
    one, other = await blocked(vendor, server)
    for each in (one, other, await vendor.join()):
        with pytest.raises(resilient.ScopeBlocked):
            await each.get()
    assert 3 == len(server.hits)
    assert 1 == len(told([one, other], "scope_blocked"))


async def go_again(client: Client) -> float:
    """Call until it goes; return how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await client.get()
            except resilient.ScopeBlocked:
                await asyncio.sleep(0.02)
            else:
                return loop.time() - began


@pytest.mark.parametrize("who", ["who was blocked", "a stranger"])
async def test_release(vendor: Vendor, server: Server, who: str, figure: Figure) -> None:
    """A release by any process, also one that never met the scope, frees all."""
    one, other = await blocked(vendor, server)
    with pytest.raises(resilient.ScopeBlocked):
        await other.get()
    releasing = one if who == "who was blocked" else await vendor.join()
    assert ["credential:default"] == await releasing.middleware.release("acme")
    took = max(await asyncio.gather(go_again(one), go_again(other)))
    figure("A7", f"seconds until all go after a release by {who}", took)


async def test_release_where_somebody_waits(
    vendor: Vendor, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He goes at once, and so do calls that come then, also with short deadlines."""
    monkeypatch.setattr(errands, "RECHECK", 60.0)  # else he would go in a second in any case
    (one,) = await vendor.several(1)
    await one.get()
    server.then(**acme.says("slow_down", status=429, after=50))
    waiting = asyncio.create_task(one.get())
    await until(lambda: told([one], "scope_paused") and one.state().waiting)
    await one.middleware.release("acme")
    with resilient.options(timeout=5):
        await asyncio.gather(*(one.get() for _ in range(3)))
    async with asyncio.timeout(5):
        await waiting


async def test_release_of_a_pause(vendor: Vendor, server: Server, figure: Figure) -> None:
    """Whoever waits for the end of a pause goes when another process lifts it."""
    one, other = await vendor.several(2)
    await one.get()
    server.then(**acme.says("slow_down", status=429, after=50))
    waiting = [asyncio.create_task(each.get()) for each in (one, other)]
    await until(lambda: told([one], "scope_paused") and other.names())
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    stranger = await vendor.join()
    assert ["credential:default"] == await stranger.middleware.release("acme")
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    took = asyncio.get_running_loop().time() - began
    figure("A7", "seconds until those go who wait for a pause that another lifts", took)
