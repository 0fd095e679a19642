"""What the scripts are asked, and how their answers are read."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError
from shared_model import LATCH
from shared_world import INSTANCES, bucket, lane, limit, quota, scope

from resilient.catalog import Ban
from resilient.core import pacing
from resilient.model import Block, Mark, Pause
from resilient.state.redis import wire
from resilient.state.redis.passage import packed
from resilient.state.redis.scripts import ADMIT, RELEASE, SEEN, SETTLE

ONE = INSTANCES[0]


def unpacked(numbers: object) -> tuple[float, ...]:
    """Return the numbers that a script is told."""
    assert isinstance(numbers, bytes)
    return struct.unpack(f"<{len(numbers) // 8}d", numbers)


def passage() -> wire.Passage:
    """Return the way past two scopes and three limits, one of them within both."""
    credential = scope("credential", "main", ban=Ban(after=3, within=60.0, strict=True))
    ip = scope("ip", "here", guarded=False)
    limits = [
        limit("second", pacing.Bucket(capacity=20, rate=19.66), 1200, 0.0, credential),
        limit("hour", quota(1600, 3600.1), 1600, 0.0, ip),
        limit("both", bucket(1, 64), 60, 0.0, credential, ip),
    ]
    return wire.Passage.of("resilient", lane((credential, ip), limits), 30.0)


WAY = passage()


def test_passage() -> None:
    """The gates of a lane are told as keys, and as numbers that are the same for all its calls."""
    assert (5, ("credential", "ip"), (True, False, True)) == (len(WAY.keys), WAY.kinds, WAY.paced)
    assert "resilient:1:{acme}:bucket:both:credential+ip:main+here" == WAY.keys[-1]
    assert (
        *(2, 3, 30_000_000),
        *(1, 3, 60_000_000, 1),
        *(0, 0, 0, 0),
        *(1, 20, 1e6 / 19.66, 1200, 1),
        *(2, 1600, 3_600_100_000, 1600, 2),
        *(1, 1, 1e6, 60, 3),
    ) == unpacked(WAY.spec)


def test_ask() -> None:
    """An ask is one command: the gates, who asks, and what for."""
    command = wire.ask(WAY, ONE, 7, [2, 0], [1, 1, 5])
    assert ("EVALSHA", ADMIT, 5, *WAY.keys, WAY.spec, ONE) == command[:-1]
    assert (7, 2, 0, 0, 0, 0, 1, 1, 5) == unpacked(command[-1])


def test_ask_tells_what_was_taken() -> None:
    """What calls took while Redis was down is told in its units."""
    command = wire.ask(WAY, ONE, 7, [2, 0], [1], taken=[0.25, 3, 0.0])
    assert (7, 2, 0, 250_000, 3, 0, 1) == unpacked(command[-1])


def test_asked() -> None:
    """The usual answer: all may go, and nothing is to be said of their scopes."""
    reply = packed((2, 1795335257734470, 0, 0, 0, 0, 966430, 3, 0))
    assert wire.Asked(2, 1795335257734470, False, None, -1, 0.0, (0.96643, 3, 0.0), {}) == (
        wire.asked(WAY, reply, 2)
    )


@pytest.mark.parametrize(
    ("told", "reason", "index", "wait"),
    [
        ((1, 3, 1500000), "limit", 2, 1.5),
        ((2, 1, 250000), "pause", 0, 0.25),
        ((3, 2, -1), "probe", 1, None),
        ((4, 1, -1), "in_flight", 0, None),
        ((5, 1, -1), "blocked", 0, None),
    ],
)
def test_held(told: tuple[int, int, int], reason: str, index: int, wait: float | None) -> None:
    """An answer names what holds the next one up, and for how long if anybody knows."""
    asked = wire.asked(WAY, packed((0, 5, 1, *told, 0, 0, 0)), 1)
    assert (0, True, reason, index, wait) == (
        *(asked.granted, asked.watched, asked.reason, asked.index, asked.wait),
    )


def test_scope_views() -> None:
    """What a scope remembers comes in seconds from now."""
    texts = [
        b"1 1500000 2000000 3 1 -5000000,-250000 1 -5000000 -1 -1 60000000 1 0 -1 0 2 1 sp am ",
        b"2 0 0 0 0 - 0 0 0 0 0 1 1 750000 1 0 2 ",
    ]
    latch = wire.Latch(-5.0, None, None, 60.0, "sp am ")
    assert {
        0: wire.ScopeView(
            *(1.5, 2.0, 3, True, (-5.0, -0.25), latch),
            *(True, False, None, False, 2, "mine"),
        ),
        1: wire.ScopeView(0.0, 0.0, 0, False, (), None, True, True, 0.75, True, 0, "other"),
    } == wire.asked(WAY, [packed((1, 5, 1, 0, 0, 0, 0, 0, 0)), *texts], 1).scopes


def test_end() -> None:
    """An end tells what the answer leaves behind in the scopes of the lane, and no other."""
    marks: list[Mark] = [
        Pause(scope="ip", seconds=0.1, refusal=False),
        Pause(scope="endpoint", seconds=1.0),
        Block(scope="credential", base=None, cap=60.0, asked=2.0, reason="zu viel\ud800"),
    ]
    assert (
        *("EVALSHA", SETTLE, 5, *WAY.keys, WAY.spec),
        *(ONE, f"{ONE}:7", "1,0", "answered", 99, 2, "4000000,16000000,-1"),
        *("2 pause 100000,0", rb"1 block -1,60000000,2000000 zu viel\ud800"),
    ) == wire.end(WAY, ONE, 7, [1, 0], "answered", granted=99, cost=2, marks=marks, latch=LATCH)


def test_a_pause_is_never_shorter() -> None:
    """A time that is no whole microsecond is rounded up; a rounding error is not."""
    told = [
        wire.end(WAY, ONE, 7, [1, 0], "answered", granted=99,
                 marks=[Pause(scope="ip", seconds=seconds)])[-1]
        for seconds in (1.1, 0.0000012, 0.0)
    ]  # fmt: skip
    assert ["2 pause 1100000,1", "2 pause 2,1", "2 pause 0,1"] == told


def test_long_reasons_are_cut() -> None:
    """What a server gives as a reason takes no more than its place."""
    block = Block(scope="ip", base=1.0, cap=1.0, reason="x" * 10_000)
    told = wire.end(WAY, ONE, 7, [1, 0], "answered", granted=99, marks=[block])[-1]
    assert isinstance(told, bytes)
    assert len(told) < 250


def test_ended() -> None:
    """An answer to an end lists what has become of the scopes."""
    reply = [b"77", b"1 blocked -1 refusals in a row", b"2 released 0 ", b"-"]
    assert (
        wire.ScopeChange(0, "blocked", float("inf"), "refusals in a row"),
        wire.ScopeChange(1, "released", 0.0, ""),
    ) == wire.ended(WAY, reply).changes
    assert 77 == wire.ended(WAY, reply).now


def test_small_commands() -> None:
    """Scopes are released by their keys, and instances seen by their service."""
    key = "resilient:1:{acme}:scope:ip:here"
    assert ("EVALSHA", RELEASE, 1, key) == wire.release([key])
    assert (True, False) == wire.released([1, 0], 2)
    seen = ("EVALSHA", SEEN, 1, "resilient:1:{acme}:seen", ONE, 60_000_000, 1)
    assert seen == wire.see("resilient", "acme", ONE, leaving=True)
    assert 3 == wire.saw(3)


PLAIN = packed((1, 5, 0, 0, 0, 0, 0, 0, 0))
NUMBERS = [
    (2, 5, 0, 0, 0, 0, 0, 0, 0),
    (-1, 5, 0, 1, 1, 0, 0, 0, 0),
    (0, 5, 0, 0, 0, 0, 0, 0, 0),
    (1, 5, 0, 1, 1, 0, 0, 0, 0),
    (0, 5, 0, 1, 6, 0, 0, 0, 0),
    (0, 5, 0, 1, 0, 0, 0, 0, 0),
    (0, 5, 0, 6, 1, 0, 0, 0, 0),
    (0, 5, 0, -1, 1, 0, 0, 0, 0),
    (1, 5, 0, 0, 0, 0, 0, 0),
    (1, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    (1, float("nan"), 0, 0, 0, 0, 0, 0, 0),
    (1, 5, 0, 0, 0, 0, 0, 0, float("inf")),
]
NONSENSE: list[Any] = [
    *(None, b"", b"OK", 7, [], [None], [7], [b""], [b"spam"], ResponseError("WRONGTYPE")),
    *(b"1 5 0 0 0 0 0 0 0", PLAIN[:-1], PLAIN + b" ", ["1 5 0 0 0 0 0 0 0", "x"]),
    *map(packed, NUMBERS),
    [PLAIN, b"1 2 3"],
    [PLAIN, b"3 0 0 0 0 - 0 0 0 0 0 1 1 -1 1 0 0 "],
    [PLAIN, b"1 0 0 0 0 - 0 0 0 0 0 1 1 -1 1 0 3 "],
    [PLAIN, b"1 0 0 0 0 - 0 0 0 0 0 1 1 -1 1 0 -1 "],
    [PLAIN, None],
    [PLAIN, [b"1"]],
]


@pytest.mark.parametrize("reply", NONSENSE, ids=repr)
def test_nonsense(reply: Any) -> None:
    """Whatever is no answer of a script is one error, which does not repeat it."""
    with pytest.raises(wire.Nonsense) as caught:
        wire.asked(WAY, reply, 1)
    assert "WRONGTYPE" not in str(caught.value)


PARSERS: dict[str, Callable[[Any], object]] = {
    "ended": lambda reply: wire.ended(WAY, reply),
    "released": lambda reply: wire.released(reply, 1),
    "saw": wire.saw,
    "named": wire.named,
    "salt": wire.salt,
}
SMALL: list[Any] = [
    *(None, b"", -1, [], [b"x"], {}, "1", [2], [1, 1], [b"1"], ResponseError("OOM")),
    *([b"1", b"x", b"-"], [b"1", b"3 paused 1 ", b"-"], [b"1", b"1 spoiled 1 ", b"-"]),
]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("reply", SMALL, ids=repr)
def test_nonsense_of_small_replies(parse: str, reply: Any) -> None:
    """The same holds for the answers of the smaller scripts."""
    with pytest.raises(wire.Nonsense):
        PARSERS[parse](reply)
