"""A link to Redis: each pipeline gets its own replies, or none."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import pytest
import trustme
from naive_link import keep_connections
from redis_server import RedisServer
from toxic import Proxy, Toxin, toxic

from resilient.config.service import SharedStore
from resilient.state.redis.link import _INHERITED, ErrorReply, Link, Unreachable, make_link

pytestmark = pytest.mark.real_time

LinkTo = Callable[[str], Link]

WAYS: dict[str, Callable[[], RedisServer]] = {
    "socket": RedisServer,
    "port": lambda: RedisServer(tcp=True),
    "password": lambda: RedisServer(tcp=True, password="p@ss/word?"),
    "tls": lambda: RedisServer(authority=trustme.CA()),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server for each way to reach one."""
    with WAYS[request.param]() as server:
        yield server


async def test_ways(way: RedisServer, link_to: LinkTo) -> None:
    """However Redis is reached, replies come in order, and an error is one of them."""
    link = link_to(way.url)
    sent = [("SET", "k", "é"), ("NOPE",), ("GET", "k"), ("INCR", "n"), ("GET", "none"), ("TIME",)]
    replies = await link.run(sent)
    assert [b"OK", "é".encode(), 1, None] == [replies[i] for i in (0, 2, 3, 4)]
    assert [True, True] == [each.isdigit() for each in replies[5]]
    assert isinstance(replies[1], ErrorReply)
    assert "ERR" == replies[1].code


async def test_database(redis_server: RedisServer, link_to: LinkTo) -> None:
    """The database of the URL is the one that is used."""
    await link_to(redis_server.url.replace("db=0", "db=3")).run([("SET", "k", 1)])
    assert 1 == redis_server.command("INFO", "keyspace")["db3"]["keys"]


async def test_one_connection(redis_server: RedisServer, link_to: LinkTo) -> None:
    """A link keeps to one connection, and opens another once it was closed."""
    link = link_to(redis_server.url)
    await link.open()
    first, second = [(await link.run([("CLIENT", "ID")]))[0] for _ in range(2)]
    await link.aclose()
    (third,) = await link.run([("CLIENT", "ID")])
    assert first == second != third


async def test_together(redis_server: RedisServer, link_to: LinkTo) -> None:
    """Those who use one link at a time queue for it, and each gets its own replies."""
    link = link_to(redis_server.url)
    replies = await asyncio.gather(*(link.run([("ECHO", i), ("ECHO", -i)]) for i in range(200)))
    assert [[b"%d" % i, b"%d" % -i] for i in range(200)] == replies


@asynccontextmanager
async def _proxied() -> AsyncIterator[tuple[RedisServer, Proxy]]:
    with RedisServer(tcp=True) as server:
        async with toxic(server.port) as proxy:
            yield server, proxy


async def stalled_at(link: Link, proxy: Proxy, at: int) -> None:
    """Cancel a pipeline when `at` bytes of its replies have arrived; the next gets its own."""
    await link.open()
    proxy.down = Toxin(stall=at)
    running = asyncio.ensure_future(link.run([("ECHO", "old"), ("ECHO", "older")]))
    passed = proxy.connections[-1].down.passed
    for _ in range(500):
        await asyncio.sleep(0.001)
        if proxy.connections[-1].down.passed - passed >= at:
            break
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    proxy.down = Toxin()
    assert [b"new"] == await link.run([("ECHO", "new")])


async def test_cancelled(link_to: LinkTo) -> None:
    """Wherever in the replies a pipeline is cancelled, the next one reads its own."""
    async with _proxied() as (_, proxy):
        link = link_to(f"redis://{proxy.host}")
        for at in (0, 1, 4, 7, 8, 9, 12, 13, 19):
            await stalled_at(link, proxy, at)


async def late(link: Link, server: RedisServer) -> None:
    """Let a pipeline be cancelled before Redis replies to it; the next gets its own."""
    await link.open()
    server.suspend()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await link.run([("ECHO", "old")])
    server.resume()
    assert [b"new"] == await link.run([("ECHO", "new")])


async def test_late(redis_server: RedisServer, link_to: LinkTo) -> None:
    """What Redis replies to a cancelled pipeline is read by nobody."""
    await late(link_to(redis_server.url), redis_server)


