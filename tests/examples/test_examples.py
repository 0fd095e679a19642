"""The examples are what a user would write: they run, and are short."""

import ast
import asyncio
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from resilient.testing import run

EXAMPLES = Path(__file__).parents[2] / "examples"
LONGEST = 20
SAID = {
    "hh": """\
hh.ru saw 24 requests: 20 answered, 2 refused for a token that has run out, 2 to renew tokens.
You have read 20 pages of vacancies.
""",
    "unisender": """\
Your lists: {'result': 'ok'}
Your letter: {'result': 'ok'}
Your text message: invalid_api_key. Compare api_key with the key in the account's settings; \
it is static and never renews.
UniSender saw GET getLists, the key in the query: \
HTTP 200 with api_call_limit_exceeded_for_api_key.
UniSender saw GET getLists, the key in the query: HTTP 200 with no error.
UniSender saw POST sendEmail, the key in the form: HTTP 200 with no error.
UniSender saw POST sendSms, the key in the form: HTTP 200 with invalid_api_key.
""",
    "dellin": """\
The price: {'result': 'ok'}
The order: {'result': 'ok'}
Dellin saw 5 requests: 2 to log in, 2 answered, 1 refused for a session that has run out, \
at 45 a minute as documented.
3 of 3 bodies held the appkey and the session's id.
""",
    "amocrm": """\
amoCRM saw 4050 requests: 25 refused for a token that has run out, 4000 answered, \
25 to renew tokens.
No account was called more than 7 times in any second; 7 are allowed.
""",
}
SLOW = {"amocrm"}
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in SAID]


def lines_of_code(text: str) -> int:
    """Return how many lines hold code: the docstring at the top, blanks and comments do not."""
    lines = text.splitlines()[ast.parse(text).body[0].end_lineno :]
    return sum(not each.strip().startswith("#") for each in lines if each.strip())


def play(name: str, patch: pytest.MonkeyPatch) -> None:
    """Run an example as it stands, in virtual time."""
    patch.syspath_prepend(EXAMPLES)
    patch.setattr(asyncio, "run", run)
    patch.delitem(sys.modules, "_emulated", raising=False)
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def test_all_are_here() -> None:
    """Every example is run below."""
    found = {each.stem for each in EXAMPLES.glob("*.py")}
    assert {*SAID, "_emulated"} == found


@pytest.mark.parametrize("name", NAMES)
def test_says(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example runs as it stands, and says what happened."""
    play(name, monkeypatch)
    assert SAID[name] == capsys.readouterr().out


def test_without_the_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the library an error inside HTTP 200 is taken for what was asked for."""
    monkeypatch.setenv("RESILIENT_MODE", "off")
    play("unisender", monkeypatch)
    assert "Your lists: {'error': " in capsys.readouterr().out


@pytest.mark.real_time
def test_from_the_command_line() -> None:
    """`python examples/unisender.py` is all it takes."""
    paths = [str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / "unisender.py"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, SAID["unisender"]) == (done.returncode, done.stdout), done.stderr


@pytest.mark.parametrize("name", SAID)
def test_short(name: str) -> None:
    """No example is longer than 20 lines of code, imports and all."""
    assert lines_of_code((EXAMPLES / f"{name}.py").read_text()) <= LONGEST


def test_lines_of_code() -> None:
    """The docstring at the top, comments and blank lines are no code; all else is."""
    text = '"""What\n\nit is."""\n\nimport os\n\nx = f(\n    1,\n)  # so\n# why\n'
    assert 4 == lines_of_code(text)
