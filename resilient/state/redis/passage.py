"""A lane's gates as the scripts are told of them, and how numbers are written.

Redis is told whole microseconds of its own clock.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from resilient.state.gates import LimitGate
from resilient.state.gauge import Bucket
from resilient.state.lane import Lane
from resilient.state.redis import keys
from resilient.state.redis.link import Command
from resilient.state.redis.scripts import ADMIT, SETTLE

SECOND: Final = 1_000_000
_HAIR: Final = 1e-3


@attrs.frozen
class Passage:
    """The gates of a lane, as the scripts are told of them.

    Attributes:
        keys: Scopes, then limits.
        spec: What is the same for every call of the lane.
        kinds: The kinds of its scopes, in order.
        paced: Of each limit, whether it is a bucket.
        rates: Of each limit, the rate that `spec` says: this process may have slowed down.
        admit: How each ask begins.
        settle: How each end begins.
        answer: How the numbers of an answer are packed: `replies.Asked` up to `wait`, and levels.
        units: Of each limit, in how many parts of what a gauge counts its level is told.
        nothing: Of each limit, what was taken that Redis has not heard of, where that is nothing.
    """

    keys: tuple[str, ...]
    spec: bytes
    kinds: tuple[str, ...]
    paced: tuple[bool, ...]
    rates: tuple[float, ...] = ()
    admit: Command = attrs.field(init=False, repr=False)
    settle: Command = attrs.field(init=False, repr=False)
    answer: struct.Struct = attrs.field(init=False, repr=False, eq=False)
    units: tuple[int, ...] = attrs.field(init=False, repr=False, eq=False)
    nothing: tuple[int, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        told = (len(self.keys), *self.keys, self.spec)
        object.__setattr__(self, "admit", ("EVALSHA", ADMIT, *told))
        object.__setattr__(self, "settle", ("EVALSHA", SETTLE, *told))
        object.__setattr__(self, "answer", struct.Struct(f"<{6 + len(self.paced)}d"))
        units = tuple(SECOND if is_bucket else 1 for is_bucket in self.paced)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "nothing", (0,) * len(self.paced))

    @classmethod
    def of(cls, prefix: str, lane: Lane, lease: float) -> "Passage":
        """Return the passage of a lane whose calls end within `lease` seconds, or are lost."""
        scopes = [gate.state.scope for gate in lane.scopes]
        named = [(_kept(gate), gate.name, gate.scope) for gate in lane.limits]
        return cls(
            keys=(
                *(keys.scope(prefix, scope) for scope in scopes),
                *(keys.limit(prefix, *limit) for limit in named),
            ),
            spec=_spec(lane, lease),
            kinds=tuple(scope.kind for scope in scopes),
            paced=tuple(kept == "bucket" for kept, *_ in named),
            rates=tuple(gate.gauge.rate for gate in lane.limits),
        )


def micros(seconds: float | None) -> int:
    """Return whole microseconds, no fewer; -1 for none, or for ever."""
    if seconds is None or seconds == math.inf:
        return -1
    return math.ceil(seconds * SECOND - _HAIR)


def packed(numbers: Sequence[float]) -> bytes:
    """Return numbers as the scripts read them fastest."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def numbers(of: Iterable[int]) -> str:
    """Return a list as text."""
    return ",".join(map(str, of))


def _kept(gate: LimitGate) -> keys.Kept:
    return "bucket" if isinstance(gate.gauge, Bucket) else "quota"


def _spec(lane: Lane, lease: float) -> bytes:
    fields: list[float] = [len(lane.scopes), len(lane.limits), micros(lease)]
    for scope in lane.scopes:
        ban = scope.state.ban
        fields.append(int(scope.state.guarded))
        fields += (0, 0, 0) if ban is None else (ban.after, micros(ban.within), int(ban.strict))
    for gate in lane.limits:
        fields += _limit(lane, gate)
    return packed(fields)


def _limit(lane: Lane, gate: LimitGate) -> tuple[float, ...]:
    within = sum(1 << bit for bit, scope in enumerate(lane.scopes) if gate in scope.limits)
    gauge: Any = gate.gauge
    if _kept(gate) == "bucket":
        return 1, gauge.max_rate, SECOND / gauge.rate, gauge.most, within
    return 2, gauge.most, micros(gauge.most / gauge.rate), gauge.most, within
