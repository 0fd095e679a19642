"""Limits as the server sees them: behind a way that varies, whatever it hints, byte by byte."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
import raw_server
from acme import Connect
from naive import full_bucket
from oracle import most_in_window
from promises.conftest import Figure, Scale
from raw_server import RawServer, Wire
from toxic import toxic

import resilient
from resilient.credentials import Bearer
from resilient.state import needs

PATIENT = {"timeout": "10d", "max_queue": 20_000}
SEARCH = "/search"


def limits(**rates: str) -> dict[str, Any]:
    """Return a catalog's limits: of the credential and the address, or of one endpoint."""
    return {
        "limits": {
            name: {
                "rate": rate,
                "per": ["credential", "ip"],
                **({"endpoint": name} if name == "search" else {}),
            }
            for name, rate in rates.items()
        }
    }


Greed = Callable[[dict[str, str], list[str]], Awaitable[list[raw_server.Request]]]
"""Makes a call and, after a silence, many at once; returns how these arrived."""


@pytest.fixture
def greed(raw: RawServer, tmp_path: Path) -> Greed:
    """Be greedy under limits, behind a way on which each chunk is up to 50 ms late."""
    chance = random.Random(1)

    async def make(rates: dict[str, str], paths: list[str]) -> list[raw_server.Request]:
        async with (
            toxic(raw.port, latency=lambda: chance.uniform(0, 0.05)) as proxy,
            acme.connecting(proxy, tmp_path)(catalog=limits(**rates), **PATIENT) as api,
        ):
            await api.get(paths[0])
            await asyncio.sleep(300)
            raw.hits.clear()
            await asyncio.gather(*(api.call("POST", path) for path in paths))
        return raw.hits

    return make


def used(hits: list[raw_server.Request], calls: int) -> float:
    """Return the share of a limit of a minute that was used."""
    return (len(hits) - 1) / (hits[-1].at - hits[0].at) * 60 / calls


def fullest(hits: list[raw_server.Request]) -> int:
    """Return the most that arrived in a minute."""
    return most_in_window([(hit.at, 1) for hit in hits], 60)


SLOW = {"calls": "60/min"}
CASES = [
    ({"calls": "1200/min"}, 1260, 12_000),
    (SLOW, 130, 1200),
    ({"calls": "240/min", "search": "60/min"}, 300, 2400),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: " and ".join(case[0].values()))
async def test_behind_a_way_that_varies(
    greed: Greed, case: tuple[dict[str, str], int, int], scale: Scale, figure: Figure
) -> None:
    """Requests that are up to 50 ms late keep every limit at the server, and use 99 % of it."""
    rates, count = case[0], scale(*case[1:])
    every = 4 if "search" in rates else count + 1
    hits = await greed(rates, [SEARCH if n % every == 1 else "/other" for n in range(count)])
    assert count == len(hits)
    for name, rate in rates.items():
        calls = int(rate.removesuffix("/min"))
        own = [hit for hit in hits if name == "calls" or hit.target == SEARCH]
        assert fullest(own) <= calls
        share = used(own, calls)
        assert 0.99 <= share <= 1.001
        figure("A1", f"most in a minute at the server, {name} {rate}", fullest(own), of=len(own))
        figure("A1", f"share used, {name} {rate}", share)


