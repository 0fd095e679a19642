"""A link to Redis sends scripts whole where they are new, and pipelines keep their order."""

from collections.abc import Callable, Sequence

import pytest
from redis_server import RedisServer

from resilient.state.redis.link import ErrorReply, Link
from resilient.state.redis.scripts import Script

pytestmark = pytest.mark.real_time

LinkTo = Callable[[str], Link]

ECHO = Script("echo", "return {KEYS[1], ARGV[1]}")


async def test_forgotten_script(redis_server: RedisServer, link_to: LinkTo) -> None:
    """A script that Redis does not have is sent whole, unseen; nothing else is sent twice."""
    link = link_to(redis_server.url)
    pipeline = [("INCR", "n"), ("EVALSHA", ECHO, 1, "k", "1"), ("EVALSHA", ECHO, 1, "k", "2")]
    for count in (1, 2):
        assert [count, [b"k", b"1"], [b"k", b"2"]] == await link.run(pipeline)
    redis_server.command("SCRIPT", "FLUSH")
    assert [3, [b"k", b"1"], [b"k", b"2"]] == await link.run(pipeline)
    done = redis_server.command("INFO", "commandstats")
    assert 3 == done["cmdstat_eval"]["calls"]
    assert 5 == done["cmdstat_evalsha"]["calls"]


FIRST, SECOND, THIRD = (
    Script(name, f"redis.call('APPEND', KEYS[1], '{name[0]}') return '{name}'")
    for name in ("first", "second", "third")
)


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("before", [(), (FIRST,), (SECOND,), (SECOND, THIRD)])
async def test_order(
    redis_server: RedisServer, link_to: LinkTo, before: Sequence[Script], forgets: bool
) -> None:
    """Whichever scripts Redis and the connection know, a pipeline is carried out in order."""
    link = link_to(redis_server.url)
    await link.run([("EVALSHA", each, 1, "other") for each in before])
    if forgets:
        redis_server.command("SCRIPT", "FLUSH")
    redis_server.command("SCRIPT", "LOAD", THIRD.text)
    pipeline = [("EVALSHA", each, 1, "k") for each in (FIRST, SECOND, FIRST, THIRD)]
    replies = await link.run([*pipeline, ("GET", "k")])
    assert [b"first", b"second", b"first", b"third", b"fsft"] == replies


async def naive_order(link: Link, server: RedisServer) -> None:
    """Send scripts by their sums, and whole those that Redis does not know, as clients do."""
    sums = [("EVALSHA", each.sha, 1, "k") for each in (FIRST, SECOND)]
    server.command("SCRIPT", "LOAD", SECOND.text)
    for reply in await link.run(sums):
        if isinstance(reply, ErrorReply):
            await link.run([("EVAL", FIRST.text, 1, "k")])
    assert [b"fs"] == await link.run([("GET", "k")])


async def test_order_naive(redis_server: RedisServer, link_to: LinkTo) -> None:
    """A client that only then sends a script whole has carried out first what came behind it."""
    with pytest.raises(AssertionError):
        await naive_order(link_to(redis_server.url), redis_server)
