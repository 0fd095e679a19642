"""What the scripts answer: each reply as a value, or the one error that it is none of ours.

Times are seconds from now, but for `now` itself: it is told again when a call ends.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from operator import truediv
from typing import Any, Final, Literal

import attrs

from resilient.state.redis.passage import SECOND, Passage
from resilient.state.scope import Change, Held

_LONGEST_SALT: Final = 32

_REASONS: "Final[tuple[Held | Literal['limit'] | None, ...]]" = (
    None,
    "limit",
    "pause",
    "probe",
    "in_flight",
    "blocked",
)
_PROBES: "Final[tuple[Literal['mine', 'other'] | None, ...]]" = (None, "mine", "other")
_CHANGES: Final[frozenset[Change]] = frozenset(
    ("paused", "foreseen", "blocked", "released", "held")
)


class Nonsense(Exception):
    """An answer that none of our scripts gives."""


@attrs.frozen
class Latch:
    """A block as others left it.

    Attributes:
        since: Seconds from now, at most 0.
        until: Seconds from now; None: until somebody releases it.
    """

    since: float
    until: float | None
    cool_down: float | None
    cap: float
    reason: str


@attrs.frozen
class ScopeView:
    """What a scope remembers, as `ScopeState` does; all times are seconds from now.

    Attributes:
        paused: Seconds that a pause goes on, or 0.
        refusals: When each was heard, at most 0.
        probe: Whose call goes first at the moment.
    """

    paused: float
    length: float
    steps: int
    heard: bool
    refusals: tuple[float, ...]
    blocked: Latch | None
    probing: bool
    fresh: bool
    fresh_left: float | None
    emptied: bool
    lost_probes: int
    probe: Literal["mine", "other"] | None


@attrs.frozen
class Asked:
    """The answer to an ask.

    Attributes:
        granted: How many may go, the first of those who asked.
        now: Microseconds of the clock of Redis; to be told when these calls end.
        watched: Whether Redis has to hear how they end, even if well.
        reason: What holds the next one up; None: nobody is held up.
        index: Which gate of the lane does so.
        wait: Seconds until that gate may open; None where only an event can tell.
        levels: Of each limit, the seconds until a bucket is full, or the count of a quota.
        scopes: Those that have something to remember, by their place in the lane.
    """

    granted: int
    now: int
    watched: bool
    reason: Held | Literal["limit"] | None
    index: int
    wait: float | None
    levels: tuple[float, ...]
    scopes: Mapping[int, ScopeView]


@attrs.frozen
class ScopeChange:
    """A scope was paused, blocked or released; `index` is its place in the lane."""

    index: int
    change: Change
    seconds: float
    reason: str


@attrs.frozen
class Ended:
    """The answer to the end of a call: what it changed, and the scopes as they are now."""

    now: int
    changes: tuple[ScopeChange, ...]
    scopes: Mapping[int, ScopeView]


def asked(passage: Passage, reply: object, count: int) -> Asked:
    """Parse the answer to an ask of `count` calls.

    Raises:
        Nonsense: It is none.
    """
    try:
        return _asked(passage, reply, count)
    except (LookupError, TypeError, ValueError, AttributeError, struct.error) as exc:
        raise Nonsense(_told(reply)) from exc


def ended(passage: Passage, reply: object) -> Ended:
    """Parse the answer to the end of a call.

    Raises:
        Nonsense: It is none.
    """
    try:
        return _ended(passage, reply)
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise Nonsense(_told(reply)) from exc


def released(reply: object, count: int) -> tuple[bool, ...]:
    """Return of each scope whether there was something to lift.

    Raises:
        Nonsense: It is not an answer to that.
    """
    if not isinstance(reply, list) or len(reply) != count or not set(reply) <= {0, 1}:
        raise Nonsense(_told(reply))
    return tuple(each == 1 for each in reply)


def saw(reply: object) -> int:
    """Return how many instances there are.

    Raises:
        Nonsense: It is not an answer to that.
    """
    if not isinstance(reply, int) or reply < 0:
        raise Nonsense(_told(reply))
    return reply


def named(reply: object) -> tuple[bytes, tuple[str, ...]]:
    """Return where the next page begins, `0` if there is none, and the keys of this one.

    Raises:
        Nonsense: It is not an answer to that.
    """
    match reply:
        case [bytes(cursor), list(found)] if all(isinstance(each, bytes) for each in found):
            return cursor, tuple(_text(each) for each in found)
    raise Nonsense(_told(reply))


def salt(reply: object) -> bytes:
    """Return what hides the fields of callers who sign themselves.

    Raises:
        Nonsense: It is none.
    """
    if not isinstance(reply, bytes) or not 0 < len(reply) <= _LONGEST_SALT:
        raise Nonsense(_told(reply))
    return reply


def _asked(passage: Passage, reply: Any, count: int) -> Asked:
    numbers, texts = (reply, ()) if isinstance(reply, bytes) else (reply[0], reply[1:])
    told = passage.answer.unpack(numbers)
    if not math.isfinite(sum(told)):
        raise ValueError
    granted, now, watched, reason, index, wait = map(int, told[:6])
    if not 0 <= granted <= count or (granted == count) != (reason == 0) or reason < 0:
        raise ValueError
    if reason and not 1 <= index <= len(passage.kinds) + len(passage.paced):
        raise ValueError
    return Asked(
        granted,
        now,
        watched == 1,
        _REASONS[reason],
        index - 1,
        None if wait < 0 else wait / SECOND,
        tuple(map(truediv, told[6:], passage.units)),
        _views(passage, texts) if texts else {},
    )


def _ended(passage: Passage, reply: Any) -> Ended:
    here = reply.index(b"-")
    changes = tuple(map(_change, reply[1:here]))
    if not all(0 <= each.index < len(passage.kinds) for each in changes):
        raise ValueError
    return Ended(int(reply[0]), changes, _views(passage, reply[here + 1 :]))


def _change(text: bytes) -> ScopeChange:
    index, change, length, reason = text.split(b" ", 3)
    name = change.decode()
    if name not in _CHANGES:
        raise ValueError
    return ScopeChange(int(index) - 1, name, _ever(int(length)), _text(reason))


def _views(passage: Passage, texts: Sequence[bytes]) -> dict[int, ScopeView]:
    views = dict(map(_view, texts))
    if not all(0 <= index < len(passage.kinds) for index in views):
        raise ValueError
    return views


def _view(text: bytes) -> tuple[int, ScopeView]:
    fields = text.split(b" ", 17)
    (index, paused, length, steps, heard) = map(int, fields[:5])
    (blocked, since, until, cool, cap, probing, fresh, left, emptied, lost, probe) = map(
        int, fields[6:17]
    )
    if probe < 0:
        raise ValueError
    latch = None
    if blocked:
        latch = Latch(
            since / SECOND, _seconds(until), _seconds(cool), _ever(cap), _text(fields[17])
        )
    return index - 1, ScopeView(
        paused / SECOND,
        length / SECOND,
        steps,
        heard == 1,
        tuple(int(each) / SECOND for each in fields[5].split(b",") if each != b"-"),
        latch,
        probing == 1,
        fresh == 1,
        _seconds(left),
        emptied == 1,
        lost,
        _PROBES[probe],
    )


def _seconds(micros: int) -> float | None:
    return None if micros == -1 else micros / SECOND


def _ever(micros: int) -> float:
    return math.inf if micros == -1 else micros / SECOND


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _told(reply: object) -> str:
    return f"an answer that is not understood ({type(reply).__name__})"
