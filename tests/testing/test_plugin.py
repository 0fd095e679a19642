"""The pytest plugin, in runs of pytest of its own: what it runs, gives, refuses, leaves alone."""

import asyncio
from collections.abc import Sequence

import pytest
from inner_pytest import RUNNERS, play

from resilient.testing import VirtualTimeLoop

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("options", RUNNERS.values(), ids=RUNNERS)
def test_a_marked_test_runs_in_virtual_time(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    """A marked async test sleeps for a day at once, whoever runs the async tests here."""
    done = play(
        pytester,
        """
@pytest.mark.virtual_time
async def test_function():
    start = asyncio.get_running_loop().time()
    await asyncio.sleep(86400)
    assert pytest.approx(86400) == asyncio.get_running_loop().time() - start

class TestMethods:
    pytestmark = pytest.mark.virtual_time

    @pytest.mark.parametrize("hours", [1, 2])
    async def test_method(self, hours, tmp_path):
        await asyncio.sleep(hours * 3600)
        assert virtual() and tmp_path.exists()

    def test_sync(self):
        pass
""",
        *options,
    )
    done.assert_outcomes(passed=4)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_other_tests_are_left_alone(pytester: pytest.Pytester, mode: str) -> None:
    """Before, between and after marked tests, an unmarked one has the loop it would have had."""
    done = play(
        pytester,
        """
pytestmark = pytest.mark.asyncio

async def test_before():
    assert not virtual()

@pytest.mark.virtual_time
async def test_marked():
    assert virtual()

async def test_between():
    assert not virtual()

@pytest.mark.virtual_time
async def test_marked_too():
    assert virtual()

async def test_after(request):
    assert not virtual() and not hasattr(request.node, "callspec")
""",
        *RUNNERS[mode],
    )
    done.assert_outcomes(passed=5)


def test_an_unmarked_test_is_nobodys(pytester: pytest.Pytester) -> None:
    """Where nobody runs async tests, an unmarked one fails as it does without the plugin."""
    done = play(pytester, "async def test_it(): pass", *RUNNERS["alone"])
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_the_users_own_loops_stay(pytester: pytest.Pytester) -> None:
    """A user's hook for pytest-asyncio is asked for unmarked tests, and for no marked one."""
    pytester.makeconftest(
        """
import asyncio
class Own(asyncio.SelectorEventLoop): pass
def pytest_asyncio_loop_factories(config, item): return {"one": Own, "two": Own}
"""
    )
    done = play(
        pytester,
        """
async def test_own():
    assert "Own" == type(asyncio.get_running_loop()).__name__

@pytest.mark.virtual_time
async def test_marked():
    assert virtual()
""",
        *RUNNERS["auto"],
    )
    done.assert_outcomes(passed=3)


@pytest.mark.parametrize("options", RUNNERS.values(), ids=RUNNERS)
def test_a_whole_suite_and_the_exceptions(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    """One line marks all tests; of the two markers the closest decides."""
    pytester.makeconftest("def pytest_sessionstart(session): session.add_marker('virtual_time')")
    done = play(
        pytester,
        '''
async def test_virtual():
    assert virtual()

@pytest.mark.asyncio
@pytest.mark.real_time
async def test_real():
    assert not virtual()

def documented():
    """
    >>> 1 + 1
    2
    """
''',
        "--doctest-modules",
        *options,
    )
    real = {"failed": 1} if "no:asyncio" in options else {"passed": 1}
    done.assert_outcomes(passed=2 + real.pop("passed", 0), **real)


async def test_our_own_suite_is_virtual() -> None:
    """This project's own tests run by the plugin."""
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


@pytest.mark.real_time
async def test_our_own_suite_has_exceptions() -> None:
    """Those that are marked run on an ordinary loop."""
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            "@pytest.mark.asyncio(loop_factories=['uvloop'])\nasync def test_it(): pass",
            "*needs pytest-asyncio 1.4*",
        ),
        ("@pytest.mark.anyio\nasync def test_it(): pass", '*"loop_factory": *VirtualTimeLoop*'),
        (
            """
import unittest
class Test(unittest.IsolatedAsyncioTestCase):
    async def test_it(self): pass
""",
            "*loop_factory = VirtualTimeLoop*",
        ),
        (
            """
import pytest_asyncio
@pytest_asyncio.fixture
async def thing(): pass
async def test_it(thing): pass
""",
            "*async fixtures (thing)*mark it asyncio, too*@pytest_asyncio.fixture*",
        ),
        ("@pytest.mark.virtual_time\ndef test_it(): pass", "*resilient.testing.run*asyncio.run*"),
    ],
)
def test_what_would_run_in_real_time_fails(
    pytester: pytest.Pytester, test: str, words: str
) -> None:
    """A marked test that somebody else would run in real time fails, and says what to do."""
    marked = f"pytestmark = pytest.mark.virtual_time\n{test}"
    done = play(pytester, marked)
    assert {"errors"} == done.parseoutcomes().keys()
    done.stdout.fnmatch_lines([words])


