"""What is wrong with a Redis that limits rely on, as far as it tells."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from resilient.state.redis.link import Link

OLDEST: Final = 5
"""The first version whose scripts may read the time and then write."""

SKEW: Final = 1.0
"""Seconds that two clocks may differ."""

_LONG = 16


async def check(link: Link, wall: Callable[[], float]) -> list[str]:
    """Return what is wrong: what, why it matters, what to do.

    What Redis does not tell, because we may not ask, is taken to be well.

    Args:
        link: The way to it.
        wall: This machine's clock: seconds since the epoch.

    Raises:
        Unreachable: There was no answer.
    """
    before = wall()
    time, server, memory = await link.run((("TIME",), ("INFO", "server"), ("INFO", "memory")))
    here = (before + wall()) / 2
    facts = dict(_facts(server)) | dict(_facts(memory))
    return [*_version(facts), *_eviction(facts), *_skew(time, here)]


def _facts(reply: Any) -> Iterator[tuple[str, str]]:
    if isinstance(reply, bytes):
        for line in reply.decode("utf-8", "replace").splitlines():
            name, colon, value = line.partition(":")
            if colon:
                yield name, value.strip()


def _version(facts: Mapping[str, str]) -> Iterator[str]:
    major = facts.get("redis_version", "").partition(".")[0]
    if _is_number(major) and int(major) < OLDEST:
        yield (
            f"Redis is of version {major}: before {OLDEST} a script that has asked for the time "
            f"cannot write, and every limit asks for it; take Redis {OLDEST} or later"
        )


def _eviction(facts: Mapping[str, str]) -> Iterator[str]:
    policy, most = facts.get("maxmemory_policy", "noeviction"), facts.get("maxmemory", "0")
    if policy.partition("-")[0] in ("allkeys", "volatile") and most != "0":
        yield (
            f"Redis may drop limits, pauses and blocks when its memory is full (maxmemory-policy "
            f"{policy}): more calls would go than are allowed; set maxmemory-policy noeviction, "
            "or give the store a Redis of its own"
        )


def _skew(reply: Any, here: float) -> Iterator[str]:
    if not (isinstance(reply, list) and [_is_number(each) for each in reply] == [True, True]):
        return
    difference = int(reply[0]) + int(reply[1]) / 1e6 - here
    if abs(difference) > SKEW:
        way = "ahead of" if difference > 0 else "behind"
        yield (
            f"Redis's clock is {abs(difference):.1f} s {way} this machine's: what is told of "
            "times, such as until when a scope is blocked, is off by as much (limits are not: "
            "they go by Redis's clock alone); let NTP set both"
        )


def _is_number(text: Any) -> bool:
    return (
        isinstance(text, str | bytes) and text.isascii() and text.isdigit() and len(text) <= _LONG
    )
