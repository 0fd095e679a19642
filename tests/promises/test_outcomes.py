"""Outcomes: a call ends in exactly one way, and what was told of it adds up."""

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import acme
import aiohttp
import attrs
import pytest
import raw_server
from acme import Connect
from naive import Retry
from promises.conftest import Figure, Scale
from raw_server import RawServer
from yarl import URL

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer

End = Literal["ok", "failed", "cancelled", "refused by aiohttp"]

BATCH, CLIENTS = 50, 4
SERVICE: dict[str, Any] = {
    "attempt_timeout": "5s",
    "timeout": "60s",
    "retry_budget": "off",
    "policies": {
        "retry": {"action": "retry", "attempts": 3, "delay": {"base": "1s", "cap": "5s"}},
        "back_off": {"action": "back_off", "attempts": 4, "delay": {"base": "1s", "cap": "5s"}},
    },
}
ANSWERS: tuple[raw_server.Answer, ...] = (
    *[raw_server.reply()] * 6,
    raw_server.reset(),
    raw_server.reset(b"HTTP/1.1 200 OK\r\nCont"),
    raw_server.reply(b"", keep=False),
    raw_server.reply(b"no HTTP\r\n\r\n", keep=False),
    raw_server.stall,
    raw_server.reply(raw_server.whole("503 Unavailable", b" " * 1000)),
    raw_server.reply(raw_server.whole("503 Unavailable", b" " * 100_000)),
    raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 2")),
    raw_server.reply(raw_server.whole("401 Unauthorized", b'{"errors": [{"code": "expired"}]}')),
    raw_server.reply(raw_server.whole("404 Not Found", b"")),
    raw_server.endless(raw_server.head("500 Broken", "Transfer-Encoding: chunked"), b" ", every=1),
)


def astray(ends: Mapping[int, End], failures: Iterable[int]) -> list[int]:
    """Return the calls that were told failed other than exactly once when they failed."""
    told = Counter(failures)
    return [call for call, end in ends.items() if told[call] != (end == "failed")]


@attrs.define(eq=False)
class Ledger:
    """What became of each call, by its number, and what was told of it."""

    ends: dict[int, End] = attrs.field(factory=dict)
    told: dict[int, list[dict[str, Any]]] = attrs.field(factory=lambda: defaultdict(list))

    def hear(self, event: resilient.Event) -> None:
        """Listen."""
        keys = event.asdict()
        if "call" in keys:
            self.told[int(URL(keys["url"]).query["n"])].append(keys)

    def numbers(self, name: str, call: int) -> list[int | None]:
        """Return the attempts that events of one name are about."""
        return [each.get("attempt") for each in self.told[call] if each["event"] == name]

    def failures(self) -> list[int]:
        """Return the calls that were told failed, as often as they were."""
        return [call for call in self.told for _ in self.numbers("resilient.call_failed", call)]

    def gaps(self, sends: Mapping[int, int]) -> list[int]:
        """Return the calls whose attempts are not numbered 1, 2, 3 … up to the sends counted."""
        return [call for call in self.ends if not self._adds_up(call, sends[call])]

    def _adds_up(self, call: int, sends: int) -> bool:
        end, failed = self.ends[call], self.numbers("resilient.attempt_failed", call)
        recovered = self.numbers("resilient.call_recovered", call)
        if failed != list(range(1, len(failed) + 1)):
            return False
        match end:
            case "ok":
                return sends == len(failed) + 1 and recovered == [sends] * bool(failed)
            case "failed":
                last = self.numbers("resilient.call_failed", call)
                return recovered == [] and last == [len(failed) or None] and sends <= len(failed)
            case _:
                return recovered == [] and sends <= len(failed) + 1


async def token() -> str:
    """Return a token, after a while."""
    await asyncio.sleep(0.5)
    return "t"


def broken(event: resilient.Event) -> None:
    """Listen badly."""
    raise RuntimeError(event.name)


