"""What is told of a Redis that limits cannot rely on."""

import time
from collections.abc import Sequence
from typing import Any, cast

import pytest
from redis_server import RedisServer

from resilient.state.redis.checks import check
from resilient.state.redis.link import ErrorReply, Link

pytestmark = pytest.mark.real_time


async def test_well(redis_server: RedisServer, link_to: Any) -> None:
    """Of a Redis as it is installed there is nothing to tell."""
    assert [] == await check(link_to(redis_server.url), time.time)


@pytest.mark.parametrize(
    "policy", ["allkeys-lru", "allkeys-random", "volatile-ttl", "volatile-lfu"]
)
async def test_eviction(redis_server: RedisServer, link_to: Any, policy: str) -> None:
    """A Redis that may drop keys when it is full is told of, with what to do."""
    redis_server.command("CONFIG", "SET", "maxmemory-policy", policy)
    link = link_to(redis_server.url)
    assert [] == await check(link, time.time)  # without a bound it is never full
    redis_server.command("CONFIG", "SET", "maxmemory", "100mb")
    (finding,) = await check(link, time.time)
    assert policy in finding
    assert "set maxmemory-policy noeviction" in finding


@pytest.mark.parametrize(("behind", "words"), [(5.0, "5.0 s ahead of"), (-5.0, "5.0 s behind")])
async def test_skew(redis_server: RedisServer, link_to: Any, behind: float, words: str) -> None:
    """A clock that differs by more than a second is told of, with the direction."""
    (finding,) = await check(link_to(redis_server.url), lambda: time.time() - behind)
    assert f"Redis's clock is {words} this machine's" in finding


async def test_forbidden(redis_server: RedisServer, link_to: Any) -> None:
    """Where INFO and TIME are forbidden, nothing is told."""
    redis_server.command("ACL", "SETUSER", "shy", "on", ">pw", "~*", "+ping")
    url = redis_server.url.replace("unix://", "unix://shy:pw@")
    assert [] == await check(link_to(url), lambda: 0.0)


class Told:
    """Stands for a link on which somebody else answers."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)

    async def run(self, commands: Sequence[object]) -> list[Any]:
        """Return the replies."""
        return self.replies


def told(*replies: Any) -> Link:
    """Return a link on which these are the replies to TIME and twice INFO."""
    return cast("Link", Told(*replies))


async def test_version() -> None:
    """A Redis whose scripts cannot write after they have read the time is told of."""
    (finding,) = await check(told([b"7", b"0"], b"redis_version:4.0.9\r\n", b""), lambda: 7.0)
    assert "Redis is of version 4" in finding


@pytest.mark.parametrize(
    "replies",
    [
        (None, None, None),
        (ErrorReply("NOPERM no"), ErrorReply("ERR no"), 7),
        ([b"x", b"y"], b"redis_version:\xff.\r\n", b"maxmemory\r\n"),
        ([b"1" * 99, b"1"], b"redis_version:\xb2.0\r\nnonsense", b"maxmemory_policy:\r\n"),
    ],
)
async def test_nonsense(replies: tuple[Any, ...]) -> None:
    """Answers that make no sense say nothing against it."""
    assert [] == await check(told(*replies), lambda: 7.0)
