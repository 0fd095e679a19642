"""A link to a Redis Cluster: commands go to the node that has their slot."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from redis.cluster import parse_cluster_slots
from redis.crc import key_slot
from redis.exceptions import AskError

from resilient.state.redis.connection import Connected
from resilient.state.redis.link import Address, Command, ErrorReply, Link, Unreachable

_KEYLESS = frozenset({"CLUSTER", "CONFIG", "INFO", "PING", "ROLE", "SCRIPT", "TIME"})

Slots = Mapping[tuple[int, int], Mapping[str, Any]]
"""The nodes of each range of slots, as redis-py returns CLUSTER SLOTS."""


@attrs.define(eq=False, repr=False)
class Cluster(Link):
    """A link to a cluster: one connection to each node that is needed.

    redis-py's client of a cluster asks one node for all commands there are, and that one may be
    the node that hangs; a connection that a node closed while idle fails the next pipeline. So
    only the slots, redirections and connections are redis-py's here.

    When one connection fails, all are dropped and the slots are asked for anew.
    """

    _slots: Slots = attrs.field(factory=dict, init=False)

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        if not self._slots:
            self._slots = await self._layout()
        nodes = [self._node(each) for each in commands]
        shares = {node: [i for i, each in enumerate(nodes) if each == node] for node in set(nodes)}
        connected = {node: await self._connected(node) for node in shares}
        self._sent = True
        for node, share in shares.items():
            await connected[node].send([commands[i] for i in share])
        replies: list[Any] = [None] * len(commands)
        for node, share in shares.items():
            for i, reply in zip(share, await connected[node].receive(), strict=True):
                replies[i] = reply
        for i, reply in enumerate(replies):
            if getattr(reply, "code", None) in ("MOVED", "ASK"):
                replies[i] = await self._followed(commands[i], reply, nodes[i])
        return replies

    async def _followed(self, command: Command, reply: ErrorReply, node: Address) -> Any:
        """Send a command where its slot is now: once, and behind those before it."""
        connected = await self._connected(_redirection(reply, node))
        asking = reply.code == "ASK"
        if not asking:
            self._slots = {}  # the next pipeline asks anew
        await connected.send([("ASKING",), command] if asking else [command])
        return (await connected.receive())[-1]

    async def _connect(self, to: Address | None) -> Connected:
        return await self._opener.open(to)

    async def _drop(self, *, wait: bool = False) -> None:
        self._slots = {}
        await super()._drop(wait=wait)

    def _node(self, command: Command) -> Address:
        key = _key(command)
        slot = 0 if key is None else key_slot(key)
        for (first, last), nodes in self._slots.items():
            if first <= slot <= last:
                host, port = nodes["primary"]
                return host, port
        raise Unreachable("the cluster has no node for a part of its slots")

    async def _layout(self) -> Slots:
        slots = await self._opener.ask(self._asked)
        if slots is None:
            raise Unreachable("no node of the cluster says who has which slots")
        return slots

    async def _asked(self, host: Address) -> Slots:
        connected = await self._connected(host)
        await connected.send([("CLUSTER", "SLOTS")])
        (reply,) = await connected.receive()
        found: Slots = parse_cluster_slots(reply, current_host=host[0])
        return found


def _key(command: Command) -> bytes | None:
    """Return the key by which a command finds its node; all its keys have one slot."""
    if command[0] in _KEYLESS:
        return None
    at = 3 if command[0] == "EVALSHA" else 1
    found = command[at] if len(command) > at else None
    return found if found is None or isinstance(found, bytes) else str(found).encode()


def _redirection(reply: ErrorReply, node: Address) -> Address:
    with suppress(ValueError):
        to = AskError(reply.text)  # MOVED is worded alike
        return to.host or node[0], to.port
    raise Unreachable("it does not say where a slot is now")
