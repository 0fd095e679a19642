import re
import signal
import subprocess
import sys
import urllib.request

import pytest
import typer
from typer.testing import CliRunner

from resilient.cli.emulate import command

_PROGRAM = "import typer; from resilient.cli.emulate import command; typer.run(command)"


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


def test_it_serves_until_interrupted() -> None:
    """It prints the address and how to use it, answers there, and ends well on Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-u", "-c", _PROGRAM, "hh"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:
        assert process.stdout is not None
        first, hint, key = (process.stdout.readline() for _ in range(3))
        found = re.search(r"http://(\S+:\d+)", first)
        assert found
        assert "configuration" in hint
        assert f'hosts: ["{found[1]}"]' == key.strip()
        with urllib.request.urlopen(f"http://{found[1]}/me", timeout=10) as response:
            assert 200 == response.status
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (0, "") == (process.returncode, errors)