@attrs.define(eq=False)
class Chaos:
    """Calls that are answered, reset, cancelled, timed out and closed upon, at random."""

    raw: RawServer
    folder: Path
    chance: random.Random
    ledger: Ledger = attrs.field(factory=Ledger)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[tuple[aiohttp.ClientSession, resilient.Middleware]]:
        """Open a client with a listener that raises before the one that counts."""
        keys = {**SERVICE, "catalog": acme.write(self.folder), "hosts": [self.raw.host]}
        middleware = resilient.Middleware(
            {"services": {"acme": keys}},
            credentials={"acme": Bearer(token, token)},
            listeners=[broken, self.ledger.hear, broken],
            clock=Clock(chance=lambda: self.moment(0.75)),
        )
        async with resilient.session(middleware) as http:
            yield http, middleware
        await middleware.aclose()

    def moment(self, most: float) -> float:
        """Draw a time; many things happen at the same one."""
        return self.chance.randint(0, round(most * 4)) / 4

    async def batch(self, calls: range) -> None:
        """Make some calls at once."""
        self.raw.default = self.answer
        async with self.client() as (http, middleware):
            tasks = [asyncio.ensure_future(self.call(http, call)) for call in calls]
            loop = asyncio.get_running_loop()
            for task in tasks:
                if self.chance.random() < 0.2:
                    loop.call_later(self.moment(9), task.cancel)
            if self.chance.random() < 0.3:
                await asyncio.sleep(self.moment(9))
                await (middleware.aclose() if self.chance.random() < 0.5 else http.close())
            await asyncio.wait(tasks)

    async def answer(self, wire: raw_server.Wire) -> bool:
        """Answer in some way or other."""
        await asyncio.sleep(self.moment(0.5))
        return await self.chance.choice(ANSWERS)(wire)

    async def call(self, http: aiohttp.ClientSession, call: int) -> None:
        """Make a call and note how it ended."""
        try:
            self.ledger.ends[call] = await self._call(http, call)
        except asyncio.CancelledError:
            self.ledger.ends[call] = "cancelled"
        except RuntimeError:
            self.ledger.ends[call] = "refused by aiohttp"  # its session was closed before
        except (aiohttp.ClientError, TimeoutError):
            self.ledger.ends[call] = "failed"

    async def _call(self, http: aiohttp.ClientSession, call: int) -> End:
        await asyncio.sleep(self.moment(3))
        total = 0.25 + self.moment(9) if self.chance.random() < 0.3 else None
        within = 0.25 + self.moment(9) if self.chance.random() < 0.3 else None
        with resilient.options(timeout=within):
            response = await http.request(
                self.chance.choice(["GET", "PUT", "POST"]),
                f"{self.raw.url}/things?n={call}",
                timeout=aiohttp.ClientTimeout(total=total),
            )
        response.close()
        return "ok"

    def sends(self) -> Counter[int]:
        """Count the requests that arrived, by call."""
        return Counter(int(URL(hit.target).query["n"]) for hit in self.raw.hits)


async def test_one_end(
    raw: RawServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    scale: Scale,
    figure: Figure,
) -> None:
    """Calls = ok + failed + cancelled, each failure is told once, attempts have no gaps."""
    caplog.set_level(logging.CRITICAL, "resilient")
    number = scale(400, 100_000)
    chaos = Chaos(raw, tmp_path, random.Random(6))
    sends: Counter[int] = Counter()
    for start in range(0, number, BATCH * CLIENTS):
        batches = range(start, start + BATCH * CLIENTS, BATCH)
        await asyncio.gather(*(chaos.batch(range(each, each + BATCH)) for each in batches))
        sends += chaos.sends()
        raw.hits.clear()
    ledger = chaos.ledger
    ends = Counter(ledger.ends.values())
    assert {"ok", "failed", "cancelled"} <= set(ends)
    assert number == ends.total()
    assert [] == astray(ledger.ends, ledger.failures())
    assert [] == ledger.gaps(sends)
    figure("B6", "calls without exactly one outcome and one terminal event", 0, of=number)
    figure("B6", "ok, failed, cancelled", [ends[each] for each in ("ok", "failed", "cancelled")])


