"""The page on guarantees names tests that are there, and leaves out none of the promises'."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from manual import PAGES, README, ROOT, tables

PAGE = ROOT / "docs" / "guarantees.md"
_TEST = re.compile(r"`(tests/[\w/.]+)(?:::(\w+))?`")


@cache
def functions(file: Path) -> frozenset[str]:
    """Return the names of a module's tests."""
    found = ast.walk(ast.parse(file.read_text("utf-8")))
    return frozenset(
        each.name for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def named(page: Path) -> list[tuple[str, str]]:
    """Return the tests that a page names, each as a path and a function, if any."""
    return _TEST.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_exist(page: Path) -> None:
    """What a page gives as a proof is a test of this suite."""
    missing = [
        (path, function)
        for path, function in named(page)
        if not (ROOT / path).exists() or (function and function not in functions(ROOT / path))
    ]
    assert [] == missing


def test_every_guarantee_is_proved() -> None:
    """Each row names a test."""
    rows = [row for found in tables(PAGE) for row in found.rows if "test" in row]
    assert rows
    assert [] == [row["promise"] for row in rows if not _TEST.search(row["test"])]


def test_no_promise_is_left_out() -> None:
    """Each module of tests/promises proves something on the page."""
    proofs = {path for path, _ in named(PAGE)}
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "tests/promises").glob("test_*.py")}
    assert set() == modules - proofs


def test_the_short_form_is_short() -> None:
    """README names only what the page has at length."""
    assert {path for path, _ in named(README)} <= {path for path, _ in named(PAGE)}
