"""The pytest plugin `resilient`: all that pytest has to load at its start.

It stands beside the package because whatever is imported of `resilient` brings aiohttp along,
and starts before coverage does. What it does is `resilient.testing.plugin`, which the first
test that wants it loads.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from resilient.testing import Emulator, EventCapture

_MARKERS = (
    "virtual_time(grace=0.002): run an async test on a loop whose time jumps (docs/testing.md)",
    "real_time: run a test on an ordinary loop, where virtual_time stands around it",
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for line in _MARKERS:
        config.addinivalue_line("markers", line)


def _is_virtual(node: pytest.Item) -> bool:
    """Tell whether the closest of the two markers is `virtual_time`."""
    names = (mark.name for mark in node.iter_markers())
    return next((n for n in names if n in ("virtual_time", "real_time")), "") == "virtual_time"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, object, object]:
    """Give pytest-asyncio the loop of a marked test, and of no other."""
    manager, wanted = metafunc.config.pluginmanager, _is_virtual(metafunc.definition)
    if wanted or manager.has_plugin("resilient-loops"):
        from resilient.testing.plugin import give_loops  # noqa: PLC0415

        give_loops(manager, wanted=wanted)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marked test that would run in real time."""
    if _is_virtual(item):
        from resilient.testing.plugin import check  # noqa: PLC0415

        check(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Run a marked test that nobody else runs."""
    if not _is_virtual(pyfuncitem):
        return (yield)
    from resilient.testing.plugin import run_by_us  # noqa: PLC0415

    with run_by_us(pyfuncitem):
        return (yield)


@pytest.fixture
def resilient_events() -> "EventCapture":
    """Captured events: `resilient.session(…, listeners=[resilient_events])`."""
    from resilient.testing import EventCapture  # noqa: PLC0415

    return EventCapture()


@pytest.fixture
def resilient_emulator() -> "Iterator[type[Emulator]]":
    """Emulated vendors, with the arguments of `Emulator`.

    `async with resilient_emulator("hh") as hh: …`; one that still runs in the end is an error.
    """
    from resilient.testing.plugin import emulators  # noqa: PLC0415

    with emulators() as emulator:
        yield emulator
