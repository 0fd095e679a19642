"""The benchmarks run; what they find is for people to read."""

import importlib.util
from pathlib import Path

import pytest

COST = Path(__file__).parents[2] / "benchmarks" / "cost.py"


def test_cost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every way to call and every queue has its line."""
    spec = importlib.util.spec_from_file_location("cost", COST)
    assert spec is not None
    assert spec.loader is not None
    cost = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cost)
    few = {"ROUNDS": 1, "WARM_UP": 0, "CALLS": 20, "REPEATS": 1, "QUEUES": [(20, 2)]}
    for name, value in few.items():
        monkeypatch.setattr(cost, name, value)
    monkeypatch.setattr("sys.argv", [str(COST)])
    monkeypatch.setenv("PYTHONPATH", str(COST.parents[1]))
    cost.main()
    lines = capsys.readouterr().out.splitlines()
    assert 2 == sum("two limits and a credential" in line for line in lines)
    assert ["20", "2"] == lines[-1].split()[:2]
