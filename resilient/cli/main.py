"""The entry point: checks that the command line can work here, then hands over to typer.

It imports neither typer nor rich itself, so that it can say that they are missing.
"""

import io
import logging
import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

_NEEDED = ("typer", "rich")


def obstacle() -> str | None:
    """Return why the command line cannot work in this environment, or None."""
    if _is_installed("resilient"):
        return (
            "IBM's distribution 'resilient' is installed here, and it has a package of the same "
            "name: the two cannot live in one environment. Uninstall one of them: "
            "pip uninstall resilient, then pip install --force-reinstall resilient-aiohttp"
        )
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} missing: pip install 'resilient-aiohttp[cli]'"
    return None


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def run() -> None:
    """Run the command line and leave the process."""
    problem = obstacle()
    if problem is not None:
        sys.stderr.write(f"resilient: {problem}\n")
        sys.exit(2)
    # Python sets those to None that were closed (`>&-`): nobody wants what is written there.
    sys.stdout, sys.stderr = (each or _nowhere() for each in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A vendor's Cyrillic text must not end the program on a terminal that has none.
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(stream=sys.stderr, format="%(levelname)-7s %(message)s")
    logging.getLogger("resilient").setLevel(logging.INFO)
    from resilient.cli.app import app

    app()