async def test_a_bucket_of_the_limits_own_size_is_caught(
    greed: Greed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: what a full bucket lets through after a silence stands in the log."""
    monkeypatch.setattr(needs, "pace", full_bucket)
    assert 60 < fullest(await greed(SLOW, ["/other"] * 130))


def unreliable(chance: random.Random) -> raw_server.Answer:
    """Return a server that redirects, fails, refuses and hangs up, by chance."""

    def says(code: str, status: str, *headers: str) -> bytes:
        return raw_server.whole(status, b'{"errors": [{"code": "%s"}]}' % code.encode(), *headers)

    async def answer(wire: Wire) -> bool:
        if wire.request.target == "/token":
            return await raw_server.reply()(wire)
        fates: list[raw_server.Answer] = [
            raw_server.reply(says("broken", "503 Broken")),
            raw_server.reply(raw_server.whole("302 Found", b"", "Location: /hop")),
            raw_server.reset(),
            raw_server.reset(b"HTTP/1.1 200 OK\r\nContent-"),
            raw_server.reply(b"", keep=False),
            raw_server.reply(says("expired", "401 Expired")),
            raw_server.reply(says("slow_down", "429 Slow", "Retry-After: 1")),
        ]
        fate = chance.choice(fates) if chance.random() < 0.3 else raw_server.reply()
        return await fate(wire)

    return answer


async def make(http: aiohttp.ClientSession, url: str, count: int) -> int:
    """Make calls, 20 at a time, of which some fail; return how many."""
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            method = ("GET", "GET", "PUT", "POST")[number % 4]
            try:
                async with http.request(method, f"{url}/things", data=b"x" * 10) as response:
                    await response.read()
            except aiohttp.ClientError:
                pass

    await asyncio.gather(*(work() for _ in range(20)))
    return count


async def test_every_send_is_charged(
    raw: RawServer, reach: Connect, scale: Scale, figure: Figure
) -> None:
    """Resends, redirects, renewals and calls without answer: what is charged is what arrived."""

    async def refresh(http: Any) -> str:
        async with http.post(f"{raw.url}/token") as response:
            return str(response.status)

    async with reach(
        catalog={"limits": {"all": {"rate": "99999999/day", "per": ["ip"]}}},
        credentials=Bearer(lambda: "old", refresh),
        retry_budget="off",
    ) as api:
        raw.default = unreliable(random.Random(1))
        calls = await make(api.http, api.url, scale(400, 20_000))
        (gate,) = api.middleware._admission.memory.limits["all"].values()
    charged = gate.gauge._total  # type: ignore[attr-defined]
    assert calls * 1.2 < len(raw.hits)
    assert len(raw.hits) == charged
    figure("A2", "sends that were not charged", len(raw.hits) - charged, of=f"{calls:,} calls")


async def test_a_limiter_around_the_call_is_caught(raw: RawServer) -> None:
    """Negative control: one token a call leaves aiohttp's own resends and redirects uncharged."""
    raw.default = unreliable(random.Random(1))
    async with aiohttp.ClientSession() as http:
        charged = await make(http, raw.url, 300)
    assert charged < len(raw.hits)


WAITS = [
    "0",
    "1",
    "7",
    "30",
    " 12 ",
    "007",
    "-5",
    "1.5",
    "1e9",
    "nan",
    "\u00b3",
    "1_0",
    "+3",
    "0x1F",
]
WAITS += ["", ",", "5, 9", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"]
HINTS = ["RateLimit-Limit: 1000000", "X-RateLimit-Remaining: 99999", "X-RateLimit-Reset: 0"]
HINTS += ['RateLimit: "default";r=1000000;t=0', 'RateLimit-Policy: "default";q=1000000;w=1']
HINTS += ["X-Rate-Limit: unlimited", "Retry-After: -1", "Age: 5", "Retry-After: 0"]


async def round_of(
    raw: RawServer, reach: Connect, chance: random.Random
) -> tuple[list[float], float, float]:
    """Refuse one call of many; return when each arrived, and the start and end of the pause."""
    wait, hints = chance.choice(WAITS), chance.sample(HINTS, 3)
    generous = raw_server.whole("200 OK", b"{}", *hints)
    refusal = raw_server.whole(
        "429 Slow", b'{"errors": [{"code": "slow_down"}]}', f"Retry-After: {wait}", *hints
    )
    raw.hits.clear()
    raw.default = raw_server.reply(generous)
    adaptive = chance.random() < 0.5
    async with reach(catalog=limits(calls="10/s"), timeout="60s", adaptive=adaptive) as api:
        await api.get()
        rate = api.state().rates["calls"]
        calls = [asyncio.ensure_future(api.get()) for _ in range(30)]
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        raw.script.append(raw_server.reply(refusal))
        while not api.told("scope_paused"):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        (pause,), heard = api.told("scope_paused"), asyncio.get_running_loop().time()
        await asyncio.gather(*calls, return_exceptions=True)
        left = api.state().rates["calls"]
        assert rate >= left if adaptive else rate == left
    if wait.strip().isdigit() and wait.isascii():
        assert int(wait) <= pause["delay"]
    return [hit.at for hit in raw.hits], heard, heard - 0.002 + pause["delay"]


async def test_hints_only_tighten(
    raw: RawServer, reach: Connect, scale: Scale, figure: Figure
) -> None:
    """No header raises the rate, and nothing is sent in a pause but what was under way."""
    chance, rounds = random.Random(1), scale(15, 400)
    for _ in range(rounds):
        arrived, heard, end = await round_of(raw, reach, chance)
        assert [] == [at for at in arrived if heard < at < end]
        assert most_in_window([(at, 1) for at in arrived], 1) <= 10
    figure("A6", "sends within a pause", 0, of=f"{rounds:,} refusals")
    figure("A6", "windows over N under generous hints", 0, of=rounds)


async def test_the_wall_clock_changes_nothing(raw: RawServer, tmp_path: Path) -> None:
    """Steps of the wall clock, of an hour or a year, to and fro, move not one send."""
    refusal = raw_server.whole(
        "429 Slow", b'{"errors": [{"code": "slow_down"}]}', "Retry-After: 20"
    )

    async def sent(steps: list[float]) -> list[float]:
        chance, began = random.Random(1), asyncio.get_running_loop().time()
        raw.hits.clear()
        clock = resilient.clock.Clock(wall=lambda: 1.7e9 + chance.choice(steps), chance=lambda: 0.5)
        config = {"catalog": acme.write(tmp_path, **limits(calls="60/min")), "hosts": [raw.host]}
        middleware = resilient.Middleware(
            {"services": {"acme": config}}, credentials={"acme": "key"}, clock=clock
        )
        async with resilient.session(middleware) as http:
            for script in range(3):
                raw.script.append(raw_server.reply(refusal))
                async with asyncio.TaskGroup() as group:
                    for _ in range(10):
                        group.create_task(http.get(f"{raw.url}/{script}"))
                middleware.state()
        return [round(hit.at - began, 6) for hit in raw.hits]

    still = await sent([0.0])
    year = 31_536_000.0
    assert 33 == len(still)
    assert still == await sent([0.0, 3600.0, -3600.0, year, -year])
