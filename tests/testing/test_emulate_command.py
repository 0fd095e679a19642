import os
import signal
import subprocess
import sys
import urllib.request

import pytest
import typer
from typer.testing import CliRunner

from resilient.cli.emulate import command

# Where the tests run in the background of a shell, SIGINT is ignored from the start.
_PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "import typer; from resilient.cli.emulate import command; typer.run(command)"
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["delin"], "did you mean 'dellin'"),
        (["./no-such.yaml"], "no-such.yaml"),
        (["hh", "--host", "0.0.0.0"], "is not the loopback"),
        (["hh", "--host", "example.org"], "is not the loopback"),
    ],
)
def test_faults_are_one_line(arguments: list[str], said: str) -> None:
    """What is wrong is said in one line on stderr, with exit status 2."""
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, arguments)
    assert 2 == result.exit_code
    assert 1 == len(result.stderr.splitlines())
    assert said in result.stderr


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    return process.returncode, errors


def test_it_serves_until_interrupted() -> None:
    """It prints the address and how to use it, answers there, and ends well on Ctrl-C."""
    # Coverage's start in a subprocess imports asyncio twice, and a cancellation is then another
    # class than the one that asyncio waits for.
    plain = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-u", "-c", _PROGRAM, "hh"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=plain,
    ) as process:
        try:
            assert process.stdout is not None
            first, hint, key = (process.stdout.readline() for _ in range(3))
            address = first.partition("http://")[2].partition(",")[0]
            assert "configuration" in hint
            assert f'hosts: ["{address}"]' == key.strip()
            with urllib.request.urlopen(f"http://{address}/me", timeout=10) as response:
                assert 200 == response.status
            assert (0, "") == _ended(process)
        finally:
            process.kill()
