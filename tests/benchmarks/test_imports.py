"""What an import costs is measured; what is found is for people to read."""

from collections.abc import Sequence

import pytest

from benchmarks import imports
from benchmarks.imports import Spent, Steps
from benchmarks.model import Size


def test_steps() -> None:
    """A new interpreter imports aiohttp, then a library, then configures a middleware."""
    found = imports.steps(("resilient",), ("http",))
    assert 3 == len(found.spent)
    assert {"aiohttp", "resilient", "yaml"} <= set(found.modules)
    assert all(0 < each.ms and 0 < each.modules for each in found.spent)


def test_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library has its line, and what is bounded is of ours after aiohttp, without modules."""

    def steps(names: Sequence[str], services: Sequence[str] = ()) -> Steps:
        cold = Spent(50.0, 9, 10_240.0) if "yaml" not in names else Spent(20.0, 0, 2_048.0)
        spent = (Spent(200.0, 100, 9_000.0), Spent(10.0, 7, 500.0), *([cold] if services else []))
        return Steps(spent, ("aiohttp", "yaml"))

    monkeypatch.setattr(imports, "PEERS", {"here": ("json",), "absent": ("no_such_module",)})
    monkeypatch.setattr(imports, "steps", steps)
    found = imports.measure(Size.QUICK)
    assert {"imports.ms": 10.0, "imports.of_aiohttp": 0.05, "imports.six_mib": 2.0} == {
        each.name: each.value for each in found.figures
    }
    assert "here" in [row[0] for row in found.tables[0].rows]
    assert ("here",) == found.distributions
    assert ("absent",) == found.missing
