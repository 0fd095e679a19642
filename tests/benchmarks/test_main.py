"""The command that runs the benchmarks."""

import json
import os
from pathlib import Path

import attrs
import made_up_run
import pytest

from benchmarks import __main__ as command
from benchmarks import budget, publish
from benchmarks.model import Part, Size
from benchmarks.parts import PARTS, apart

README = "# Title\n\n<!-- measured -->\n| old |\n|---|\n| row |\n\nBelow.\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with nothing but a README, to which the command writes."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "README.md").write_text(README, "utf-8")
    published = publish.publish
    monkeypatch.setattr(publish, "publish", lambda run: published(run, tmp_path))
    rows = (("cost", "{calls.ratio_asyncio_1} here", ""), ("of none", "{calls.nobody}", ""))
    monkeypatch.setattr(publish, "FRONT", rows)
    monkeypatch.setattr(budget, "load", lambda: made_up_run.BOUNDS)
    return tmp_path


def finds(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    """Let the first part find this, and all others nothing."""

    def timed(name: str, size: Size) -> tuple[Part, float]:
        return (part if name == "calls" else Part(title=name)), 1.0

    monkeypatch.setattr(command, "timed", timed)


def test_full(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full run prints all, writes page, pictures and README, and ends well."""
    finds(monkeypatch, made_up_run.part())
    assert 0 == command.main([])
    assert "one at a time" in capsys.readouterr().out
    assert "| a \\| b |" in (root / "benchmarks" / "RESULTS.md").read_text("utf-8")
    assert ["cost.svg", "grants.svg"] == sorted(
        each.name for each in (root / "docs" / "pictures").iterdir()
    )
    readme = (root / "README.md").read_text("utf-8")
    assert "|---|---|---|\n| cost | 1.05 x here |  |\n\nBelow.\n" in readme
    assert "old" not in readme


def test_worse(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A figure that has become worse ends the run with status 1, and is named."""
    finds(monkeypatch, made_up_run.part(1.3))
    assert 1 == command.main([])
    assert "calls.ratio_asyncio_1 is 1.3 x, and may be at most 1.08" in capsys.readouterr().err


def test_unmeasured(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A figure that nobody measures any longer ends a full run with status 1, too."""
    finds(monkeypatch, attrs.evolve(made_up_run.part(), figures=()))
    assert 1 == command.main([])
    assert "calls.ratio_asyncio_64 was not measured" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--quick"], ["--quick", "--only", "calls"]])
def test_quick(root: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """A quick run overwrites nothing, and fails for nothing."""
    finds(monkeypatch, made_up_run.part(1.3))
    assert 0 == command.main(words)
    assert README == (root / "README.md").read_text("utf-8")
    assert not (root / "benchmarks" / "RESULTS.md").exists()


def test_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of some parts is checked, and overwrites nothing."""
    finds(monkeypatch, made_up_run.part(1.3))
    assert 1 == command.main(["--only", "calls"])
    assert not (root / "benchmarks" / "RESULTS.md").exists()


def test_json(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found can be had as JSON."""
    finds(monkeypatch, made_up_run.part())
    command.main(["--quick", "--only", "calls", "--json", str(root / "found.json")])
    found = json.loads((root / "found.json").read_text("utf-8"))
    assert 1.05 == found["parts"]["calls"]["figures"][0]["value"]


def test_apart() -> None:
    """A part has a process for itself."""
    assert os.getpid() != apart(os.getpid)


def test_parts() -> None:
    """Each part is a module of its own."""
    assert len(PARTS) == len(set(PARTS.values()))
