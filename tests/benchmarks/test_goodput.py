"""The benchmark of goodput: a vendor who punishes, and who is punished."""

import pytest

from benchmarks.exactness.contenders import BY_NAME
from benchmarks.goodput import findings, ours, peers
from benchmarks.goodput.outcome import Outcome
from benchmarks.goodput.peers import Peer
from benchmarks.goodput.situations import SITUATIONS, Situation
from benchmarks.goodput.vendor import Rules

SMALL = Situation(key="a", name="a small limit", rules=Rules(limit=60, period=10.0))
FEW = 240


def test_nobody_holds_back() -> None:
    """Negative control: who does not keep to the limit is shut out, and most calls fail."""
    found = peers.outcome(Peer(name="naive", retry=peers.once), SMALL, FEW)
    assert 60 == len(found.done)
    assert 180 == found.failed
    assert (3, 1) == (found.refused, found.bans)


def test_a_limiter() -> None:
    """A limiter in front paces the calls."""
    limiter = BY_NAME["aiolimiter(1, T/N)"]
    found = peers.outcome(Peer(name="paced", retry=peers.once, limiter=limiter), SMALL, FEW)
    assert 0 == found.bans
    assert FEW == len(found.done) + found.failed
    assert found.seconds == pytest.approx(10 * FEW / 60, rel=0.05)


def test_ours() -> None:
    """With this library all is done in the time that the limit leaves, and nobody is refused."""
    found = ours.outcome(SMALL, FEW).outcome
    assert (FEW, 0, 0, 0) == (len(found.done), found.failed, found.refused, found.bans)
    assert found.seconds < 1.05 * 10 * FEW / 60


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.key)
def test_what_is_printed(situation: Situation) -> None:
    """Ours has the first row, and each figure its name."""
    outcome = Outcome(
        done=tuple(float(each) for each in range(600)), failed=1, refused=2, bans=3, seconds=600.0
    )
    table = findings.table(situation, ours.Run(outcome, ()), {"other": outcome})
    assert [("resilient", "600", "1", "2", "3", "10.0"), ("other", *table.rows[0][1:])] == list(
        table.rows
    )
    figures = {each.name: each.value for each in findings.figures(situation, outcome)}
    first = "used" if situation.key == "d" else "minutes"
    names = [f"goodput.{situation.key}_{each}" for each in (first, "failed", "refused", "bans")]
    assert names == list(figures)
    assert [1, 2, 3] == list(figures.values())[1:]


def test_what_most_people_take() -> None:
    """The README sets beside us what most people take, if it is installed."""
    outcome = Outcome(done=(1.0, 2.0), failed=0, refused=3, bans=1, seconds=2.0)
    found = findings.usual(SMALL, {findings.USUAL: outcome})
    assert {"goodput.usual_done_a": 2, "goodput.usual_bans_a": 1} == {
        each.name: each.value for each in found
    }
    assert [] == list(findings.usual(SMALL, {}))
    assert findings.USUAL in {each.name for each in peers.PEERS}


def test_lines() -> None:
    """A line counts the calls done so far, from none to all."""
    outcome = Outcome(done=(30.0, 60.0, 90.0), failed=0, refused=0, bans=0, seconds=120.0)
    (line,) = findings.lines(outcome, {"somebody else": outcome})
    assert line.ours
    assert (0.0, 0.0) == line.points[0]
    assert (1.0, 2.0) == line.points[len(line.points) // 2]
    assert (2.0, 3.0) == line.points[-1]


def test_the_share_of_a_halved_limit() -> None:
    """The share counts from two minutes after the limit was halved."""
    (halved,) = (each for each in SITUATIONS if each.rules.cut_at is not None)
    done = tuple(0.1 * each for each in range(1, 9001))
    outcome = Outcome(done=done, failed=0, refused=0, bans=0, seconds=900.0)
    used = next(findings.figures(halved, outcome))
    assert 1.0 == pytest.approx(used.value, rel=1e-3)
