"""A link to a cluster: each command goes to the node that has its slot."""

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest
from redis.crc import key_slot
from redis_cluster import redis_cluster
from redis_server import RedisServer

from resilient.state.redis.link import _INHERITED, ErrorReply, Link, Unreachable
from resilient.state.redis.scripts import Script

pytestmark = pytest.mark.real_time

LinkTo = Callable[[str], Link]

ECHO = Script("echo", "return {KEYS[1], ARGV[1]}")
KEYS = [f"{{service-{number}}}:k" for number in range(30)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[RedisServer]]:
    """A cluster of three."""
    with redis_cluster() as found:
        yield found


@pytest.fixture
def link(nodes: list[RedisServer], link_to: LinkTo) -> Link:
    """Return a link to it that first asks a host where nobody is."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in (1, *(node.port for node in nodes)))
    return link_to(f"redis+cluster://{hosts}")


def _owner(nodes: list[RedisServer], key: str) -> RedisServer:
    return next(node for node in nodes if not _is_moved(node, key))


def _is_moved(node: RedisServer, key: str) -> bool:
    ours = [(first, last) for first, last, owner, *_ in _slots(node) if owner[1] == node.port]
    return not any(first <= key_slot(key.encode()) <= last for first, last in ours)


def _slots(node: RedisServer) -> list[tuple[int, int, tuple[bytes, int]]]:
    found = node.command("CLUSTER", "SLOTS")
    if isinstance(found, dict):
        return [(*ends, each["primary"]) for ends, each in found.items()]
    return list(found)


async def test_nodes(nodes: list[RedisServer], link: Link) -> None:
    """A pipeline's commands reach the nodes that have their keys, and replies keep the order."""
    assert [b"OK"] * 30 == await link.run([("SET", key, i) for i, key in enumerate(KEYS)])
    values = await link.run([("EVALSHA", ECHO, 1, key, i) for i, key in enumerate(KEYS)])
    assert [[key.encode(), b"%d" % i] for i, key in enumerate(KEYS)] == values
    assert [b"%d" % i for i in range(30)] == await link.run([("GET", key) for key in KEYS])
    assert all(node.command("DBSIZE") for node in nodes)


async def test_moved(nodes: list[RedisServer], link: Link) -> None:
    """A slot that has another node by now is followed there at once."""
    key = "{moved}:k"
    await link.open()
    old = _owner(nodes, key)
    new = next(node for node in nodes if node is not old)
    for node in (new, old, *nodes):
        node.command("CLUSTER", "SETSLOT", key_slot(key.encode()), "NODE", _name(new))
    replies = await link.run([("SET", key, 1), ("GET", key), ("SET", KEYS[0], 1)])
    assert [b"OK", b"1", b"OK"] == replies
    assert [b"1"] == await link.run([("GET", key)])


async def test_ask(nodes: list[RedisServer], link: Link) -> None:
    """A key of a slot that is being moved is followed where it is new."""
    key = "{asked}:k"
    slot = key_slot(key.encode())
    old = _owner(nodes, key)
    new = next(node for node in nodes if node is not old)
    new.command("CLUSTER", "SETSLOT", slot, "IMPORTING", _name(old))
    old.command("CLUSTER", "SETSLOT", slot, "MIGRATING", _name(new))
    try:
        assert [b"OK", b"1"] == await link.run([("SET", key, 1), ("GET", key)])
    finally:
        for node in nodes:
            node.command("CLUSTER", "SETSLOT", slot, "STABLE")


def _name(node: RedisServer) -> str:
    return str(node.command("CLUSTER", "MYID"))


async def test_dead_node(nodes: list[RedisServer], link: Link) -> None:
    """While a node is dead, what has its slot there has no answer, and the rest has."""
    dead = _owner(nodes, KEYS[0])
    alive = next(key for key in KEYS if _owner(nodes, key) is not dead)
    await link.run([("SET", alive, 1)])
    dead.suspend()
    try:
        assert None is await _within(link, KEYS[0])
        tries = [await _within(link, alive) for _ in range(3)]  # one may ask the dead for slots
    finally:
        dead.resume()
    assert [b"1"] == tries[-1]


async def _within(link: Link, key: str) -> list[bytes] | None:
    try:
        async with asyncio.timeout(0.1):
            return await link.run([("GET", key)])
    except TimeoutError:
        return None


async def test_no_cluster(link_to: LinkTo) -> None:
    """A server that belongs to no cluster is told of."""
    with RedisServer(tcp=True) as server, pytest.raises(Unreachable, match="no node of the"):
        await link_to(f"redis+cluster://127.0.0.1:{server.port}").open()


async def test_node_closes(nodes: list[RedisServer], link: Link) -> None:
    """A connection that a node has closed meanwhile is made anew."""
    await link.run([("GET", key) for key in KEYS])
    for node in nodes:
        node.command("CLIENT", "KILL", "TYPE", "normal")
    await asyncio.sleep(0.01)  # the ends of the connections arrive
    assert 30 == len(await link.run([("GET", key) for key in KEYS]))


async def test_keyless(link: Link) -> None:
    """A script without keys, and a command that has none, go to some node."""
    script = Script("seven", "return 7")
    assert [7, b"PONG"] == await link.run([("EVALSHA", script, 0), ("PING",)])


HOLES = {
    "no slots": (b"*0\r\n", "no node of the cluster says"),
    "other words": (b"*1\r\n+slots\r\n", "no node of the cluster says"),
    "half": (b"*1\r\n*3\r\n:0\r\n:9\r\n*2\r\n$0\r\n\r\n:%d\r\n", "no node for a part"),
    "nowhere": (b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:%d\r\n", "where a slot is now"),
}


@pytest.mark.parametrize(("slots", "words"), HOLES.values(), ids=HOLES)
async def test_nonsense(link_to: LinkTo, slots: bytes, words: str) -> None:
    """A cluster that makes no sense is no answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            port = writer.get_extra_info("sockname")[1]
            ours = slots % port if b"%d" in slots else slots
            answers = {b"PING": b"+PONG\r\n", b"SLOTS": ours}
            found = (text for word, text in answers.items() if word in sent)
            writer.write(next(found, b"-MOVED 1 away\r\n"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        link = link_to(f"redis+cluster://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(Unreachable, match=words):
            await link.run([("GET", "k")])
        await link.aclose()


async def test_inherited(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process than the one that made them connections are not used."""
    (first,) = await link.run([("ECHO", KEYS[0])])
    before = len(_INHERITED)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert [first] == await link.run([("ECHO", KEYS[0])])
    assert len(_INHERITED) > before
    while len(_INHERITED) > before:
        await _INHERITED.pop().close()


async def test_error(link: Link) -> None:
    """Keys of several slots in one command are an error as from any Redis."""
    (reply,) = await link.run([("EVALSHA", ECHO, 2, "a", "b", 1)])
    assert isinstance(reply, ErrorReply)
    assert "CROSSSLOT" == reply.code
