import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import Result

ROOT = Path(__file__).parents[2]

Cli = Callable[..., Result]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT as on a terminal; in the background of a shell it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("what", ["http", "catalogs/http.yaml"])
def test_served_until_interrupted(cli: Cli, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """It says where it serves and how to use that, and Ctrl-C ends it well."""
    echo = typer.echo

    def interrupting(line: str) -> None:
        echo(line)
        if "hosts:" in line:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)

    monkeypatch.setattr(typer, "echo", interrupting)
    monkeypatch.chdir(ROOT)
    found = cli("emulate", what)
    assert 0 == found.exit_code
    assert found.stdout.startswith("http on http://127.0.0.1:")


def test_a_port_that_is_taken(cli: Cli) -> None:
    """A port that another program has is one line on stderr, and exit status 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = cli("emulate", "http", "--port", str(port))
    assert (2, "", 1) == (found.exit_code, found.stdout, found.stderr.count("\n"))
    assert f"cannot listen on 127.0.0.1 port {port}: " in found.stderr
