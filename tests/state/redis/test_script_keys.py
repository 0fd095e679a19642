"""What the scripts leave in Redis: keys that end, of one service in one slot, and small."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import redis
from driven_scripts import Driven
from redis.crc import key_slot
from redis_server import RedisServer
from shared_model import LATCH
from shared_world import INSTANCES, lane, limit, quota, scope

from resilient.catalog import Ban
from resilient.core.pacing import Bucket
from resilient.model import Block, Pause
from resilient.state.redis import keys, wire
from resilient.state.redis.scripts import ADMIT, RELEASE, SEEN, SETTLE, Script

DAY = 86_400_000
HOUR = 3_600_000
ONE, TWO, _ = INSTANCES

OLDER = """
local written_at, emptied_at = cmsgpack.unpack(redis.call('GET', KEYS[1]))
redis.call('SET', KEYS[1], cmsgpack.pack(written_at - ARGV[1], emptied_at), 'PX', 5000)
"""
"""Makes a scope that was heard, and remembers nothing else, as many microseconds older."""


class Scripts:
    """Runs the scripts as they are."""

    def __init__(self, server: RedisServer) -> None:
        """Load them."""
        self.client = redis.Redis(unix_socket_path=str(server.path), protocol=2)
        for each in (ADMIT, SETTLE, RELEASE, SEEN):
            assert each.sha == self.client.script_load(each.text)

    def run(self, command: wire.Command) -> Any:
        """Run a command."""
        told = [each.sha if isinstance(each, Script) else each for each in command]
        return self.client.execute_command(*told)  # type: ignore[no-untyped-call]

    def ask(self, way: wire.Passage, instance: str = ONE, *costs: int) -> wire.Asked:
        """Ask for calls, of cost one if nothing is said."""
        said = costs or (1,)
        reply = self.run(wire.ask(way, instance, 1, [0] * len(way.kinds), said))
        return wire.asked(way, reply, len(said))

    def answer(self, way: wire.Passage, instance: str, *marks: Any) -> wire.Ended:
        """End the first call of an instance."""
        now = self.ask(way, TWO, 1).now
        flying = [0] * len(way.kinds)
        end = wire.end(way, instance, 1, flying, "answered", granted=now, marks=marks, latch=LATCH)
        return wire.ended(way, self.run(end))

    def lasting(self) -> dict[str, int]:
        """Return how many milliseconds each key lasts."""
        found = sorted(self.client.scan_iter(count=1000))
        return {key.decode(): self.client.pttl(key) for key in found}


@pytest.fixture
def scripts(redis_server: RedisServer) -> Iterator[Scripts]:
    """The scripts as they are, on a server as new."""
    found = Scripts(redis_server)
    yield found
    found.client.close()


def passage(prefix: str = "resilient", rate: float = 1000.0) -> wire.Passage:
    """Return the way past two scopes, each with a limit."""
    credential = scope("credential", "main", ban=Ban(after=3, within=60.0))
    ip = scope("ip", "worker-1.example.net")
    limits = (
        limit("1200/min", Bucket(capacity=20, rate=rate), 1200, 0.0, credential),
        limit("1600/h", quota(1600, 3600.0), 1600, 0.0, ip),
    )
    return wire.Passage.of(prefix, lane((credential, ip), limits), 30.0)


def admitted(scripts: Scripts, way: wire.Passage) -> None:
    """Let the probe of a new scope go, and answer it."""
    while not scripts.ask(way).granted:
        pass
    scripts.answer(way, ONE)


def assert_all_end(lasting: dict[str, int]) -> None:
    """Check that there are keys, and that none is for ever."""
    assert len(lasting) >= 4
    assert all(0 < each <= 400 * DAY for each in lasting.values()), lasting


def test_every_key_ends(scripts: Scripts) -> None:
    """Whatever happens to a service, each of its keys has an end, and none before it may."""
    fast, slow = passage("fast"), passage("slow", rate=0.01)
    for way in (fast, slow):
        scripts.ask(way)
    admitted(scripts, fast)
    for _ in range(3):
        scripts.ask(slow, TWO)
    refusal = Pause(scope="credential", seconds=7200.0)
    scripts.answer(fast, ONE, refusal, Pause(scope="ip", seconds=1.0, refusal=False))
    scripts.answer(slow, ONE, Block(scope="credential", base=None, cap=60.0))
    for instance in INSTANCES:
        scripts.run(wire.see("fast", "acme", instance))
    lasting = scripts.lasting()
    assert_all_end(lasting)
    assert lasting[fast.keys[0]] > 2 * HOUR
    assert lasting[fast.keys[1]] > 0.9 * HOUR
    assert lasting[slow.keys[0]] > 399 * DAY
    assert lasting[slow.keys[2]] > 1000 * 1200 / 0.01


def test_a_key_without_an_end_is_found(scripts: Scripts, redis_server: RedisServer) -> None:
    """Scripts that write keys without an end fail the same check."""
    with Driven(redis_server) as endless:
        endless.ask(passage(), ONE, 1, [1, 1])
    with pytest.raises(AssertionError):
        assert_all_end(scripts.lasting())


def test_an_end_is_put_off_while_a_scope_is_used(scripts: Scripts) -> None:
    """A scope that is used does not end, though nothing in it changes."""
    way = passage()
    admitted(scripts, way)
    scripts.client.pexpire(way.keys[0], 5_000)
    scripts.ask(way)
    assert scripts.lasting()[way.keys[0]] <= 5_000  # as old as it says, it has long enough
    scripts.client.eval(OLDER, 1, way.keys[0], HOUR // 2 * 1000)
    scripts.ask(way)
    assert scripts.lasting()[way.keys[0]] > 0.9 * HOUR


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("kind", ["list", "text", "pack"])
def test_a_foreign_value_stays(scripts: Scripts, place: int, kind: str) -> None:
    """A key that is not ours gives an error, and neither it nor any other key is touched."""
    way = passage()
    key = way.keys[place]
    if kind == "list":
        scripts.client.rpush(key, "precious")
    else:
        scripts.client.set(key, "precious" if kind == "text" else b"\x01")
    before = scripts.client.dump(key)
    with pytest.raises(redis.ResponseError):
        scripts.ask(way)
    assert before == scripts.client.dump(key)
    assert [key.encode()] == scripts.client.keys()


def test_scripts_read_the_clock_once(scripts: Scripts) -> None:
    """One call of a script is one reading of the clock."""
    way = passage()
    scripts.client.config_resetstat()
    admitted(scripts, way)
    scripts.run(wire.release([]))
    stats = scripts.client.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == stats["cmdstat_time"]["calls"]


def test_a_service_lies_in_one_slot(scripts: Scripts) -> None:
    """All keys of one call are of one slot of a cluster."""
    slots = {key_slot(key.encode()) for key in passage().keys}
    slots.add(key_slot(keys.seen("resilient", "acme").encode()))
    assert 1 == len(slots)


def test_keys_are_small(scripts: Scripts) -> None:
    """A scope takes at most 200 bytes of Redis, and so do a bucket and a quota in use."""
    way = passage()
    admitted(scripts, way)
    for _ in range(30):
        scripts.ask(way)
    sizes = {key: scripts.client.memory_usage(key) or 0 for key in way.keys[:4]}
    assert all(size <= 200 for size in sizes.values()), sizes


def test_a_large_quota_is_small(redis_server: RedisServer, scripts: Scripts) -> None:
    """A quota of thousands a day takes at most 200 bytes, too, and each slice keeps its count."""
    account = scope("credential", "main", guarded=False)
    daily = limit("daily", quota(10_000, 86_400.0), 10_000, 0.0, account)
    way = wire.Passage.of("resilient", lane((account,), (daily,)), 30.0)
    chance = Random(4)
    taken = [chance.randrange(110, 190) for _ in range(65)]
    with Driven(redis_server) as driven:
        for cost in taken:
            driven.now += DAY * 1000 // 64
            assert 1 == driven.ask(way, ONE, 1, [cost]).granted
        assert (scripts.client.memory_usage(way.keys[1]) or 0) <= 200
        for first in range(65):
            assert (sum(taken[first:]),) == driven.ask(way, ONE, 1, []).levels
            driven.now += DAY * 1000 // 64


def test_instances_are_counted(scripts: Scripts) -> None:
    """Instances are counted until they leave, and those that are silent for a minute are not."""

    def seen(instance: str, *, leaving: bool = False) -> int:
        command = wire.see("resilient", "acme", instance, leaving=leaving)
        return wire.saw(scripts.run(command))

    assert [1, 2, 2, 1] == [seen(ONE), seen(TWO), seen(TWO), seen(ONE, leaving=True)]
    key = keys.seen("resilient", "acme")
    now = scripts.client.zscore(key, TWO) or 0.0
    scripts.client.zadd(key, {"silent": now - 61e6, "from the future": now + 121e6})
    assert 2 == seen(ONE)
    assert [ONE.encode(), TWO.encode()] == sorted(scripts.client.zrange(key, 0, -1))
