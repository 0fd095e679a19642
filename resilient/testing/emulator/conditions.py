"""What the network is like: how long a reply takes, and which of them go wrong."""

import math
from collections.abc import Mapping
from random import Random  # noqa: TID251 - a seed is the argument: the same run again
from typing import Any, TypeAlias

from resilient.testing.emulator.faults import Fault, fault_of

Latency: TypeAlias = float | tuple[float, float]
"""Seconds before a reply: a number, or the ends of a range that one is drawn from."""

Shares: TypeAlias = Mapping[Any, float]
"""The share of all requests that meets each fault, by the fault or its name."""


def latency_of(value: Latency) -> tuple[float, float]:
    """Return the ends of the range.

    Raises:
        ValueError: They are no seconds, or the wrong way round.
    """
    low, high = value if isinstance(value, tuple) else (value, value)
    if not 0 <= low <= high < math.inf:
        raise ValueError(
            f"a latency is a number of seconds, or a range (low, high) of them: got {value!r}"
        )
    return low, high


class Conditions:
    """Draws latencies and faults.

    Args:
        latency: Seconds before each reply.
        faults: What goes wrong, and how often.
        seed: Of what is drawn: latencies and faults do not disturb each other's sequence.

    Raises:
        ValueError: A range is the wrong way round; shares are below 0 or together above 1.
    """

    def __init__(self, *, latency: Latency, faults: Shares, seed: int) -> None:
        self._latency = latency_of(latency)
        self._shares = [(fault_of(what), float(share)) for what, share in faults.items()]
        _check([share for _, share in self._shares])
        self._for_latency = Random(f"{seed} latency")  # noqa: S311 - no secret
        self._for_faults = Random(f"{seed} faults")  # noqa: S311

    def delay(self, own: Latency | None = None) -> float:
        """Return the seconds before a reply, which may have a latency of its own."""
        low, high = self._latency if own is None else latency_of(own)
        return low if low == high else self._for_latency.uniform(low, high)

    def fault(self) -> Fault | None:
        """Return what goes wrong with the next request, if anything does."""
        if not self._shares:
            return None
        drawn = self._for_faults.random()
        for fault, share in self._shares:
            if drawn < share:
                return fault
            drawn -= share
        return None


def _check(shares: list[float]) -> None:
    if not all(0 <= share <= 1 for share in shares) or sum(shares) > 1 + 1e-9:
        told = ", ".join(f"{share:g}" for share in shares)
        raise ValueError(
            f"the shares of faults are from 0 to 1, and together at most 1: got {told}"
        )
