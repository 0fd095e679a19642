"""The fixtures of the pytest plugin, in runs of pytest of their own."""

from collections.abc import Sequence

import pytest
from inner_pytest import RUNNERS, play

pytest_plugins = ["pytester"]


def test_the_fixtures(pytester: pytest.Pytester) -> None:
    """A test gets an emulated vendor, its client's events, and the real thing between them."""
    done = play(
        pytester,
        """
@pytest.mark.virtual_time
async def test_it(resilient_emulator, resilient_events):
    async with resilient_emulator("unisender") as vendor:
        vendor.script("retry_later")
        config = {"services": {"mail": {"catalog": "unisender", "hosts": [vendor.host]}}}
        told = {"credentials": {"mail": "key"}, "listeners": [resilient_events]}
        async with resilient.session(config, **told) as http:
            async with http.get(f"{vendor.url}/en/api/getLists") as response:
                assert 200 == response.status
    (failed,) = resilient_events.named("attempt_failed")
    assert ("retry_later", 2) == (failed.code, vendor.total)
""",
        *RUNNERS["alone"],
    )
    done.assert_outcomes(passed=1)


DAILY = """
catalog: daily
source: {document: made for this test, read: 2026-11-22}
limits: {daily: {rate: 8000/day, per: host}}
"""


@pytest.mark.parametrize("options", RUNNERS.values(), ids=RUNNERS)
def test_a_quota_of_a_day(pytester: pytest.Pytester, options: Sequence[str]) -> None:
    """What exceeds 8000 a day goes the next day, and the test of it takes no time."""
    pytester.path.joinpath("daily.yaml").write_text(DAILY, "utf-8")
    done = play(
        pytester,
        """
@pytest.mark.virtual_time
async def test_it(resilient_emulator):
    clock = asyncio.get_running_loop().time
    async with resilient_emulator("daily.yaml") as vendor:
        service = {"catalog": "daily.yaml", "hosts": [vendor.host], "timeout": "2d"}
        async with resilient.session({"services": {"x": service}}) as http:
            start = clock()
            with resilient.options(cost=1000):
                for _ in range(8):
                    await http.get(vendor.url)
                assert clock() - start < 1
                await http.get(vendor.url)
            assert 9 == vendor.total and 86400 <= clock() - start < 86400 * 65 / 64
""",
        *options,
    )
    done.assert_outcomes(passed=1)


@pytest.mark.parametrize("options", RUNNERS.values(), ids=RUNNERS)
def test_an_emulator_left_running_is_noticed(
    pytester: pytest.Pytester, options: Sequence[str]
) -> None:
    """A test that starts an emulator by hand and does not stop it hears of it."""
    done = play(
        pytester,
        """
from resilient.testing import Emulator

@pytest.mark.virtual_time
async def test_stopped(resilient_emulator):
    vendor = resilient_emulator("hh")
    await vendor.start()
    await vendor.stop()

@pytest.mark.virtual_time
async def test_left(resilient_emulator):
    vendor = resilient_emulator("hh")
    await vendor.start()
    await Emulator.stop(vendor)  # unseen, so that no socket of this test outlives its loop
""",
        *options,
    )
    done.assert_outcomes(passed=2, errors=1)
    done.stdout.fnmatch_lines(["emulators left running: hh*"])


def test_an_emulator_left_running_is_stopped(pytester: pytest.Pytester) -> None:
    """Where its loop is still there, an emulator that was forgotten is stopped."""
    done = play(
        pytester,
        """
@pytest.fixture(scope="module")
def loop():
    loop = VirtualTimeLoop()
    yield loop
    loop.close()

def test_left(loop, resilient_emulator):
    test_left.vendor = resilient_emulator("hh")
    loop.run_until_complete(test_left.vendor.start())

def test_stopped(loop):
    with pytest.raises(OSError):
        loop.run_until_complete(asyncio.open_connection("127.0.0.1", test_left.vendor.port))
""",
        *RUNNERS["alone"],
    )
    done.assert_outcomes(passed=2, errors=1)