def test_async_fixtures_need_somebody(pytester: pytest.Pytester) -> None:
    """Where nobody runs async fixtures, the advice is to install who does."""
    done = play(
        pytester,
        """
@pytest.fixture
async def thing(): pass

@pytest.mark.virtual_time
@pytest.mark.asyncio
async def test_it(thing): pass
""",
        *RUNNERS["alone"],
    )
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*async fixtures (thing)*install pytest-asyncio*"])


@pytest.mark.parametrize("options", RUNNERS.values(), ids=RUNNERS)
def test_the_marker_takes_a_grace(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    """The loop waits for the grace that the closest marker asks for, and else for its own."""
    done = play(
        pytester,
        """
from resilient.testing.loop import GRACE
pytestmark = pytest.mark.virtual_time(grace=1)

def grace():
    return asyncio.get_running_loop()._jumping._grace

async def test_module():
    assert 1 == grace()

@pytest.mark.virtual_time(grace=0.5)
async def test_own():
    assert 0.5 == grace()

@pytest.mark.virtual_time
async def test_default():
    assert GRACE == grace()

@pytest.mark.virtual_time(grace=0.5)
async def test_own_again():
    assert 0.5 == grace()
""",
        *options,
    )
    done.assert_outcomes(passed=4)


@pytest.mark.parametrize("options", RUNNERS.values(), ids=RUNNERS)
@pytest.mark.parametrize(
    "wrong", ["1", "grave=1", "grace='1'", "grace=-1", "grace=True", "grace=[1]"]
)
def test_the_marker_takes_nothing_else(
    pytester: pytest.Pytester, wrong: str, options: Sequence[str]
) -> None:
    """Anything else in the marker is an error of the test, which names it."""
    test = f"@pytest.mark.virtual_time({wrong})\nasync def test_it(): pass"
    done = play(pytester, test, *options)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"virtual_time({wrong.replace('[', '[[]')}): it takes grace=…*"])


def test_the_start_is_cheap(pytester: pytest.Pytester) -> None:
    """Starting pytest loads nothing of the package, aiohttp or YAML: only a test that uses it."""
    done = play(
        pytester,
        """
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("resilient")
    assert set() == {"resilient", "aiohttp", "yaml"} & set(sys.modules)
""",
        "-p",
        "resilient",
        head="",
        apart=True,
    )
    done.assert_outcomes(passed=1)


def test_it_can_be_left_out(pytester: pytest.Pytester) -> None:
    """`-p no:resilient` takes the fixtures and the markers away."""
    done = play(pytester, "def test_it(resilient_events): pass", "-p", "no:resilient")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*fixture 'resilient_events' not found*"])


def test_it_says_what_it_has(pytester: pytest.Pytester) -> None:
    """`--markers` and `--fixtures` tell what there is."""
    markers = play(pytester, "", "--markers").stdout
    markers.fnmatch_lines(["@pytest.mark.virtual_time(grace=0.002):*", "@pytest.mark.real_time:*"])
    fixtures = play(pytester, "", "--fixtures").stdout
    fixtures.fnmatch_lines(["resilient_events*", "resilient_emulator*"])
