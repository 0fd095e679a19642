"""The parts, in the order they run, and how each gets a process for itself."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import ParamSpec, TypeVar

from benchmarks.model import Part, Size

Given = ParamSpec("Given")
Found = TypeVar("Found")

PARTS = {
    "calls": "benchmarks.calls",
    "exactness": "benchmarks.exactness",
    "goodput": "benchmarks.goodput",
    "waiters": "benchmarks.waiters",
    "recognition": "benchmarks.recognition",
    "imports": "benchmarks.imports",
    "scale": "benchmarks.scale",
}


def apart(do: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs) -> Found:
    """Do it in a new process, which has no heap, no loop and no modules of others."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(do, *args, **kwargs).result()


def measure(name: str, size: Size) -> Part:
    """Measure a part, in this process."""
    part = import_module(PARTS[name]).measure(size)
    assert isinstance(part, Part)
    return part


def timed(name: str, size: Size) -> tuple[Part, float]:
    """Measure a part apart; return what it found, and the seconds it took."""
    began = time.monotonic()
    return apart(measure, name, size), time.monotonic() - began
