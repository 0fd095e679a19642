import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import typer
from typer.testing import CliRunner

from resilient.cli.emulate import _latency, _serve, command
from resilient.testing import Emulator

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
        (["hh", "--fault", "rest"], "did you mean 'reset'? There are reset-early, reset,"),
        (["hh", "--fault", "reset=2"], "'2' is no share of the requests: it takes 5%"),
        (["hh", "--fault", "reset=x%"], "'x%' is no share of the requests: it takes 5%"),
        (["hh", "--fault", "reset=60%", "--fault", "drip"], "together at most 1: got 0.6, 1"),
        (["hh", "--latency", "soon"], "is 'soon': it takes a time or a range"),
        (["hh", "--latency", "60ms-10ms"], "is '60ms-10ms': it takes"),
        (["hh", "--latency", "10ms-20"], "each end with its unit"),
        (["hh", "--latency", "10-20ms"], "each end with its unit"),
        (["hh", "--latency", "inf"], "is 'inf': it takes"),
        (["hh", "--ban", "inf"], "--ban is 'inf': it takes a time, such as 60s"),
        (["hh", "--token-lifetime", "-1s"], "--token-lifetime is '-1s': it takes a time"),
        (["hh", "--fault", "reset=1%", "--fault", "reset"], "--fault reset is given twice"),
        (["hh", "--rotation", "famly"], "did you mean 'family'? There are none, single_use,"),
        (["hh", "--retry-after-form", "rfc580"], "did you mean 'rfc850'? There are seconds,"),
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


def test_a_configuration_is_no_catalog(tmp_path: Path) -> None:
    """Who gives a configuration is told that it is one, and what to give."""
    file = tmp_path / "resilient.yaml"
    file.write_text("services: {jobs: {catalog: hh, hosts: [api.hh.ru]}}")
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(file)])
    assert (2, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert "is a configuration: give the catalog" in result.stderr


@pytest.mark.parametrize(
    ("text", "range_"),
    [
        ("0", (0.0, 0.0)),
        ("30ms", (0.03, 0.03)),
        ("0-60ms", (0.0, 0.06)),
        ("1-2", (1.0, 2.0)),
        ("500ms-2s", (0.5, 2.0)),
    ],
)
def test_latencies_have_the_units_of_a_configuration(
    text: str, range_: tuple[float, float]
) -> None:
    """A time or a range; without a unit in seconds, and a 0 needs none."""
    assert range_ == pytest.approx(_latency(text))


@contextmanager
def _served(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """Run the command, and yield its process and the lines that it begins with."""
    # Coverage's start in a subprocess imports asyncio twice, and a cancellation is then another
    # class than the one that asyncio waits for.
    plain = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-u", "-c", _PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=plain,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline() for _ in range(3)]
        finally:
            process.kill()


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    return process.returncode, errors


def test_it_serves_until_interrupted() -> None:
    """It prints the address and how to use it, answers there, and ends well on Ctrl-C."""
    with _served("hh") as (process, (first, hint, key)):
        address = first.partition("http://")[2].partition(",")[0]
        assert "configuration" in hint
        assert f'hosts: ["{address}"]' == key.strip()
        with urllib.request.urlopen(f"http://{address}/me", timeout=10) as response:
            assert 200 == response.status
        assert (0, "") == _ended(process)


def test_it_serves_with_everything_at_once() -> None:
    """Latency, faults, forms and rotation reach the emulator; Ctrl-C ends what is stalled."""
    options = ["--latency", "1ms-2ms", "--fault", "stalled-body=50%", "--fault", "html-page=1/2"]
    options += ["--retry-after", "--retry-after-form", "rfc850", "--rotation", "family"]
    options += ["--ban", "2m", "--token-lifetime", "60", "--seed", "9", "--no-limits"]
    with _served("hh", *options) as (process, (first, *_)):
        url = first.partition(" on ")[2].partition(",")[0]
        # By this seed the page comes first, and the stall behind it.
        with pytest.raises(urllib.error.HTTPError, match="502") as caught:
            urllib.request.urlopen(f"{url}/me", timeout=10)
        caught.value.close()
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as stalled:
            stalled.sendall(b"GET /me HTTP/1.1\r\nHost: h\r\n\r\n")
            assert stalled.recv(1024).startswith(b"HTTP/1.1 200 OK")
            assert (0, "") == _ended(process)


async def test_it_says_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints is where it serves, as long as it is not cancelled."""
    emulator = Emulator("http")
    serving = asyncio.create_task(_serve(emulator))
    await asyncio.sleep(1.0)
    async with aiohttp.ClientSession() as http, http.get(emulator.url) as response:
        assert 200 == response.status
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert f"http on {emulator.url}, until Ctrl-C" in capsys.readouterr().out


def test_a_port_that_is_taken_is_one_line() -> None:
    """The error of the operating system is said in one line, with exit status 2."""
    app = typer.Typer()
    app.command()(command)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["hh", "--port", str(port)])
    assert (2, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert f"cannot listen on 127.0.0.1 port {port}: " in result.stderr
