"""The typer application: its commands, and how it ends."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from resilient.cli.terminal import complain

COMMANDS = ("explain", "check", "catalogs", "emulate", "drill")
"""Each is a module `resilient.cli.<name>` with a function `command`."""

_INTERRUPTED = 130
# What typer calls ClickException has moved between its versions; its children have not.
_Complaint = cast("type[Exception]", typer.BadParameter.__mro__[2])


class OneLine(TyperGroup):
    """Says what is wrong with the arguments in one line on stderr and exits with 2."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and end quietly where the reader has gone or the user has had enough."""
        standalone = extra.pop("standalone_mode", True)
        try:
            status = super().main(*args, **extra | {"standalone_mode": False})
        except _Complaint as error:
            complain(_in_one_line(error))
            status = 2
        except (KeyboardInterrupt, typer.Abort):
            status = _INTERRUPTED
        except OSError as error:
            complain(str(error))
            status = 1
        if standalone:
            sys.exit(status if isinstance(status, int) else 0)
        return status

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it printed is out when this returns."""
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            # Else the interpreter tries to write what is left, fails, and complains.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_INTERRUPTED) from error
        return found


def _in_one_line(error: Exception) -> str:
    near = sorted(getattr(error, "possibilities", None) or ())
    if near:
        return f"{getattr(error, 'message', error)}; did you mean {' or '.join(near)}?"
    said = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    return f"{said} 'resilient --help' lists them." if said == "Missing command." else said


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        found = version("resilient-aiohttp")
    except PackageNotFoundError:
        found = "(a checkout, not installed)"
    typer.echo(f"resilient-aiohttp {found}")
    raise typer.Exit


def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    """What APIs report, what the library does about it, and whether a configuration is right."""


def build() -> typer.Typer:
    """Return the application with its commands."""
    found = typer.Typer(
        name="resilient", cls=OneLine, add_completion=False, pretty_exceptions_enable=False
    )
    found.callback()(_options)
    for name in COMMANDS:
        found.command(name)(import_module(f"resilient.cli.{name}").command)
    return found


app = build()
