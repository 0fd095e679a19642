"""Runs of pytest inside the tests: of the plugin, and of examples."""

import pytest

# A run forgets the modules that were first loaded in it, and a second copy of ours is no match.
import resilient.testing.plugin  # noqa: F401

Run = pytest.RunResult

HEAD = """
import asyncio
import pytest
import resilient
from resilient.testing import VirtualTimeLoop

def virtual():
    return isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
"""

RUNNERS = {
    "alone": ("-p", "no:asyncio"),
    "strict": ("-o", "asyncio_mode=strict"),
    "auto": ("-o", "asyncio_mode=auto"),
}
"""Without pytest-asyncio, and with each of its modes."""


def play(
    pytester: pytest.Pytester, test: str, *options: str, head: str = HEAD, apart: bool = False
) -> Run:
    """Run a test module, with warnings as errors; `apart`: in a process of its own."""
    pytester.makepyfile(head + test)
    pytester.makeini("[pytest]\nmarkers =\n  asyncio: pytest-asyncio's\n  anyio: anyio's")
    scope = () if "no:asyncio" in options else ("-o", "asyncio_default_fixture_loop_scope=function")
    run = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
    return run("-W", "error", "--strict-markers", "-p", "no:cacheprovider", *scope, *options)
