"""What the budget makes of a figure."""

from pathlib import Path

import pytest

from benchmarks import budget
from benchmarks.budget import Bound, judge
from benchmarks.model import Figure

BUDGET = """
["calls.ratio"]
at_most = 1.2
target = 1.08
reason = "signing costs more than was thought"
["rate"]
at_least = 0.99
"""


def figure(name: str, value: float) -> Figure:
    """A figure of that name."""
    return Figure(name=name, value=value, about="what it is", unit="x")


@pytest.fixture
def bounds(tmp_path: Path) -> dict[str, Bound]:
    """The bounds of the file above."""
    file = tmp_path / "budget.toml"
    file.write_text(BUDGET, "utf-8")
    return budget.load(file)


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("calls.ratio", 1.08, "held"),
        ("calls.ratio", 1.081, "MISSED"),
        ("calls.ratio", 1.2, "MISSED"),
        ("calls.ratio", 1.201, "WORSE"),
        ("rate", 0.99, "held"),
        ("rate", 0.9899, "WORSE"),
        ("rate", float("nan"), "WORSE"),
        ("of no bound", 7.0, ""),
    ],
)
def test_verdict(bounds: dict[str, Bound], name: str, value: float, verdict: str) -> None:
    """A figure holds up to its target, is missed up to its bound, and is worse beyond."""
    assert [verdict] == [each.verdict for each in judge([figure(name, value)], bounds)]


def test_complaint(bounds: dict[str, Bound]) -> None:
    """The line of a regression says which figure, what it may be, and by how much it is off."""
    judged = judge([figure("calls.ratio", 1.3), figure("rate", 0.9)], bounds)
    assert [
        "calls.ratio is 1.3 x, and may be at most 1.2: 0.1 off (what it is)",
        "rate is 0.9 x, and may be at least 0.99: 0.09 off (what it is)",
    ] == budget.complaints(judged)


def test_no_complaint(bounds: dict[str, Bound]) -> None:
    """What holds, is missed as is known, or has no bound is no regression."""
    fine = [figure("calls.ratio", 1.1), figure("rate", 1.0), figure("other", 99.0)]
    assert [] == budget.complaints(judge(fine, bounds))


def test_unmeasured(bounds: dict[str, Bound]) -> None:
    """A bound whose figure nobody gave is told."""
    assert ["calls.ratio"] == budget.unmeasured(judge([figure("rate", 1.0)], bounds), bounds)


@pytest.mark.parametrize(
    "entry",
    [
        "at_most = 1\nat_least = 1",
        "target = 1",
        "at_most = 1\ntarget = 2",
        "at_most = 1\nreason = 'x'",
        "at_most = 1\nat_worst = 2",
        "at_most = 'much'",
        "at_most = 1\ntarget = 2\nreason = 'the target is looser than the bound'",
    ],
)
def test_a_wrong_budget(tmp_path: Path, entry: str) -> None:
    """An entry without just one bound, or that gives a target without a reason, is a fault."""
    file = tmp_path / "budget.toml"
    file.write_text(f"[calls]\n{entry}\n", "utf-8")
    with pytest.raises(ValueError, match="calls"):
        budget.load(file)


def test_the_budget() -> None:
    """The budget itself has no fault."""
    assert budget.load()