WAITS: dict[str, dict[str, Any]] = {
    "a pause": {"answer": raw_server.whole("429 Slow", b"{}", "Retry-After: 60")},
    "a back-off": {"answer": raw_server.whole("503 Unavailable", b"{}", "Retry-After: 60")},
    "a limit": {"catalog": {"limits": {"all": {"rate": "1/min", "per": ["credential"]}}}},
    "a credential": {"credentials": Bearer(lambda: asyncio.sleep(60, "t"))},
    "a renewal": {
        "answer": raw_server.whole("401 No", b'{"errors": [{"code": "expired"}]}'),
        "credentials": Bearer(lambda: asyncio.sleep(0, "t"), lambda: asyncio.sleep(60, "t")),
    },
}


@pytest.mark.parametrize("wait", WAITS)
async def test_total_of_aiohttp(raw: RawServer, reach: Connect, wait: str) -> None:
    """A wait of ours that aiohttp's own total ends is a failure, told once; a cancel is none."""
    keys = dict(WAITS[wait])
    raw.default = raw_server.reply(keys.pop("answer", raw_server.OK))
    total = aiohttp.ClientTimeout(total=3)
    async with reach(**keys) as api:
        if wait == "a limit":
            await api.get()
        with pytest.raises(TimeoutError):
            await api.get(timeout=total)
        assert ["TimeoutError"] == [each["reason"] for each in api.told("call_failed")]
        call = asyncio.ensure_future(api.get(timeout=total))
        await asyncio.sleep(1)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        assert 1 == len(api.told("call_failed"))


@pytest.mark.parametrize("later", [-5e-8, 5e-8], ids=["before", "after"])
async def test_cancelled_as_the_total_ends(raw: RawServer, reach: Connect, later: float) -> None:
    """A call that is cancelled as the total ends is cancelled, and has not failed."""
    raw.default = raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 60"))
    async with reach() as api:
        call = asyncio.ensure_future(api.get(timeout=aiohttp.ClientTimeout(total=3)))
        asyncio.get_running_loop().call_later(3 + later, call.cancel)
        await asyncio.wait([call])
    assert call.cancelled()
    assert [] == api.told("call_failed")


GAPS: dict[str, tuple[End, list[tuple[str, int]], int]] = {
    "the first is missing": ("failed", [("attempt", 2), ("call", 2)], 2),
    "the last is missing": ("failed", [("attempt", 1), ("call", 2)], 2),
    "one is told twice": ("failed", [("attempt", 1), ("attempt", 1), ("call", 2)], 2),
    "a send is hidden": ("ok", [], 2),
    "a cancel is told": ("cancelled", [("attempt", 1), ("call", 1)], 1),
}


@pytest.mark.parametrize("gap", GAPS)
def test_gaps_are_found(gap: str) -> None:
    """The ledger notices what a client tells wrongly."""
    end, told, sends = GAPS[gap]
    events = [{"event": f"resilient.{what}_failed", "attempt": number} for what, number in told]
    ledger = Ledger({0: end}, {0: events})
    assert [0] == [*ledger.gaps({0: sends}), *astray(ledger.ends, ledger.failures())]


async def test_astray_naively(raw: RawServer) -> None:
    """A client that tells of failures in `except Exception` misses what aiohttp's total ends."""
    raw.default = raw_server.reply(raw_server.whole("503 Unavailable", b"{}"))
    ends: dict[int, End] = {}
    failures: list[int] = []
    for call in range(3):
        retry = Retry(attempts=9, delay=2, failed=lambda _: failures.append(len(ends)))
        async with aiohttp.ClientSession(middlewares=(retry,)) as http:
            with pytest.raises(TimeoutError):
                await http.get(raw.url, timeout=aiohttp.ClientTimeout(total=3))
        ends[call] = "failed"
    assert [0, 1, 2] == astray(ends, failures)
