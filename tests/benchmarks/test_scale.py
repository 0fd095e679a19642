"""The cost of a call among many credentials is measured; what is found is for people to read."""

import pytest

from benchmarks import scale
from benchmarks.model import Size
from benchmarks.scale import Effort


def test_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each number of credentials has its line, and of many calls at once none fails."""
    monkeypatch.setattr(scale, "QUICK", Effort((2, 5), 5, 1, 30, 3))
    grown, together = scale.measure(Size.QUICK).tables
    assert ["1", "2", "5"] == [row[0] for row in grown.rows]
    assert [0, 0] == [row[-1] for row in together.rows]
    ours, bare = (float(str(row[2])) for row in together.rows)
    assert scale.LATENCY == pytest.approx(bare)
    assert bare < ours


def test_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is bounded is of the most credentials."""
    monkeypatch.setattr(scale, "QUICK", Effort((2, 5), 5, 1, 3, 3))
    growth, failed = scale.measure(Size.QUICK).figures
    assert ("scale.growth", "a call with 5 credentials, against one") == (growth.name, growth.about)
    assert ("scale.failed", 0) == (failed.name, failed.value)
