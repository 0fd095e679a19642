"""What the pytest plugin does, loaded by the first test that wants it.

pytest itself loads `_resilient_pytest`, which holds the markers, the hooks and the fixtures.
"""

import asyncio
import functools
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import IsolatedAsyncioTestCase

import pytest

from resilient.testing.emulator import Emulator
from resilient.testing.loop import GRACE, VirtualTimeLoop, run

_ASYNCIO = (
    "pytest-asyncio runs this test and was not given its loop: that needs pytest-asyncio 1.4, "
    "and no asyncio(loop_factories=…) on the test"
)
_SYNC = (
    "virtual_time is for tests that are `async def`; this one would run in real time: without the "
    "marker, let it call resilient.testing.run where it calls asyncio.run"
)
_MARK = (
    ", which have a loop of their own: mark it asyncio, too, so that pytest-asyncio runs them "
    "and the test on one, and make them with @pytest_asyncio.fixture"
)
_INSTALL = (
    ", which nothing here can run: install pytest-asyncio (1.4 or newer), mark the test asyncio, "
    "too, and make them with @pytest_asyncio.fixture"
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
    def pytest_asyncio_loop_factories(
        self, item: pytest.Item
    ) -> Mapping[str, Callable[[], VirtualTimeLoop]]:
        grace = _asked(item)
        return {"virtual": _factory(grace if _is_grace(grace) else GRACE)}


_LOOPS = _Loops()


@functools.cache
def _factory(grace: float) -> Callable[[], VirtualTimeLoop]:
    """Return the same for the same grace: pytest-asyncio tells by it which tests share a loop."""
    return functools.partial(VirtualTimeLoop, grace=grace)


def _asked(item: pytest.Item) -> Any:
    mark = item.get_closest_marker("virtual_time")
    return GRACE if mark is None else mark.kwargs.get("grace", GRACE)


def _is_grace(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def give_loops(manager: pytest.PytestPluginManager, *, wanted: bool) -> None:
    """Answer pytest-asyncio, or be gone: a plugin that is asked has to answer for every test."""
    if wanted and not manager.is_registered(_LOOPS):
        manager.register(_LOOPS, "resilient-loops")
    elif not wanted and manager.is_registered(_LOOPS):
        manager.unregister(_LOOPS)


def check(item: pytest.Item) -> None:
    """Fail a marked test that would run in real time, on two loops, or otherwise than marked."""
    give_loops(item.config.pluginmanager, wanted=True)
    _check_marker(item)
    if not isinstance(item, pytest.Function):
        return
    if type(item).__module__.startswith("pytest_asyncio"):
        callspec = getattr(item, "callspec", None)
        ours = _factory(_asked(item))
        if callspec is None or not any(each is ours for each in callspec.params.values()):
            pytest.fail(_ASYNCIO, pytrace=False)
    elif inspect.iscoroutinefunction(item.obj):
        _check_plain(item)
    elif any(mark.name == "virtual_time" for mark in getattr(item.obj, "pytestmark", ())):
        pytest.fail(_SYNC, pytrace=False)


def _check_marker(item: pytest.Item) -> None:
    for mark in item.iter_markers("virtual_time"):
        wrong = [*map(repr, mark.args)]
        wrong += [
            f"{key}={value!r}"
            for key, value in mark.kwargs.items()
            if key != "grace" or not _is_grace(value)
        ]
        if wrong:
            pytest.fail(
                f"virtual_time({', '.join(wrong)}): it takes grace=…, in real seconds, only",
                pytrace=False,
            )


def _check_plain(item: pytest.Function) -> None:
    if item.get_closest_marker("anyio") is not None:
        pytest.fail(_ANYIO, pytrace=False)
    if item.cls is not None and issubclass(item.cls, IsolatedAsyncioTestCase):
        pytest.fail(_UNITTEST, pytrace=False)
    if names := ", ".join(_async_fixtures(item)):
        has_asyncio = item.config.pluginmanager.has_plugin("asyncio")
        how = _MARK if has_asyncio else _INSTALL
        pytest.fail(f"this test uses async fixtures ({names}){how}", pytrace=False)


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
        run(test(*args, **keys), grace=_asked(item))

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
