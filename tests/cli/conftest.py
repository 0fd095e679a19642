"""The command line, run without a process."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from resilient.cli.app import app

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """Run the command line with these arguments, and perhaps a standard input."""

    def run(*args: str, stdin: bytes | str | None = None) -> Result:
        return CliRunner().invoke(app, args, input=stdin, catch_exceptions=False)

    return run
