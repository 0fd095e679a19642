import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from typer.testing import Result as Ended

from resilient.config import resources
from resilient.config.service import Service
from resilient.testing import drill
from resilient.testing.drill import LimitUse, Result

Cli = Callable[..., Ended]

KEPT = LimitUse(
    name="calls", scope="ip:here", calls=100, period=60.0, most=99, refused=0, used=0.99
)
RESULT = Result(
    service="api",
    catalog="http",
    entries=3,
    exercised=3,
    policies={"retry": 3},
    calls=5,
    attempts=8,
    retries=3,
    reauths=0,
    pauses=1,
    blocks=0,
    blocks_avoided=0,
    bans=0,
    virtual_seconds=120.0,
    limits=(KEPT,),
    faults=(),
)


@pytest.fixture
def drilled(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Run the command with a drill that ends in these ways."""

    def run(**found: Any) -> Ended:
        async def ended(service: Service, progress: Callable[..., None]) -> Result:
            progress(1, 1, "saturation")
            return attrs.evolve(RESULT, **found)

        monkeypatch.setattr(drill, "drill", ended)
        file = tmp_path / "my.yaml"
        file.write_text("services: {api: {catalog: http, hosts: [example.org]}}\n")
        return cli("drill", str(file))

    return run


def test_the_most_used_scope_of_each_limit_is_shown(drilled: Callable[..., Ended]) -> None:
    """Accounts are many: of each limit the one that came closest stands in the table."""
    less = attrs.evolve(KEPT, scope="ip:there", most=50, used=0.5)
    short = attrs.evolve(KEPT, name="daily", scope="credential:a", period=86400.0, used=None)
    found = drilled(limits=(less, KEPT, less, short))
    assert 0 == found.exit_code
    assert "99 / 100 in 1 min" in found.stdout
    assert "50 / 100" not in found.stdout
    assert "99 / 100 in 1 d" in found.stdout
    assert "passed: 8 requests in 2 virtual minutes, 0 bans" in found.stdout


def test_a_limit_that_was_exceeded_is_named(drilled: Callable[..., Ended]) -> None:
    """A limit that did not hold fails the drill and says by how much."""
    found = drilled(limits=(attrs.evolve(KEPT, most=103, refused=3),))
    assert 1 == found.exit_code
    said = "api: limit calls of ip:here was exceeded: 103 calls in 1 min, 3 refused, 100 allowed"
    assert said in " ".join(found.stdout.split())
    assert "FAILED: 8 requests" in found.stdout


def test_no_documented_limit(drilled: Callable[..., Ended]) -> None:
    """A catalog without limits says so."""
    assert "none documented" in drilled(limits=()).stdout


def test_nothing_to_drill(cli: Cli, tmp_path: Path) -> None:
    """A file without services is one line on stderr, and exit status 2."""
    file = tmp_path / "my.yaml"
    file.write_text("services: {}\n")
    found = cli("drill", str(file))
    assert (2, 1) == (found.exit_code, found.stderr.count("\n"))
    assert "no services" in found.stderr


def test_every_shipped_catalog(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file every shipped catalog is drilled."""
    seen = []

    async def ended(service: Service, progress: object) -> Result:
        seen.append(service.catalog.name)
        return RESULT

    monkeypatch.setattr(drill, "drill", ended)
    assert 0 == cli("drill").exit_code
    assert list(resources.names("catalogs")) == seen


@pytest.mark.parametrize("mode", ["observe", None])
def test_nothing_is_left_behind(
    drilled: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, mode: str | None
) -> None:
    """A program that runs a drill has its log level and RESILIENT_MODE back afterwards."""
    monkeypatch.delenv("RESILIENT_MODE", raising=False)
    if mode is not None:
        monkeypatch.setenv("RESILIENT_MODE", mode)
    before = logging.getLogger("resilient").level
    assert 0 == drilled().exit_code
    assert (before, mode) == (
        logging.getLogger("resilient").level,
        os.environ.get("RESILIENT_MODE"),
    )
