"""A vendor that counts exactly and says with each answer what is left, beside one that does not."""

import asyncio
from pathlib import Path
from typing import Any

import acme
import aiohttp
import attrs
import pytest

import resilient
from resilient.clock import Clock
from resilient.testing import Emulator


@attrs.frozen(kw_only=True)
class Run:
    """What came of some calls.

    Attributes:
        took: Seconds for all of them.
        refused: How many were refused, of anybody's.
        adapted: How often it was told that a rate has changed.
    """

    took: float
    refused: int
    adapted: int


async def neighbour(vendor: Emulator, every: float) -> None:
    """Take from the same limit, heeding nothing."""
    async with aiohttp.ClientSession() as bare:
        while True:
            await asyncio.sleep(every)
            await bare.get(f"{vendor.url}/things")


async def run(
    folder: Path, rate: str, calls: int, *, hints: bool, every: float = 1e6, **service: Any
) -> Run:
    """Make calls from 40 tasks, beside a neighbour who makes one `every` so many seconds."""
    catalog = acme.write(folder, limits={"calls": {"rate": rate, "per": "ip"}})
    events = list[resilient.Event]()
    async with Emulator(catalog, hints=hints, retry_after=True, latency=(0.01, 0.06)) as vendor:
        keys = {"catalog": catalog, "hosts": [vendor.host], "timeout": "1h", **service}
        middleware = resilient.Middleware(
            {"services": {"acme": keys}},
            listeners=[events.append],
            clock=Clock(chance=lambda: 0.5),
        )
        other = asyncio.ensure_future(neighbour(vendor, every))
        began, numbers = asyncio.get_running_loop().time(), iter(range(calls))
        async with resilient.session(middleware) as http:

            async def work() -> None:
                for _ in numbers:
                    async with http.get(f"{vendor.url}/things"):
                        pass

            await asyncio.gather(*(work() for _ in range(40)))
        took = asyncio.get_running_loop().time() - began
        other.cancel()
        await middleware.aclose()
        refused = sum(each.refused for each in vendor.tallies)
    return Run(took=took, refused=refused, adapted=_told(events))


def _told(events: list[resilient.Event]) -> int:
    return sum(event.name == "resilient.rate_adapted" for event in events)


@pytest.mark.parametrize(("adaptive", "refused"), [(True, False), (False, True)])
async def test_before_a_refusal(tmp_path: Path, adaptive: bool, refused: bool) -> None:
    """A vendor that allows less than it documents, and says so, never has to refuse a call."""
    documented: dict[str, Any] = {"limits": {"calls": {"rate": "120/min"}}, "adaptive": adaptive}
    found = await run(tmp_path, "60/min", 130, hints=True, **documented)
    assert refused == bool(found.refused)


@pytest.mark.parametrize(("rate", "calls"), [("7/s", 140), ("60/min", 130), ("300/min", 330)])
async def test_what_is_known_already(tmp_path: Path, rate: str, calls: int) -> None:
    """Where nobody else takes from a limit, hearing what is left of it slows nothing down."""
    silent = await run(tmp_path, rate, calls, hints=False)
    found = await run(tmp_path, rate, calls, hints=True)
    assert found.took <= 1.02 * silent.took
    assert (0, 0) == (silent.refused, found.refused)
    assert found.adapted <= 5, found


async def test_beside_a_neighbour(tmp_path: Path) -> None:
    """What a neighbour takes is heard before it has a call refused."""
    silent = await run(tmp_path, "60/min", 160, hints=False, every=5.0)
    found = await run(tmp_path, "60/min", 160, hints=True, every=5.0)
    assert found.refused < silent.refused
