from collections import Counter
from contextlib import suppress

import aiohttp
import pytest
from emulated import Ask, emulated, protected

import resilient
from resilient.clock import Clock
from resilient.testing import Emulator, HtmlPage, Reset
from resilient.testing.emulator.conditions import Conditions

CALLS = 120


async def _times(ask: Ask, count: int) -> list[float]:
    found = []
    for _ in range(count):
        began = Clock.now()
        await ask("/me")
        found.append(Clock.now() - began)
    return found


def test_every_reply_takes_its_time() -> None:
    """A latency comes before each reply, and a script may have one of its own."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        emulator.script(None, latency=2.0, after=1)
        assert [0.25, 2.0, 0.25] == pytest.approx(await _times(ask, 3))

    emulated(scene, "hh", latency=0.25)


def test_a_range_is_drawn_from_by_the_seed() -> None:
    """Latencies lie in the range and differ; the same seed draws the same, another others."""
    drawn: dict[int, list[float]] = {}

    async def scene(emulator: Emulator, ask: Ask) -> None:
        drawn[len(drawn)] = await _times(ask, 20)

    for seed in (1, 1, 2):
        emulated(scene, "hh", latency=(0.5, 1.5), seed=seed, limits=False)
    assert all(0.5 <= each <= 1.5 for each in drawn[0])
    assert 20 == len(set(drawn[0]))
    assert drawn[0] == pytest.approx(drawn[1])
    assert drawn[0] != pytest.approx(drawn[2])


def test_time_is_told_when_a_request_comes() -> None:
    """A reply that is late does not move the time at which its request counts."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        began = Clock.now()
        await ask("/me")
        assert began == pytest.approx(emulator.requests[-1].time)

    emulated(scene, "hh", latency=60.0)


async def test_a_share_of_requests_meets_a_fault() -> None:
    """Faults strike about as many requests as told, any answer among them, by the seed."""
    faults = {"reset": 0.2, HtmlPage(504): 0.1}
    seen = []
    for _ in range(2):
        async with Emulator("http", faults=faults, seed=3) as emulator:
            async with protected(emulator, retry_budget="off") as http:
                for n in range(CALLS):
                    emulator.script(200 + n % 2)
                    with suppress(resilient.ResilientError):
                        await http.get(emulator.url)
            seen.append([each.fault for each in emulator.requests])
    assert seen[0] == seen[1]
    counts = Counter(seen[0])
    assert {None, Reset(), HtmlPage(504)} == counts.keys()
    assert 0.12 < counts[Reset()] / len(seen[0]) < 0.28
    assert 0.05 < counts[HtmlPage(504)] / len(seen[0]) < 0.15


async def test_a_script_goes_first() -> None:
    """Where a script has a fault, that one strikes; where all requests meet one, all others do."""
    async with Emulator("http", faults={"html-page": 1.0}) as emulator:
        emulator.script(None, fault="reset")
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientOSError):
                await http.post(emulator.url)
            async with http.post(emulator.url) as response:
                assert 502 == response.status


async def test_early_faults_are_drawn_too() -> None:
    """A share may be cut off before its body is read: the API never saw those."""
    async with Emulator("http", faults={"close-early": 1.0}) as emulator:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await http.post(emulator.url)
        assert ["fault"] == [each.why for each in emulator.requests]


def test_one_sequence_does_not_disturb_the_other() -> None:
    """The same faults are drawn whether or not latencies are."""
    shares = {"reset": 0.3}
    fixed = Conditions(latency=0.0, faults=shares, seed=5)
    ranged = Conditions(latency=(0.0, 1.0), faults=shares, seed=5)
    assert [fixed.fault() for _ in range(99)] == [
        (ranged.delay(), ranged.fault())[1] for _ in range(99)
    ]
