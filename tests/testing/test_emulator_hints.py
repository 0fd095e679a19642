"""Hints that the emulator sends are true, and are what the library reads."""

from collections.abc import Sequence

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from resilient.catalog import Catalog, Limit
from resilient.config.build_catalog import load_catalog, shipped
from resilient.core.hints import Hearing
from resilient.model import Hint
from resilient.testing import Emulator
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.hints import said
from resilient.testing.emulator.limits import Limits

MINE = load_catalog(
    {
        "catalog": "mine",
        "source": {"document": "d", "read": "2026-11-22"},
        "endpoints": {"/search": "search"},
        "limits": {
            "calls": {"rate": "5/10s", "per": ["credential", "ip"]},
            "search": {"rate": "2/500ms", "endpoint": "search"},
            "minute\n": {"rate": "9/min"},
        },
        "hints": {
            "calls": {"limit": "X-Limit", "remaining": "X-Left", "reset": "X-Reset", "unit": "ms"},
            "search": {"used": "X-Used"},
            "any": {"used": "X-All-Used", "reset": "X-All-Reset"},
        },
    }
)


async def headers(path: str = "/things", *, times: int = 1, hints: bool = True) -> dict[str, str]:
    """Return the headers of the last of some answers."""
    found: dict[str, str] = {}
    async with Emulator(MINE, hints=hints) as emulator, aiohttp.ClientSession() as bare:
        for _ in range(times):
            async with bare.get(f"{emulator.url}{path}") as response:
                found = dict(response.headers)
    return {name: value for name, value in found.items() if name[:2] in ("Ra", "X-")}


async def test_what_is_sent() -> None:
    """Each limit of a call is told under its name, and in the headers that the catalog declares."""
    assert {
        "RateLimit-Policy": '"calls";q=5;w=10',
        "RateLimit": '"calls";r=3;t=10',
        "X-Limit": "5",
        "X-Left": "3",
        "X-Reset": "10000",
        "X-All-Used": "2/5",
        "X-All-Reset": "10",
    } == await headers(times=2)
    assert "1/2" == (await headers("/search"))["X-Used"]


async def test_refusals_tell_it_too() -> None:
    """An answer that refuses says that nothing is left, and until when."""
    found = await headers(times=6)
    assert ('"calls";r=0;t=10', "0", "5/5") == (
        found["RateLimit"],
        found["X-Left"],
        found["X-All-Used"],
    )


async def test_nothing_to_tell() -> None:
    """A catalog without limits has nothing to tell."""
    async with (
        Emulator("http", hints=True) as emulator,
        aiohttp.ClientSession() as bare,
        bare.get(f"{emulator.url}/x") as response,
    ):
        assert not [name for name in response.headers if "RateLimit" in name]


async def test_only_where_asked_for() -> None:
    """Unless it is asked for, nothing is told: so do the vendors of the shipped catalogs."""
    assert {} == await headers(hints=False)


def _one(calls: int, period: float) -> Catalog:
    limit = Limit(name="calls", calls=calls, period=period, per=(("ip",),))
    return Catalog(name="one", source=shipped("http").source, limits=(limit,))


@pytest.mark.parametrize("count_refused", [False, True])
@given(
    gaps=st.lists(st.integers(0, 8), min_size=1, max_size=60),
    calls=st.integers(1, 6),
    period=st.integers(1, 20),
)
def test_what_is_told_is_true(
    gaps: Sequence[int], calls: int, period: int, *, count_refused: bool
) -> None:
    """As many calls as are left are let through at once, and no more; at `t` there is room."""
    catalog = _one(calls, float(period))
    limits, now = Limits(catalog.limits, count_refused=count_refused), 1_000_000.0
    under = limits.arrive(Asked(method="GET", path="/", time=now))
    for gap in gaps:
        now += gap / 4
        limits.take(under, now)
    (policy, state) = Hearing.of(catalog, catalog).hints(CIMultiDict(said((), under, now)), now=0.0)
    assert Hint(limit="calls", calls=calls, period=float(period)) == policy
    assert state.remaining is not None
    assert state.reset is not None
    for _ in range(state.remaining):
        assert limits.take(under, now) is None
    assert under[0].is_full(now)
    assert not under[0].is_full(now + state.reset) or state.remaining
