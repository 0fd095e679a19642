"""What the command line says of hints: which a catalog declares, and what a response tells."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Cli = Callable[..., Result]

CATALOG = """\
catalog: mine
source: {document: d, read: 2026-11-22}
limits: {calls: {rate: 300/min}}
hints:
  calls: {limit: X-Limit, remaining: X-Left, used: X-Used, reset: X-Reset, unit: ms}
  any: {used: X-All-Used, reset: X-All-Reset}
"""
SERVICE = "services: {a: {catalog: ./mine.yaml, hosts: [a.example], adaptive: ADAPTIVE}}"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A catalog that declares hints."""
    file = tmp_path / "mine.yaml"
    file.write_text(CATALOG, "utf-8")
    return file


def configured(mine: Path, adaptive: str) -> Path:
    """Return a configuration with a service of the catalog."""
    file = mine.parent / "resilient.yaml"
    file.write_text(SERVICE.replace("ADAPTIVE", adaptive), "utf-8")
    return file


def test_catalogs(cli: Cli, mine: Path) -> None:
    """A catalog is shown with the headers that it declares, for people and as JSON."""
    lines = cli("catalogs", str(mine)).stdout.splitlines()
    assert "hints: calls: limit in X-Limit, left in X-Left, used in X-Used, reset in X-Reset" in (
        lines
    )
    assert "hints: all limits of a call: used in X-All-Used, reset in X-All-Reset" in lines
    first, second = json.loads(cli("catalogs", str(mine), "--json").stdout)["hints"]
    assert {
        "limit": "calls",
        "calls": "X-Limit",
        "remaining": "X-Left",
        "used": "X-Used",
        "reset": "X-Reset",
        "milliseconds": True,
    } == first
    assert (None, None, "X-All-Used") == (second["limit"], second["calls"], second["used"])


@pytest.mark.parametrize("adaptive", ["true", "false"])
def test_check(cli: Cli, mine: Path, adaptive: str) -> None:
    """A checked file says in which headers hints are looked for, and whether they are heeded."""
    assert "hints: calls: limit in X-Limit" in cli("check", str(mine)).stdout
    said = cli("check", str(configured(mine, adaptive))).stdout
    assert "hints: calls: limit in X-Limit" in said
    assert (adaptive == "false") == ("adaptive: off" in said)


HEARD = (
    *("--header", "X-Left: 7", "--header", "X-Reset: 30000", "--header", "X-Limit: 200"),
    *("--header", 'RateLimit: "default";r=0;t=7'),
)


def test_explain(cli: Cli, mine: Path) -> None:
    """What the headers of a response say of limits is told, for people and as JSON."""
    lines = cli("explain", str(mine), *HEARD).stdout.splitlines()
    assert [
        "  hint      Of all limits of the call the server says: none left for 7 s.",
        "  hint      Of calls the server says: 200 calls in 1 min, 7 left for 30 s.",
    ] == lines[-2:]
    found = json.loads(cli("explain", str(mine), *HEARD, "--json").stdout)
    nothing = {"limit": None, "calls": None, "period": None, "remaining": 0, "reset": 7.0}
    some = {"limit": "calls", "calls": 200, "period": 60.0, "remaining": 7, "reset": 30.0}
    assert [nothing, some] == found["hints"]


def test_explain_without(cli: Cli, mine: Path) -> None:
    """A service that heeds no hints is told none."""
    file = configured(mine, "false")
    found = cli("explain", "mine", "--config", str(file), *HEARD, "--json")
    assert [] == json.loads(found.stdout)["hints"]


def test_explain_a_policy(cli: Cli, mine: Path) -> None:
    """A response that says how much is allowed, and not what is left, is told as just that."""
    policy = ("--header", 'RateLimit-Policy: "default";q=100;w=60')
    said = cli("explain", str(mine), *policy).stdout
    assert "the server says: 100 calls in 1 min." in said
