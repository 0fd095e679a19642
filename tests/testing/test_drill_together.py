import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis_server import RedisServer
from typer.testing import CliRunner, Result

from resilient.cli.app import app
from resilient.config import load
from resilient.config.service import SharedStore
from resilient.testing.drill.together import drill_together

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

PATIENCE = 60.0
"""Seconds: on a busy machine Python is slow to start."""

CONFIG = """\
services:
  api:
    catalog: http
    hosts: [api.example]
    limits: {calls: {rate: 300/10s, per: [ip]}}
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A configuration with one limit, whose window is longer than the drills here."""
    file = tmp_path / "my.yaml"
    file.write_text(CONFIG)
    return str(file)


def drilled(*args: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["drill", *args], catch_exceptions=False)


def test_processes_with_a_store_keep_the_limit(mine: str, redis_server: RedisServer) -> None:
    """Processes that share a Redis pass, all have their turn, and leave no key behind."""
    how = ("--store", redis_server.url, "--processes", "2", "--seconds", "3", "--json")
    found = drilled(mine, *how)
    told = json.loads(found.stdout)
    assert [] == told["faults"]
    (service,) = told["services"]
    (limit,) = service["limits"]
    assert service["sent"] == limit["most"] <= limit["calls"]
    assert [1, 2] == [each["number"] for each in service["processes"]]
    assert all(each["calls"] for each in service["processes"])
    assert 1.0 == pytest.approx(sum(each["share"] for each in service["processes"]))
    assert sum(each["retried"] for each in service["processes"]) > 0
    assert [0] == [each["late"] for each in service["pauses"]]
    assert told["scripts"] >= 0.1
    assert 0 == redis_server.command("DBSIZE")
    assert (0, True) == (found.exit_code, told["passed"])


def test_processes_without_a_store_do_not(mine: str) -> None:
    """Negative control: the same processes, each by itself, exceed the limit and hear no pause."""
    found = drilled(mine, "--processes", "2", "--seconds", "3", "--json")
    told = json.loads(found.stdout)
    assert (1, False, None) == (found.exit_code, told["passed"], told["store"])
    (service,) = told["services"]
    (limit,) = service["limits"]
    assert limit["most"] > limit["calls"]
    assert not limit["holds"]
    assert all(each["late"] for each in service["pauses"])


def test_a_store_out_of_reach(tmp_path: Path) -> None:
    """A store that does not answer is said, without a process being started."""
    found = drilled("--store", f"unix://{tmp_path}/none.sock")
    assert 1 == found.exit_code
    assert "none.sock?db=0 cannot be used: " in found.stdout


async def test_a_store_that_goes_away(mine: str, redis_server: RedisServer) -> None:
    """A store that ends during the drill fails it, and it says which process missed it."""

    def progress(done: int, _: int, phase: str) -> None:
        if phase == "calling" and done and redis_server.running:
            redis_server.stop()

    drill = await drill_together(
        load(mine).services,
        store=SharedStore(url=redis_server.url),
        processes=1,
        seconds=2,
        progress=progress,
    )
    assert not drill.passed
    assert drill.faults[0].startswith("process 1 went on without the store")


def has_keys(redis_server: RedisServer, running: "subprocess.Popen[bytes]") -> bool:
    """Wait until processes call."""
    until = time.monotonic() + PATIENCE
    while running.poll() is None and time.monotonic() < until:
        if redis_server.command("DBSIZE"):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nobody_is_left(mine: str, redis_server: RedisServer, how: signal.Signals) -> None:
    """After Ctrl-C no process is left, nor a key; after a kill no process."""
    program = (sys.executable, "-m", "resilient", "drill", mine, "--store", redis_server.url)
    with subprocess.Popen(
        [*program, "--processes", "1", "--seconds", "60"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        try:
            assert has_keys(redis_server, running)
            running.send_signal(how)
            running.communicate(timeout=30)  # returns when all who could write have gone
        finally:
            running.kill()
    if how == signal.SIGINT:
        assert 130 == running.returncode
        assert 0 == redis_server.command("DBSIZE")
