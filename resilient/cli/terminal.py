"""How the commands speak: tables and lines to stdout, complaints to stderr."""

import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from resilient.errors import ConfigError

_LEAST_WRAPPED = 30
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def complain(message: str) -> None:
    """Say in a line on stderr what is wrong."""
    sys.stderr.write(f"resilient: {message}\n")


def refuse(message: str) -> NoReturn:
    """Say what is wrong with the arguments, and exit with 2."""
    complain(message)
    raise typer.Exit(2)


def refuse_config(error: ConfigError) -> NoReturn:
    """List the faults of a file, one a line, and exit with 2."""
    if not error.faults:
        refuse(str(error))
    list_faults(error)
    raise typer.Exit(2)


def list_faults(error: ConfigError) -> None:
    """Write every fault in a line of its own to stderr: its place goes first."""
    for fault in error.faults:
        sys.stderr.write(" ".join(str(fault).split()) + "\n")


def show_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def show(line: str = "", *, style: str = "") -> None:
    """Print one line; the terminal wraps it where it likes."""
    console = _console()
    if console.is_terminal:
        console.print(Text(line, style=style), soft_wrap=True)
    else:
        sys.stdout.write(line + "\n")


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. On a wide terminal the last column is wrapped; elsewhere nothing is."""
    console = _console()
    lines = [headers, *rows]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(headers))]
    # rich would cut a code that does not fit, so on a narrow terminal it is not asked.
    needed = sum(widths[:-1]) + 3 * len(widths) + min(widths[-1], _LEAST_WRAPPED)
    if console.is_terminal and console.width >= needed:
        _show_wrapped(console, headers, rows)
        return
    for line in lines:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        )
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _show_wrapped(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, no_wrap=header is not headers[-1])
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _console() -> Console:
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def in_words(seconds: float) -> str:
    """Return a duration as a person writes it: `200 ms`, `1.5 min`, `6 h`."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / size:.4g} {unit}"
