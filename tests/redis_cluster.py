"""A Redis Cluster of the tests' own: nodes on loopback, joined, each with its share of slots."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from redis_server import RedisServer

SLOTS = 16384


@contextmanager
def redis_cluster(size: int = 3) -> Iterator[list[RedisServer]]:
    """Run a cluster of masters, which share the slots evenly in their order."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(RedisServer(cluster=True)) for _ in range(size)]
        for index, node in enumerate(nodes):
            first, after = index * SLOTS // size, (index + 1) * SLOTS // size
            node.command("CLUSTER", "ADDSLOTSRANGE", first, after - 1)
            node.command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus)
        for node in nodes:
            node.wait_until(partial(_is_whole, node, size), "the cluster is not formed")
        yield nodes


def _is_whole(node: RedisServer, size: int) -> bool:
    shared = len(node.command("CLUSTER", "SLOTS")) == size
    return shared and "cluster_state:ok" in node.command("CLUSTER", "INFO")
