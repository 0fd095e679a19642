"""What the pytest plugin does, loaded by the first test that wants it.

pytest itself loads `_resilient_pytest`, which holds the markers, the hooks and the fixtures.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from unittest import IsolatedAsyncioTestCase

import pytest

from resilient.testing.emulator import Emulator
from resilient.testing.loop import VirtualTimeLoop, run

_ASYNCIO = (
    "pytest-asyncio runs this test and was not given its loop: that needs pytest-asyncio 1.4, "
    "and no asyncio(loop_factories=…) on the test"
)
_ANYIO = (
    "anyio runs this test: instead of virtual_time, let the fixture anyio_backend return "
    '("asyncio", {"loop_factory": resilient.testing.VirtualTimeLoop})'
)
_UNITTEST = (
    "unittest runs this test: instead of virtual_time, set loop_factory = VirtualTimeLoop on its "
    "class (Python 3.13), or let the test call resilient.testing.run"
)


class _Loops:
    """What pytest-asyncio asks for the loop of a test."""

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], VirtualTimeLoop]]:
        return {"virtual": VirtualTimeLoop}


_LOOPS = _Loops()


def give_loops(manager: pytest.PytestPluginManager, *, wanted: bool) -> None:
    """Answer pytest-asyncio, or be gone: who is asked at all has to answer for every test."""
    if wanted and not manager.is_registered(_LOOPS):
        manager.register(_LOOPS, "resilient-loops")
    elif not wanted and manager.is_registered(_LOOPS):
        manager.unregister(_LOOPS)


def check(item: pytest.Item) -> None:
    """Fail a marked test that would run in real time, or on two loops."""
    give_loops(item.config.pluginmanager, wanted=True)
    if not isinstance(item, pytest.Function):
        return
    if type(item).__module__.startswith("pytest_asyncio"):
        callspec = getattr(item, "callspec", None)
        if callspec is None or VirtualTimeLoop not in callspec.params.values():
            pytest.fail(_ASYNCIO, pytrace=False)
    elif inspect.iscoroutinefunction(item.obj):
        _check_plain(item)


def _check_plain(item: pytest.Function) -> None:
    if item.get_closest_marker("anyio") is not None:
        pytest.fail(_ANYIO, pytrace=False)
    if item.cls is not None and issubclass(item.cls, IsolatedAsyncioTestCase):
        pytest.fail(_UNITTEST, pytrace=False)
    if names := list(_async_fixtures(item)):
        pytest.fail(
            f"this test uses async fixtures ({', '.join(names)}), which have a loop of their own: "
            "mark it asyncio, too, so that pytest-asyncio runs them and the test on one",
            pytrace=False,
        )


def _async_fixtures(item: pytest.Function) -> Iterator[str]:
    for name, found in item._fixtureinfo.name2fixturedefs.items():  # noqa: SLF001 - as pytest-asyncio
        made_by = found[-1].func
        if inspect.iscoroutinefunction(made_by) or inspect.isasyncgenfunction(made_by):
            yield name


@contextmanager
def run_by_us(item: pytest.Function) -> Iterator[None]:
    """Make a test that nobody runs, a plain `async def`, one that pytest can call."""
    test = item.obj
    if not inspect.iscoroutinefunction(test):
        yield
        return

    @functools.wraps(test)
    def synchronous(*args: object, **keys: object) -> None:
        run(test(*args, **keys))

    item.obj = synchronous
    try:
        yield
    finally:
        item.obj = test


@contextmanager
def emulators() -> Iterator[type[Emulator]]:
    """Give emulators, and fail if one of them still runs in the end."""
    running: dict[Emulator, asyncio.AbstractEventLoop] = {}

    class Watched(Emulator):
        async def start(self) -> None:
            await super().start()
            running[self] = asyncio.get_running_loop()

        async def stop(self) -> None:
            running.pop(self, None)
            await super().stop()

    yield Watched
    left = dict(running)
    for each, loop in left.items():
        if not loop.is_closed():
            loop.run_until_complete(each.stop())
    if left:
        names = ", ".join(sorted(each.catalog.name for each in left))
        pytest.fail(f"emulators left running: {names}: use `async with`, or stop()", pytrace=False)
