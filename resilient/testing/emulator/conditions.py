"""What the network is like: how long a reply takes, and which of them go wrong."""

from collections.abc import Mapping
from random import Random  # noqa: TID251 - a seed is the argument: the same run again
from typing import Any, TypeAlias

from resilient.config.units import LONGEST
from resilient.testing.emulator.arguments import is_number, share, wrong_type, wrong_value
from resilient.testing.emulator.faults import Fault, fault_of

Range: TypeAlias = tuple[float, float]
"""The least and the most seconds."""

Latency: TypeAlias = float | Range
"""Seconds before a reply: a number, or the ends of a range that one is drawn from."""

_LATENCY = "seconds, such as 0.01, or a range (low, high) of them"

Shares: TypeAlias = Mapping[Any, float]
"""The share of all requests that meets each fault, by the fault or its name."""


def latency_of(value: object) -> Range:
    """Return the ends of the range.

    Raises:
        TypeError: They are no numbers.
        ValueError: They are no seconds, or the wrong way round.
    """
    ends: tuple[Any, ...] = value if isinstance(value, tuple) else (value, value)
    if len(ends) != 2 or not all(map(is_number, ends)):  # noqa: PLR2004
        raise wrong_type("latency", value, _LATENCY)
    low, high = ends
    if not 0 <= low <= high <= LONGEST:
        raise wrong_value("latency", value, _LATENCY)
    return low, high


class Conditions:
    """Draws latencies and faults.

    Args:
        latency: Seconds before each reply.
        faults: What goes wrong, and how often.
        seed: Of what is drawn: latencies and faults do not disturb each other's sequence.

    Raises:
        TypeError: They are not of such a shape.
        ValueError: A range is the wrong way round; shares are below 0 or together above 1.
    """

    def __init__(self, *, latency: Latency, faults: Shares, seed: int) -> None:
        self._latency = latency_of(latency)
        self._shares = _shares(faults)
        self._for_latency = Random(f"{seed} latency")  # noqa: S311 - no secret
        self._for_faults = Random(f"{seed} faults")  # noqa: S311

    def delay(self, own: Range | None = None) -> float:
        """Return the seconds before a reply, which may have a latency of its own."""
        low, high = self._latency if own is None else own
        return low if low == high else self._for_latency.uniform(low, high)

    def fault(self) -> Fault | None:
        """Return what goes wrong with the next request, if anything does."""
        if not self._shares:
            return None
        drawn = self._for_faults.random()
        for fault, part in self._shares:
            if drawn < part:
                return fault
            drawn -= part
        return None


def _shares(faults: Shares) -> list[tuple[Fault, float]]:
    if not isinstance(faults, Mapping):
        raise wrong_type("faults", faults, "a mapping of faults to shares, as {'reset': 0.05}")
    found = [(fault_of(what), share(f"the share of {what!r}", n)) for what, n in faults.items()]
    if sum(n for _, n in found) > 1 + 1e-9:
        told = ", ".join(f"{n:g}" for _, n in found)
        raise ValueError(f"the shares of faults are together at most 1: got {told}")
    return found
