"""Matching takes time in proportion to the text, whatever pattern and text (H3)."""

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from promises.conftest import Figure
from regexes import is_linear

import resilient
from benchmarks import bodies
from resilient.config.build import one_service
from resilient.config.build_catalog import shipped
from resilient.config.resources import names
from resilient.core.text import contains

SEARCHING = ("search", "sub", "subn", "findall", "finditer", "split")
SLOW = (
    r"^(\w+\s?)*$",
    r"(a*)*b",
    r"(a|a)*b",
    r"(a|ab|b)*c",
    r"(a+)+b",
    r"\s*\s*x",
    r"\d+\d*x",
    r"(.*),(.*)x",
    r"(?:x?){5,}y(?:[ab]*a)*c",
    r'<([^\s/>]+)(?:[^>"]|"[^"]*")*>',
    r"(\d{1,9})\s*(\d{1,6})?\s*x",
)
SLOW_TO_SEARCH = (r"\s+$", r"a*b", r"[^/]*\d", r"<!--.*?-->", r"\d+x")
FAST = (
    *(r"abc", r"a*b", r"\d+\.\d+", r"(?:a|b)*c", r"[a-z]+(?:\.[a-z]+)*", r"\s*+\s*+x", r'"[^"]*"'),
    *(r"(?:ab)*c", r"(?>a*)a*b", r"(?=a*b)[a-z]*", r"(\d+):(\d+)", r"<\?.*?\?>"),
)


def patterns() -> Iterator[tuple[str, str | bytes, bool]]:
    """Yield every compiled expression of the library, and whether it is searched for."""
    for info in pkgutil.walk_packages(resilient.__path__, "resilient."):
        if info.name == "resilient.__main__":
            continue
        module = importlib.import_module(info.name)
        source = Path(module.__file__ or "").read_text("utf-8")
        for name, value in vars(module).items():
            many = value if isinstance(value, tuple) else (value,)
            for i, each in enumerate(each for each in many if isinstance(each, re.Pattern)):
                search = re.search(rf"\b{name}\.({'|'.join(SEARCHING)})\b", source) is not None
                yield f"{info.name}.{name}[{i}]", each.pattern, search


PATTERNS = list(patterns())


@pytest.mark.parametrize(("pattern", "search"), [each[1:] for each in PATTERNS], ids=str)
def test_linear(pattern: str | bytes, search: bool, figure: Figure) -> None:
    """No expression of the library has two ways over the same text."""
    assert is_linear(pattern, search=search)
    figure("H3", "expressions that are not linear", 0, of=len(PATTERNS))


def test_all_are_known() -> None:
    """Every expression is compiled at the top of a module, where the check finds it."""
    used = re.compile(r"\bre\.(\w+)\(")
    files = Path(resilient.__path__[0]).rglob("*.py")
    # The emulator, for tests, turns names of endpoints back into paths by one of its own.
    sources = [each.read_text("utf-8") for each in files if each.name != "places.py"]
    calls = [call for source in sources for call in used.findall(source)]
    assert {"compile"} == set(calls)
    assert len(PATTERNS) >= len(calls)


@pytest.mark.parametrize("pattern", SLOW)
def test_slow(pattern: str) -> None:
    """The check finds the expressions that are known to be slow."""
    assert not is_linear(pattern)


@pytest.mark.parametrize("pattern", SLOW_TO_SEARCH)
def test_slow_to_search(pattern: str) -> None:
    """What is fast at one place may be slow when tried at every place."""
    assert not is_linear(pattern, search=True)


@pytest.mark.parametrize("pattern", FAST)
def test_fast(pattern: str) -> None:
    """And it passes those that are not."""
    assert is_linear(pattern)


def test_catalogs_have_none() -> None:
    """A catalog's texts are pieces of text: nothing in them is an expression."""
    texts = [entry.match for name in names("catalogs") for entry in shipped(name).texts]
    assert texts
    assert all(contains(f"x{(match or '').replace('*', 'y')}z", match or "?") for match in texts)
    assert not contains("abc", "a.c")