async def test_late_naive(
    redis_server: RedisServer, link_to: LinkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that keeps the connection, and looks at nothing, reads the reply to another."""
    with monkeypatch.context() as patched:
        keep_connections(patched)
        with pytest.raises(AssertionError):
            await late(link_to(redis_server.url), redis_server)


async def _id(link: Link) -> int:
    """Return the number of a link's connection."""
    return int((await link.run([("CLIENT", "ID")]))[0])


async def test_waiting_cancelled(redis_server: RedisServer, link_to: LinkTo) -> None:
    """To cancel one who waits for the link harms nobody else's connection."""
    link = link_to(redis_server.url)
    first = await _id(link)
    blocking = asyncio.ensure_future(link.run([("BLPOP", "list", 0)]))
    waiting = asyncio.ensure_future(link.run([("PING",)]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    redis_server.command("RPUSH", "list", "it")
    assert [[b"list", b"it"]] == await blocking
    assert first == await _id(link)


async def test_restart(redis_server: RedisServer, link_to: LinkTo) -> None:
    """After a restart between two pipelines the second goes as if nothing had happened."""
    link = link_to(redis_server.url)
    await link.open()
    redis_server.restart()
    await asyncio.sleep(0.01)  # the end of the connection arrives
    assert [b"PONG"] == await link.run([("PING",)])


def _is_blocked(server: RedisServer) -> bool:
    return bool(server.command("INFO", "clients")["blocked_clients"])


async def test_gone(redis_server: RedisServer, link_to: LinkTo) -> None:
    """A dead Redis is told of, with whether the pipeline may have been carried out."""
    link = link_to(redis_server.url)
    await link.open()
    running = asyncio.ensure_future(link.run([("BLPOP", "list", 0)]))
    await redis_server.until(partial(_is_blocked, redis_server), "the command does not arrive")
    redis_server.kill()
    for awaited, sent in ((running, True), (link.run([("PING",)]), False)):
        with pytest.raises(Unreachable) as caught:
            await awaited
        assert sent == caught.value.sent
    redis_server.start()
    assert [b"PONG"] == await link.run([("PING",)])


async def test_suspended(redis_server: RedisServer, link_to: LinkTo) -> None:
    """The limit of time is the caller's, in the middle of a pipeline and while it connects."""
    link = link_to(redis_server.url)
    await link.open()
    redis_server.suspend()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await link.run([("PING",)])
    redis_server.resume()
    assert [b"PONG"] == await link.run([("PING",)])


async def test_read_only(redis_server: RedisServer, link_to: LinkTo) -> None:
    """A Redis that became a replica says so in its reply, and is looked for anew."""
    link = link_to(redis_server.url)
    first = await _id(link)
    redis_server.command("REPLICAOF", "127.0.0.1", 1)
    (reply,) = await link.run([("SET", "k", 1)])
    assert "READONLY" == reply.code
    assert first != await _id(link)


FORKING = """
import asyncio, os, sys
from resilient.config.service import SharedStore
from resilient.state.redis.link import make_link

link = make_link(SharedStore(url=sys.argv[1]))

async def identify():
    return (await link.run([("CLIENT", "ID")]))[0]

async def main():
    before = await identify()
    if (child := os.fork()) == 0:
        other = asyncio.run(identify())
        os._exit(0 if other != before else 1)
    _, status = os.waitpid(child, 0)
    assert (0, before) == (os.waitstatus_to_exitcode(status), await identify())
    await link.aclose()

asyncio.run(main())
"""


def test_fork(redis_server: RedisServer) -> None:
    """A forked process connects on its own, and leaves its parent's connection alone."""
    subprocess.run([sys.executable, "-c", FORKING, redis_server.url], check=True, timeout=20)


async def test_inherited(
    redis_server: RedisServer, link_to: LinkTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another process than the one that made it a connection is neither used nor closed."""
    link, closed = link_to(redis_server.url), link_to(redis_server.url)
    first = await _id(link)
    await closed.open()
    await closed.aclose()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert first != await _id(link) != await _id(closed)
    assert f"id={first} " in str(redis_server.command("CLIENT", "LIST"))
    await _INHERITED.pop().close()


def test_loops(redis_server: RedisServer) -> None:
    """On another loop a link connects anew."""
    link = make_link(SharedStore(url=redis_server.url))
    with ExitStack() as stack:
        loops = [stack.enter_context(asyncio.Runner()) for _ in range(2)]
        first, second = [loop.run(_id(link)) for loop in loops]
        loops[1].run(link.aclose())
    assert first != second
