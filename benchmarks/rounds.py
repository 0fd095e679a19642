"""Measures some ways to do a thing so that whatever else the machine does meets all of them.

Each way takes its turn next to the one it is compared with, in every round, in an order drawn
anew; what counts is the median of the rounds. No block meets the garbage of another.
"""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from statistics import median

import attrs

FEW = 3
"""Rounds, so that there is a median."""

Block = Callable[[], float]
"""Does the work, and returns what one piece of it cost, in whatever unit."""


@attrs.frozen
class Compared:
    """What a way cost in each round, and what the one next to it did."""

    costs: tuple[float, ...]
    bases: tuple[float, ...]

    @property
    def cost(self) -> float:
        """The median."""
        return median(self.costs)

    @property
    def base(self) -> float:
        """The median of the other one."""
        return median(self.bases)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return median(one / other for one, other in self._rounds())

    @property
    def extra(self) -> float:
        """The median of what it cost more than the other one in the same round."""
        return median(one - other for one, other in self._rounds())

    def _rounds(self) -> Iterator[tuple[float, float]]:
        return zip(self.costs, self.bases, strict=True)


def compare(
    base: Block,
    ways: Mapping[str, Block],
    rounds: int,
    *,
    warm_up: int = 1,
    seconds: float = math.inf,
    seed: int = 1,
) -> dict[str, Compared]:
    """Let the ways take turns, each next to the base.

    Args:
        base: What each stands next to.
        ways: Those to compare, by their names.
        rounds: How often each takes its turn.
        warm_up: So many rounds come before those that count.
        seconds: No round begins later, once there were a few: on a busy machine there are less.
        seed: Of the order.
    """
    chance = Random(seed)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    began = time.monotonic()
    with _settled():
        for count in range(-warm_up, rounds):
            if count >= FEW and time.monotonic() - began > seconds:
                break
            for name in chance.sample(list(ways), len(ways)):
                pair = _side_by_side(ways[name], base, base_first=chance.random() < 1 / 2)
                if count >= 0:
                    found[name].append(pair)
    return {name: Compared(*zip(*pairs, strict=True)) for name, pairs in found.items()}


def _side_by_side(way: Block, base: Block, *, base_first: bool) -> tuple[float, float]:
    if base_first:
        beside = undisturbed(base)
        return undisturbed(way), beside
    return undisturbed(way), undisturbed(base)


def undisturbed(block: Block) -> float:
    """Run a block without the garbage of others."""
    with no_garbage():
        return block()


@contextmanager
def _settled() -> Iterator[None]:
    """Let each collection pass over what was there before: it would cool all caches."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def no_garbage() -> Iterator[None]:
    """Collect garbage before, and none within."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