class Counted(str):
    """A text that counts how often it is searched."""

    __slots__ = ()
    searched = 0

    def casefold(self) -> "Counted":
        """Return itself, with small letters."""
        return Counted(super().casefold())

    def find(self, *args: Any) -> int:
        """Search, and count it."""
        Counted.searched += 1
        return super().find(*args)


def searches(text: str, pattern: str) -> int:
    """Return how often a text is searched for a pattern."""
    Counted.searched = 0
    contains(Counted(text), pattern)
    return Counted.searched


def hostile_texts(pattern: str, size: int) -> Iterator[str]:
    """Yield texts of a size that fit a pattern nearly, over and over."""
    piece = pattern.replace("*", "") or "a"
    for each in (piece[:-1], piece[1:], piece, piece.partition(" ")[0], "a", "*", piece[0]):
        yield ((each or "a") * size)[:size]


def test_texts_are_linear(figure: Figure) -> None:
    """A text is gone over once, whatever the pattern: once for each piece, each from the last."""
    own = [entry.match or "" for name in names("catalogs") for entry in shipped(name).texts]
    for pattern in (*own, "a*" * 200 + "b", "*" * 500, "ab*ba" * 50):
        for size in (1000, 64 * 1024):
            pieces = pattern.count("*") + 1
            assert all(searches(text, pattern) <= pieces for text in hostile_texts(pattern, size))
    figure("H3", "shipped text patterns that are searched more than once", 0, of=len(own))


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python some work takes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


GROWING: dict[str, Callable[[int], bytes]] = {
    "errors": lambda n: b'{"errors": [' + b'{"code": 1},' * n + b"{}]}",
    "errors that are none": lambda n: b'{"errors": [' + b"{}," * n + b"{}]}",
    "elements": lambda n: b"<r>" + b"<errors><code>1</code></errors>" * n + b"</r>",
    "names": lambda n: b"<r>" + b"".join(b"<a%d/>" % i for i in range(n)) + b"</r>",
    "tags": lambda n: b"<html>" + b"<p" * n + b"<b>x</b>" * n,
    "words": lambda n: b"<html>" + b"not enough " * n,
    "lists": lambda n: b'{"errors": ' + b"[" * min(n, 800) + b"]" * min(n, 800) + b"}",
}


@pytest.mark.parametrize("kind", GROWING)
@pytest.mark.parametrize("name", names("catalogs"))
def test_work(name: str, kind: str) -> None:
    """A response of double the size takes at most double the steps."""
    service = one_service(name)
    one, two = (
        steps(lambda n=n: resilient.classify(service, status=400, body=GROWING[kind](n)))  # type: ignore[misc]
        for n in (500, 1000)
    )
    assert two <= 2.1 * one


MOST_STEPS = 30_000
"""Lines of Python that a body of 64 KiB may take, whatever there is much of in it."""


@pytest.mark.parametrize("name", names("catalogs"))
def test_work_is_bounded(name: str, figure: Figure) -> None:
    """No hostile body of 64 KiB takes more than so many steps, with any catalog."""
    service = one_service(name)
    taken = {
        what: steps(lambda body=body: resilient.classify(service, status=400, body=body))  # type: ignore[misc]
        for what, body in bodies.hostile().items()
    }
    assert {} == {what: count for what, count in taken.items() if count > MOST_STEPS}
    figure("H3", "most steps that a hostile body of 64 KiB takes", max(taken.values()))


def test_work_counts() -> None:
    """The count of steps does see work that grows faster than the text."""
    one, two = (steps(lambda n=n: _gather([], n)) for n in (100, 200))  # type: ignore[misc]
    assert two > 3 * one


def _gather(found: list[int], pieces: int) -> None:
    for each in range(pieces):
        for other in found:
            if other == each:
                break
        found.append(each)
