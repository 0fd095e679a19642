"""What a server says of its limits in headers slows calls down before one is refused."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import acme
import pytest
from acme import Client, Connect, connecting
from oracle import most_in_window
from server import Server, serving

import resilient

LIMITS = {
    "calls": {"rate": "600/min"},
    "search": {"rate": "600/min", "endpoint": "search"},
    "daily": {"rate": "10000/day"},
}
HINTS = {
    "calls": {"limit": "X-Limit", "remaining": "X-Left", "reset": "X-Reset"},
    "search": {"used": "X-Search", "reset": "X-Reset"},
}
CATALOG = {"limits": LIMITS, "hints": HINTS}


async def two(server: Server, api: Client, headers: Mapping[str, str], **answer: Any) -> float:
    """Make two calls, the first answered with these headers; return the time between them."""
    server.then(headers=dict(headers), **answer)
    await api.get()
    await api.get()
    return acme.times(server)[-1]


async def several(api: Client, count: int) -> None:
    """Make one call, and then some at once."""
    await api.get()
    await asyncio.gather(*(api.get() for _ in range(count - 1)))


def within(server: Server, seconds: float) -> int:
    """Return how many calls came in the first seconds."""
    return sum(time < seconds for time in acme.times(server))


NOTHING_LEFT: list[Mapping[str, str]] = [
    {"RateLimit": '"calls";r=0;t=30'},
    {"RateLimit": '"of-all";r=0;t=30'},
    {"RateLimit": '"daily";r=0;t=30'},
    {"RateLimit": '"minutely";r=0', "RateLimit-Policy": '"minutely";q=600;w=60'},
    {"X-Left": "0", "X-Reset": "30"},
    {
        "X-Left": "0",
        "X-Reset": "Thu, 01 Jan 2026 00:00:30 GMT",
        "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
    },
    {"X-Left": "0"},
    {"RateLimit": '"calls";r=0;t=5', "Retry-After": "30"},
]


@pytest.mark.parametrize("headers", NOTHING_LEFT, ids=str)
async def test_nothing_left(server: Server, connect: Connect, headers: Mapping[str, str]) -> None:
    """A server that says that nothing is left until a time is not called before it."""
    async with connect(catalog=CATALOG) as api:
        assert 30 <= await two(server, api, headers) < 61.5


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_any_status(server: Server, connect: Connect, status: int) -> None:
    """What is said with an error is heeded as what is said with a success."""
    headers = {"X-Left": "0", "X-Reset": "30", "X-Limit": "60"}
    server.then(status=status, text="", headers=headers)
    async with connect(catalog=CATALOG, on_error="return") as api:
        await api.get()
        await api.get()
    assert 30 <= acme.times(server)[1] < 33
    assert ["calls"] == [each["limit"] for each in api.told("rate_adapted")]


async def test_those_who_wait(server: Server, connect: Connect) -> None:
    """The answer that lets others go says first that nothing is left for them."""
    server.script.append(acme.slowly(0.5, {"headers": {"X-Left": "0", "X-Reset": "30"}}))
    async with connect(catalog=CATALOG) as api:
        await asyncio.gather(*(api.get() for _ in range(5)))
    assert 1 == within(server, 30)


@pytest.mark.parametrize(
    ("per", "waits"),
    [(["credential", "ip"], False), (["credential+ip", "ip"], False), ("ip", True)],
)
async def test_whose_limit(
    server: Server, connect: Connect, per: str | list[str], waits: bool
) -> None:
    """Who has used up his own limit stops the others only where it is theirs as well."""
    catalog = {"limits": {"calls": {"rate": "600/min", "per": per}}}
    server.then(headers={"RateLimit": '"calls";r=0;t=30'})
    async with connect(catalog=catalog, credentials={"a": "key-a", "b": "key-b"}) as api:
        for name in ("a", "b", "a"):
            with resilient.options(credential=name):
                await api.get()
    own, again = acme.times(server)[1:]
    assert waits == (own >= 30)
    assert again >= 30


async def test_what_most_servers_send(server: Server, connect: Connect) -> None:
    """Where a catalog declares nothing, X-RateLimit-Remaining and -Reset hold for all limits."""
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}
    async with connect(catalog={"limits": LIMITS}) as api:
        assert 30 <= await two(server, api, headers) < 31.5


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit": '"calls";r=0;t=-30'},
        {"RateLimit": "calls;r=0;t=30"},
        {"RateLimit": '"calls";r=0;t=30', "Age": "5"},
        {"RateLimit": '"calls";r=0;t=99999999'},
        {"RateLimit": '"search";r=0;t=30'},  # a limit that the call is not under
        {"RateLimit": '"x";r=0;t=30', "RateLimit-Policy": '"x";q=9;w=60;qu="content-bytes"'},
        {"X-Left": "-1", "X-Reset": "30"},
        {"X-Search": "5/5", "X-Reset": "30"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"},  # the catalog has its own
    ],
    ids=str,
)
async def test_no_hint(server: Server, connect: Connect, headers: Mapping[str, str]) -> None:
    """What is malformed, old, absurd, or about something else stops nobody."""
    async with connect(catalog=CATALOG) as api:
        assert 0 <= await two(server, api, headers) < 1


@pytest.mark.parametrize("headers", NOTHING_LEFT, ids=str)
async def test_switched_off(server: Server, connect: Connect, headers: Mapping[str, str]) -> None:
    """A service that is not adaptive goes by the documented limits alone."""
    async with connect(catalog=CATALOG, adaptive=False) as api:
        assert 0 <= await two(server, api, headers) < 1


@pytest.mark.parametrize(
    "headers", [{"X-Left": "5", "X-Reset": "30"}, {"RateLimit": '"calls";r=5;t=30'}], ids=str
)
async def test_what_is_left(server: Server, connect: Connect, headers: Mapping[str, str]) -> None:
    """No more calls go than are left until then, and the others go then."""
    server.then(headers=dict(headers))
    async with connect(catalog=CATALOG) as api:
        await several(api, 9)
    assert 1 < within(server, 30) <= 1 + 5
    assert acme.times(server)[-1] < 32


@pytest.mark.parametrize("limit", ["calls", "daily", "unknown"])
async def test_what_is_left_for_long(server: Server, connect: Connect, limit: str) -> None:
    """What is left for more than a minute is counted: that many go at once, and no more."""
    server.then(headers={"RateLimit": f'"{limit}";r=5;t=300'})
    async with connect(catalog=CATALOG, timeout="10m") as api:
        await several(api, 9)
    assert 1 + 5 == within(server, 1) == within(server, 300)
    assert acme.times(server)[-1] < 302


async def test_a_day_is_no_pace(server: Server, connect: Connect) -> None:
    """Many calls that are left for a long time do not slow those of a minute down."""
    headers = {
        "RateLimit-Policy": '"d";q=9000;w=86400, "h";q=5000;w=3600',
        "RateLimit": '"d";r=8000;t=80000, "h";r=4900;t=3500',
    }
    server.then(headers=headers)
    async with connect(catalog=CATALOG) as api:
        await several(api, 101)
    assert acme.times(server)[-1] < 12


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit-Policy": '"calls";q=60;w=60'},
        {"RateLimit-Policy": '"other";q=60;w=60'},
        {"X-Limit": "60"},
    ],
    ids=str,
)
async def test_a_lower_limit(server: Server, connect: Connect, headers: Mapping[str, str]) -> None:
    """A limit that the server says is lower than documented is kept, and told."""
    server.default["headers"] = dict(headers)
    async with connect(catalog=CATALOG, timeout="10m") as api:
        await several(api, 121)
    assert most_in_window([(hit.at, 1) for hit in server.hits[1:]], 60) <= 60
    (told,) = [each for each in api.told("rate_adapted") if each["limit"] == "calls"]
    assert ("hint", 60) == (told["reason"], round(told["detail"]["observed"]))


GENEROUS = {
    "RateLimit-Policy": '"calls";q=100000;w=60',
    "RateLimit": '"calls";r=99999;t=1',
    "X-Left": "99999",
    "X-Limit": "100000",
}


async def refused_once(folder: Path, headers: Mapping[str, str]) -> list[float]:
    """Return when calls arrive at a server that refuses one and says this with each answer."""
    async with serving() as server:
        server.default["headers"] = dict(headers)
        server.then(times=90, headers=dict(headers))
        refusal = acme.says("slow_down", status=429, after=30)
        server.script.append({**refusal, "headers": {**refusal["headers"], **headers}})
        slow = {"limits": LIMITS | {"calls": {"rate": "60/min"}}, "hints": HINTS}
        async with connecting(server, folder)(catalog=slow, timeout="10m") as api:
            await several(api, 150)
        return acme.times(server)


async def test_never_looser(tmp_path: Path) -> None:
    """However much a server says it allows, no call goes sooner than if it had said nothing.

    Not faster than documented, not within a pause, not as if no call had been refused.
    """
    without, generous = await refused_once(tmp_path, {}), await refused_once(tmp_path, GENEROUS)
    assert len(without) == len(generous) == 151
    assert all(late >= early - 0.01 for early, late in zip(without, generous, strict=True))
    assert most_in_window([(time, 1) for time in generous], 60) <= 60
    assert generous[91] >= generous[90] + 30


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_said(server: Server, connect: Connect, seed: int) -> None:
    """Whatever a server says with its answers, the limit holds and every call is made."""
    dice = Random(seed)

    def figure() -> str:
        return dice.choice(("0", "1", "7", "60", "100000", "-1", "x", "999999999999"))

    def headers() -> dict[str, str]:
        until = dice.choice(("1", "9", "-1", "0", "x"))
        return {
            "RateLimit-Policy": f'"calls";q={figure()};w={dice.choice(("1", "60", "3600"))}',
            "RateLimit": f'"{dice.choice(("calls", "daily", "x"))}";r={figure()};t={until}',
            "X-Left": figure(),
            "X-Reset": until,
        }

    for _ in range(100):
        server.then(headers=headers())
    limits = {"calls": {"rate": "60/min"}, "daily": {"rate": "10000/day"}}
    async with connect(
        catalog={**CATALOG, "limits": limits | {"search": LIMITS["search"]}}, timeout="1d"
    ) as api:
        await several(api, 150)
    assert most_in_window([(hit.at, 1) for hit in server.hits], 60) <= 60
    assert 150 == len(server.hits)


async def test_an_operator_lifts_it(server: Server, connect: Connect) -> None:
    """What a server has said for a month is lifted by hand as a pause is, also for who waits."""
    server.then(headers={"RateLimit": '"calls";r=0;t=2600000'})
    async with connect(catalog=CATALOG, timeout="40d") as api:
        await api.get()
        with resilient.options(timeout=300), pytest.raises(resilient.DeadlineExceeded):
            await api.get()
        waiting = asyncio.ensure_future(api.get())
        await asyncio.sleep(5)
        await api.middleware.release("acme")
        await waiting
        await api.get()
    assert 6 > acme.times(server)[-1]
