"""What the scripts are asked, and what they answer: encoding and parsing, and no sending."""

from collections.abc import Iterable, Sequence
from typing import Final

from resilient.model import Block, Mark, Pause
from resilient.state.redis import keys
from resilient.state.redis.link import Command
from resilient.state.redis.passage import SECOND, Passage, micros, numbers, packed
from resilient.state.redis.replies import (
    Asked,
    Ended,
    Latch,
    Nonsense,
    ScopeChange,
    ScopeView,
    asked,
    ended,
    named,
    released,
    salt,
    saw,
)
from resilient.state.redis.scripts import NAMES, RELEASE, SEEN
from resilient.state.store import How

__all__ = [
    "MEMORY",
    "Asked",
    "Command",
    "Ended",
    "How",
    "Latch",
    "Nonsense",
    "Passage",
    "ScopeChange",
    "ScopeView",
    "ask",
    "asked",
    "end",
    "ended",
    "named",
    "names",
    "release",
    "released",
    "salt",
    "saw",
    "see",
]

MEMORY: Final = 60.0
"""Seconds for which an instance counts that was not seen again."""

_LONGEST_REASON: Final = 200


def ask(
    passage: Passage,
    instance: str,
    number: int,
    flying: Sequence[int],
    costs: Sequence[int],
    *,
    taken: Sequence[float] = (),
) -> Command:
    """Ask for the first calls of a lane.

    Args:
        passage: Their gates.
        instance: Who asks.
        number: The first one's grant; the next ones follow.
        flying: How many calls are in flight here, by scope; -1: that was said just before.
        costs: What each call takes.
        taken: What calls took of each limit while Redis was down: of a bucket, the seconds until
            it is full at the earliest; of a quota, so many calls.
    """
    levels: Sequence[int] = passage.nothing
    if any(taken):
        levels = [round(level * unit) for level, unit in zip(taken, passage.units, strict=True)]
    return (*passage.admit, instance, packed((number, *flying, *levels, *costs)))


def end(
    passage: Passage,
    instance: str,
    number: int,
    flying: Sequence[int],
    how: How,
    *,
    granted: int,
    cost: int = 1,
    marks: Iterable[Mark] = (),
    latch: Block | None = None,
) -> Command:
    """Tell how a call ended.

    Args:
        passage: Its gates.
        instance: Whose it was.
        number: Its grant.
        flying: How many calls are in flight here from now on, by scope.
        how: How it ended.
        granted: `now` of the answer that granted it.
        cost: What it took.
        marks: What the answer leaves behind; of kinds that the lane does not have, nothing.
        latch: How a scope is latched when the ban rule's row is full.
    """
    shut = "-1,-1,-1" if latch is None else _shut(latch)
    grant = f"{instance}:{number}"
    told = [
        _mark(passage.kinds.index(mark.scope) + 1, mark)
        for mark in marks
        if mark.scope in passage.kinds
    ]
    return (*passage.settle, instance, grant, numbers(flying), how, granted, cost, shut, *told)


def release(scopes: Sequence[str]) -> Command:
    """Lift the pauses and blocks of scopes, by their keys, all of one service."""
    return ("EVALSHA", RELEASE, len(scopes), *scopes)


def see(prefix: str, service: str, instance: str, *, leaving: bool = False) -> Command:
    """Say that an instance is there, or is about to leave, and ask how many there are."""
    memory = round(MEMORY * SECOND)
    return ("EVALSHA", SEEN, 1, keys.seen(prefix, service), instance, memory, int(leaving))


def names(prefix: str, service: str, cursor: bytes) -> Command:
    """Ask for a page of the keys of a service's scopes."""
    pattern = keys.scopes(prefix, service)
    return ("EVALSHA", NAMES, 1, keys.seen(prefix, service), cursor, pattern)


def _mark(index: int, mark: Mark) -> str | bytes:
    if isinstance(mark, Pause):
        return f"{index} pause {micros(mark.seconds)},{int(mark.refusal)}"
    told = f"{index} block {_shut(mark)} {mark.reason[:_LONGEST_REASON]}"
    return told.encode("utf-8", "backslashreplace")


def _shut(block: Block) -> str:
    return numbers(micros(each) for each in (block.base, block.cap, block.asked))
