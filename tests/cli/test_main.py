import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.main import get_command
from typer.testing import Result

from resilient.cli import catalogs, main, terminal
from resilient.cli.app import app

Cli = Callable[..., Result]
ROOT = Path(__file__).parents[2]


def started(*args: str, **extra: Any) -> "subprocess.CompletedProcess[str]":
    """Run `python -m resilient` as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "resilient", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **extra,
    )


def test_as_a_module() -> None:
    """`python -m resilient` is the command."""
    found = started("explain", "hh", "--status", "500", "--json")
    assert (0, "") == (found.returncode, found.stderr)
    assert found.stdout.startswith('{\n  "catalog": "hh"')


def test_terminal_without_cyrillic() -> None:
    """A terminal that cannot show a letter does not end the program."""
    found = started("catalogs", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert 0 == found.returncode
    assert r"\u0414" in found.stdout


@pytest.mark.parametrize("stream", ["1", "2"])
def test_closed(stream: str) -> None:
    """Where stdout or stderr is closed (`>&-`), the rest is as ever."""
    words = [sys.executable, "-m", "resilient", *(("catalogs",) if stream == "1" else ("hhh",))]
    found = subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}>&-', "sh", *words],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
    )
    expected = 0 if stream == "1" else 2
    assert (expected, b"", b"") == (found.returncode, found.stdout, found.stderr)


def test_in_a_program_with_streams_of_its_own() -> None:
    """What a program has put in place of stdout is written to as it is."""
    program = (
        "import io, sys; from resilient.cli.main import run; real = sys.stdout;"
        "sys.argv = ['resilient', '--version']; sys.stdout = io.StringIO()\n"
        "try: run()\n"
        "finally: real.write(sys.stdout.getvalue().partition(' ')[0])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, timeout=60
    )
    assert (0, b"resilient-aiohttp", b"") == (found.returncode, found.stdout, found.stderr)


def test_importing_it_runs_nothing() -> None:
    """A tool that imports every module of the package starts no command."""
    assert "run" in runpy.run_module("resilient.__main__")


def test_one_line_from_the_process() -> None:
    """A wrong argument is one line of the process's stderr, too."""
    found = started("explain", "hhh")
    assert (2, "", 1) == (found.returncode, found.stdout, found.stderr.count("\n"))


def test_reader_gone() -> None:
    """A reader that went away ends it quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run(
        [sys.executable, "-m", "resilient", "catalogs", "radist", "--json"],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert (130, b"") == (found.returncode, found.stderr)


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, typer.Abort])
def test_interrupted(cli: Cli, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """Ctrl-C ends it quietly with 130."""

    def interrupt(_: object) -> None:
        raise error

    monkeypatch.setattr(catalogs, "names", interrupt)
    result = cli("catalogs")
    assert (130, "") == (result.exit_code, result.output.strip())


def test_disk_full(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is one line, and exit status 1."""

    def refuse(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(catalogs, "names", refuse)
    result = cli("catalogs")
    assert (1, 1) == (result.exit_code, result.stderr.count("\n"))


def test_from_another_program(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that calls it gets the status, and lives on."""
    assert 2 == get_command(app).main(["explain", "hhh"], standalone_mode=False)
    assert "did you mean 'hh'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("expain",), "Did you mean 'explain'?"),
        (("cataloges",), "Did you mean 'catalogs'?"),
        (("zzzzz",), "No such command 'zzzzz'."),
        (("--verson",), "did you mean --version?"),
        ((), "Missing command."),
    ],
)
def test_wrong_command(cli: Cli, args: tuple[str, ...], words: str) -> None:
    """A command that is not there is one line on stderr, and exit status 2."""
    result = cli(*args)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert words in result.stderr


def test_version(cli: Cli) -> None:
    """It says which version it is."""
    result = cli("--version")
    assert (0, "") == (result.exit_code, result.stderr)
    assert result.stdout.startswith("resilient-aiohttp ")


def test_version_of_a_checkout(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a checkout that nobody installed, it says that instead of a version."""

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("resilient.cli.app.version", missing)
    assert "resilient-aiohttp (a checkout, not installed)\n" == cli("--version").stdout


def test_help(cli: Cli) -> None:
    """The help names the commands."""
    result = cli("--help")
    assert 0 == result.exit_code
    assert all(name in result.stdout for name in ("explain", "check", "catalogs"))


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_extra_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the extra it says in one line how to get it."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as stop:
        main.run()
    assert 2 == stop.value.code
    assert f"resilient: {missing} missing: pip install 'resilient-aiohttp[cli]'\n" == (
        capsys.readouterr().err
    )


def test_the_other_resilient(monkeypatch: pytest.MonkeyPatch) -> None:
    """IBM's distribution of the same name is told at once."""
    monkeypatch.setattr(main, "distribution", lambda name: name)
    assert "IBM" in (main.obstacle() or "")


def test_nothing_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra, and without IBM's, nothing is in the way."""

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(main, "distribution", missing)
    assert main.obstacle() is None


@pytest.mark.parametrize("width", [40, 100, 160, 240])
def test_codes_are_never_cut(cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """On a terminal of any width every code stands whole in one line."""

    def console() -> Console:
        return Console(
            file=sys.stdout, markup=False, force_terminal=True, width=width, color_system=None
        )

    monkeypatch.setattr(terminal, "_console", console)
    lines = cli("catalogs", "unisender").stdout.splitlines()
    for code in ("api_call_limit_exceeded_for_api_key", "too_many_double_optins"):
        assert any(line.strip().startswith(code) for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (0.2, "200 ms"), (1, "1 s"), (90, "1.5 min"), (21600, "6 h"), (86400, "1 d")],
)
def test_in_words(seconds: float, words: str) -> None:
    """Durations are written as a person would."""
    assert words == terminal.in_words(seconds)
