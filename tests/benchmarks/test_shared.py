"""The benchmark of shared limits runs; what it finds is for people to read."""

import json
from pathlib import Path

import attrs
import pytest
from redis_server import binary

from benchmarks.shared import __main__ as shared
from benchmarks.shared import measures
from benchmarks.shared.model import Limit, Pace
from benchmarks.shared.server import by_process, most_within

LOG = [(0.0, 1), (1.0, 0), (1.5, 1), (4.9, 1), (5.0, 0), (6.1, 1)]


def test_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each contender has its line in each table, and its figures in the file."""
    binary()
    few = Pace(1, 2)
    monkeypatch.setattr(measures, "PACES", (Pace(1, 1), few))
    monkeypatch.setattr(measures, "BUSY", few)
    monkeypatch.setattr(measures, "PERIODS", 0.3)
    monkeypatch.setattr(shared, "QUICK", shared.Size(1, 0.02, Limit(20, 1)))
    file = tmp_path / "found.json"
    shared.main(["--quick", "--only", "resilient", "--json", str(file)])
    lines = capsys.readouterr().out.splitlines()
    assert 1 == sum(line.startswith("  PING ") for line in lines)
    assert 3 == sum(line.startswith("  resilient ") for line in lines)
    found = json.loads(file.read_text("utf-8"))
    assert {"PING", "resilient"} == set(found["rates"])
    assert {"1 x 1", "1 x 2"} == set(found["rates"]["resilient"])
    assert {each.name for each in attrs.fields(measures.Inside)} == set(
        found["inside"]["resilient"]
    )
    assert {each.name for each in attrs.fields(measures.Shared)} == set(
        found["shared"]["resilient"]
    )
    assert 0 < found["shared"]["resilient"]["most"]


def test_most_within() -> None:
    """A window holds its end and not its beginning."""
    assert 4 == most_within(LOG, 5.0)
    assert 5 == most_within(LOG, 5.01)
    assert 1 == most_within(LOG, 0.05)
    assert 0 == most_within([], 5.0)


def test_by_process() -> None:
    """The process that had the fewest stands first."""
    assert [2, 4] == by_process(LOG)
