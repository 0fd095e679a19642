"""Says which figures hold what budget.toml asks of them, and which have become worse."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.model import Figure

FILE = Path(__file__).with_name("budget.toml")
HELD, MISSED, WORSE, UNBOUNDED = "held", "MISSED", "WORSE", ""
KEYS = {"at_most", "at_least", "target", "reason"}


@attrs.frozen(kw_only=True)
class Bound:
    """What is asked of a figure.

    Attributes:
        value: What it may be at the worst, or the run fails.
        least: Whether it is to be at least that; else at most.
        target: What was to be reached, where that is missed.
        reason: Why it is missed.
    """

    value: float
    least: bool = False
    target: float | None = None
    reason: str | None = None

    def __str__(self) -> str:
        aim = self.value if self.target is None else self.target
        return f"{'≥' if self.least else '≤'} {aim:g}"

    def verdict(self, value: float) -> str:
        """Say whether a figure holds, is missed as is known, or is worse than it may be."""
        if not self.reaches(value, self.value):
            return WORSE
        missed = self.target is not None and not self.reaches(value, self.target)
        return MISSED if missed else HELD

    def reaches(self, value: float, bound: float) -> bool:
        """Tell whether a value is within a bound; what is no number is not."""
        return value >= bound if self.least else value <= bound


@attrs.frozen
class Judged:
    """A figure and what became of it."""

    figure: Figure
    bound: Bound | None

    @property
    def verdict(self) -> str:
        """One of the four words."""
        return UNBOUNDED if self.bound is None else self.bound.verdict(self.figure.value)


def load(file: Path = FILE) -> dict[str, Bound]:
    """Return the bounds by the names of their figures.

    Raises:
        ValueError: An entry has no bound or two, or a target without a reason.
    """
    return {name: _bound(name, each) for name, each in tomllib.loads(file.read_text()).items()}


def _bound(name: str, entry: Mapping[str, Any]) -> Bound:
    given = entry.keys() & {"at_most", "at_least"}
    if len(given) != 1 or not entry.keys() <= KEYS:
        raise ValueError(f"{name}: wants at_most or at_least, perhaps target and reason: {entry}")
    if ("target" in entry) != ("reason" in entry):
        raise ValueError(f"{name}: a target that is missed and its reason belong together")
    (key,) = given
    bound = Bound(
        value=_number(name, entry[key]),
        least=key == "at_least",
        target=_number(name, entry["target"]) if "target" in entry else None,
        reason=entry.get("reason"),
    )
    if bound.target is not None and not bound.reaches(bound.target, bound.value):
        raise ValueError(f"{name}: the target is looser than the bound")
    return bound


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: no number: {value!r}")  # noqa: TRY004 - as all faults here
    return value


def judge(figures: Iterable[Figure], bounds: Mapping[str, Bound]) -> list[Judged]:
    """Set each figure beside its bound."""
    return [Judged(each, bounds.get(each.name)) for each in figures]


def complaints(judged: Sequence[Judged]) -> list[str]:
    """Return a line for each figure that is worse than it may be: which, and by how much."""
    return [_complaint(each, each.bound) for each in judged if each.bound and _is_worse(each)]


def _is_worse(judged: Judged) -> bool:
    return judged.verdict == WORSE


def _complaint(judged: Judged, bound: Bound) -> str:
    figure = judged.figure
    word = "at least" if bound.least else "at most"
    off = abs(figure.value - bound.value)
    return (
        f"{figure.name} is {figure.value:.4g} {figure.unit}".rstrip()
        + f", and may be {word} {bound.value:g}: {off:.3g} off ({figure.about})"
    )


def unmeasured(judged: Sequence[Judged], bounds: Mapping[str, Bound]) -> list[str]:
    """Return the names of those bounds for which there was no figure."""
    return sorted(bounds.keys() - {each.figure.name for each in judged})
