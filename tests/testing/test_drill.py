import asyncio
import json
from functools import cache
from pathlib import Path

import pytest
from naive import full_bucket
from typer.testing import CliRunner

from resilient import judging
from resilient.cli.app import app
from resilient.config import load, resources
from resilient.config.build import one_service
from resilient.model import Raise
from resilient.state import needs
from resilient.testing.drill import Result, drill
from resilient.testing.loop import run

CONFIG = """\
services:
  mail:
    catalog: unisender
    limits: {calls: {rate: 120/min}, sendEmail: off, exportContacts: off}
    errors: {not_enough_money: block_warning}
    policies: {retry: {action: retry, attempts: 2}}
"""


def drilled(name: str) -> Result:
    """Drill a shipped catalog in a loop of its own."""
    return run(drill(one_service(name)))


@cache
def passing(name: str) -> Result:
    """Drill a shipped catalog with the library as it is: once for all who ask."""
    return drilled(name)


@pytest.mark.parametrize("name", resources.names("catalogs"))
def test_every_entry_gets_its_reaction_and_no_limit_is_exceeded(name: str) -> None:
    """The main job holds: every documented error, then saturation, refused by nobody."""
    result = passing(name)
    assert () == result.faults
    assert result.entries == result.exercised
    assert 0 == result.bans
    assert [] == [limit for limit in result.limits if not limit.holds]
    assert result.passed


def test_unisender_uses_its_minute() -> None:
    """At saturation at least 99 % of 1200 calls a minute go, and never 1201."""
    (limit,) = [x for x in passing("unisender").limits if (x.name, x.scope[:2]) == ("calls", "ip")]
    assert limit.used is not None
    assert 0.99 <= limit.used <= 1.0
    assert 1188 <= limit.most <= 1200


def test_a_full_bucket_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a bucket of the limit's own size exceeds it, and the drill says so."""
    monkeypatch.setattr(needs, "pace", full_bucket)
    result = drilled("hh")
    assert not result.passed
    assert any(limit.refused for limit in result.limits)


def test_a_wrong_reaction_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a library that never tries again is found out, entry by entry."""
    monkeypatch.setattr(judging, "decide", lambda *_: Raise())
    result = drilled("http")
    assert not result.passed
    assert any("status:503" in fault and "4 sends" in fault for fault in result.faults)


def test_a_users_configuration_is_drilled(tmp_path: Path) -> None:
    """`resilient drill my.yaml` keeps the user's own limits and policies."""
    file = tmp_path / "my.yaml"
    file.write_text(CONFIG)
    result = run(drill(load(file)["mail"]))
    assert () == result.faults
    assert 1 == result.policies["block_warning"]
    assert {120} == {limit.calls for limit in result.limits}
    assert all(limit.most <= 120 for limit in result.limits)


def test_the_command_prints_json_and_its_verdict(tmp_path: Path) -> None:
    """`resilient drill FILE --json` is one object, and exits with 0 when all is well."""
    file = tmp_path / "my.yaml"
    file.write_text("services: {api: {catalog: http, hosts: [example.org]}}\n")
    result = CliRunner().invoke(app, ["drill", str(file), "--json"])
    assert 0 == result.exit_code
    told = json.loads(result.stdout)
    assert told["passed"]
    assert ["api"] == [each["service"] for each in told["services"]]


def test_the_command_fails_with_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table names what went wrong, and the exit status is 1."""
    monkeypatch.setattr(judging, "decide", lambda *_: Raise())
    file = tmp_path / "my.yaml"
    file.write_text("services: {api: {catalog: http, hosts: [example.org]}}\n")
    result = CliRunner().invoke(app, ["drill", str(file)])
    assert 1 == result.exit_code
    assert "FAILED" in result.stdout
    assert "policy retry asks for Unavailable after 4 sends" in result.stdout


def test_a_missing_file_is_one_line() -> None:
    """A file that is not there: one line, exit status 2."""
    result = CliRunner().invoke(app, ["drill", "/nowhere/my.yaml"])
    assert 2 == result.exit_code
    assert 1 == len(result.stderr.splitlines())


def test_the_drill_leaves_no_task_behind() -> None:
    """When a drill is over, nothing of it runs on."""

    async def left() -> int:
        await drill(one_service("http"))
        return len(asyncio.all_tasks()) - 1

    assert 0 == run(left())


def test_the_mode_of_the_shell_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drill enforces, also where RESILIENT_MODE says that nothing is to be done."""
    monkeypatch.setenv("RESILIENT_MODE", "off")
    file = tmp_path / "my.yaml"
    file.write_text("services: {api: {catalog: http, hosts: [example.org], mode: observe}}\n")
    assert 0 == CliRunner().invoke(app, ["drill", str(file)]).exit_code


def test_an_entry_that_cannot_be_said_is_a_fault(tmp_path: Path) -> None:
    """A sample that does not fit its envelope's paths is named, and fails the drill."""
    (tmp_path / "odd.yaml").write_text(
        "catalog: odd\nsource: {document: A page, read: 2026-11-21}\nhosts: [api.example]\n"
        'envelopes: [{format: json, code: code, sample: \'{"kode": "$code"}\'}]\n'
        "errors: {E1: fail_fast}\n"
    )
    file = tmp_path / "my.yaml"
    file.write_text("services: {api: {catalog: ./odd.yaml}}\n")
    result = CliRunner().invoke(app, ["drill", str(file)])
    assert 1 == result.exit_code
    assert "no response is recognised as the entry code:E1" in result.stdout
