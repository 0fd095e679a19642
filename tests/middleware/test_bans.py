"""The ban rule: a vendor bans after so many refusals in a row, and must never hear the last."""

import asyncio
import random
from collections import deque

import acme
import aiohttp
import attrs
import pytest
from acme import Connect
from aiohttp import web
from server import Server

import resilient

BAN = {"after": 3, "within": "1m"}
STRICT = {"after": 3, "within": "1m", "in_flight": "strict"}
REFUSED = acme.says("slow_down", status=429)


def after(refusals: int) -> dict[str, object]:
    """Return the rule of a vendor that bans after so many refusals in a row."""
    return {"after": refusals, "within": "1m"}


async def test_nothing_after_the_last_but_one(server: Server, connect: Connect) -> None:
    """After k-1 refusals in a row nothing goes until the oldest has left the window."""
    server.then(**REFUSED, times=2)
    async with connect(catalog={"ban": BAN}) as api:
        await api.get()
    assert [0, 0.5, 60] == acme.times(server)


async def test_without_the_rule(server: Server, connect: Connect) -> None:
    """Without the rule the scope goes on after each pause, and a third refusal would come."""
    server.then(**REFUSED, times=2)
    async with connect() as api:
        await api.get()
    assert [0, 0.5, 1.5] == acme.times(server)


async def test_alert(server: Server, connect: Connect) -> None:
    """The alert comes once, with the scope and when it is over."""
    server.then(**REFUSED, times=2)
    async with connect(catalog={"ban": BAN}) as api:
        await api.get()
        (alert,) = api.told("block_warning")
        assert ("credential:default", 59.5) == (alert["scope"], round(alert["delay"], 3))
        assert "retry_at" in alert
        assert [] == api.told("scope_blocked")


async def test_k_of_two(server: Server, connect: Connect) -> None:
    """A vendor that bans after two must hear one only."""
    server.then(**REFUSED)
    async with connect(catalog={"ban": after(2)}) as api:
        await api.get()
        assert 1 == len(api.told("block_warning"))
    assert [0, 60] == acme.times(server)


async def test_window_moves_on(server: Server, connect: Connect) -> None:
    """What has left the window counts no more: the probe may be refused, and the next one, too."""
    server.then(**{**REFUSED, "headers": {"Retry-After": "40"}})
    server.then(**REFUSED, times=2)
    async with connect(catalog={"ban": BAN}) as api:
        await api.get()
    # The refusal of 40 is in the window until 100, so that of 60 is the last but one again.
    assert [0, 40, 60, 100] == acme.times(server)


async def test_one_answer_is_one_refusal(server: Server, connect: Connect) -> None:
    """An answer that reports two rate-limit errors is one refusal."""
    server.then(**acme.says("slow_down", "slow_down", status=429))
    async with connect(catalog={"ban": BAN}) as api:
        await api.get()
        assert [] == api.told("block_warning")
    assert [0, 0.5] == acme.times(server)


async def test_success_clears_the_row(server: Server, connect: Connect) -> None:
    """A success of a call that was sent after the last refusal ends the row."""
    for _ in range(4):
        server.then(**REFUSED)
        server.then()
    async with connect(catalog={"ban": BAN}) as api:
        for _ in range(4):
            await api.get()
            assert 0 == api.state().refusals
        assert [] == api.told("block_warning")


async def test_older_success_clears_nothing(server: Server, connect: Connect) -> None:
    """A success of a call that was sent before the last refusal leaves the row as it is."""
    server.then()
    server.script.append(acme.slowly(0.3))
    server.then(**REFUSED, times=2)
    async with connect(catalog={"ban": after(4)}) as api, asyncio.TaskGroup() as group:
        await api.get()
        old = group.create_task(api.get())
        await asyncio.sleep(0.1)
        refused = group.create_task(api.get())
        await old
        assert 1 == api.state().refusals
        await refused
    assert [0, 0, 0.1, 0.6, 1.6] == acme.times(server)


@pytest.mark.parametrize(("rule", "expected"), [(None, 0.5), (after(8), 0.5), (after(4), 10)])
async def test_in_flight(
    server: Server, connect: Connect, rule: dict[str, object] | None, expected: float
) -> None:
    """While there are refusals, at most k - 1 - refusals calls are under way.

    Five are too many for a vendor that bans after four, and not for one that bans after eight.
    """
    server.then()
    server.script.extend([acme.slowly(10)] * 5)
    server.then(**REFUSED)
    async with connect(catalog={"ban": rule}) as api:
        await api.get()
        await asyncio.gather(*[api.get() for _ in range(6)])
    assert [0] * 7 + [expected] == acme.times(server)


@attrs.define(eq=False)
class Gauge:
    """Counts the calls that are at the server at the same time."""

    now: int = 0
    most: int = 0
    takes: float = 1.0

    async def succeed(self, request: web.Request) -> web.StreamResponse:
        """Take some seconds."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.takes)
        self.now -= 1
        return web.json_response({})


async def test_strict(server: Server, connect: Connect) -> None:
    """With `in_flight: strict` at most k - 1 calls are ever under way."""
    gauge = Gauge()
    server.script.extend([gauge.succeed] * 20)
    async with connect(catalog={"ban": STRICT}) as api:
        await asyncio.gather(*[api.get() for _ in range(20)])
    assert 2 == gauge.most


async def test_before_the_first_answer(server: Server, connect: Connect) -> None:
    """Where answers take longer than a new scope is held, at most k - 1 calls go before one."""
    gauge = Gauge(takes=3)
    server.script.extend([gauge.succeed] * 20)
    async with connect(catalog={"ban": BAN}) as api:
        await asyncio.gather(*[api.get() for _ in range(20)])
    first = server.hits[0].at
    assert 2 == sum(hit.at < first + gauge.takes for hit in server.hits)
    assert 2 < gauge.most


async def test_full_row_latches(server: Server, connect: Connect) -> None:
    """Calls under way can fill the row: then the scope is latched, as by block_warning."""
    server.then()
    server.script.extend([acme.slowly(0.1, REFUSED)] * 5)
    async with connect(catalog={"ban": BAN}) as api:
        await api.get()
        results = await asyncio.gather(*[api.get() for _ in range(5)], return_exceptions=True)
        assert [resilient.RateLimited] * 5 == [type(each) for each in results]
        assert 1 == len(api.told("scope_blocked"))
        assert 300 == pytest.approx(acme.seconds(acme.now(), api.state().blocked_until), abs=5)
        with pytest.raises(resilient.ScopeBlocked):
            await api.get()
    assert 6 == len(server.hits)


@attrs.define(eq=False)
class Vendor:
    """Takes 60 calls a minute, and bans for good whoever it refuses three times in a row.

    Attributes:
        taken: When the calls were taken that count now.
        row: Refusals in a row.
        refused: All refusals.
        banned: Whether the ban has fallen.
    """

    taken: deque[float] = attrs.field(factory=deque)
    row: int = 0
    refused: int = 0
    banned: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Count one call."""
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        while self.taken and self.taken[0] <= now - 60:
            self.taken.popleft()
        if len(self.taken) < 60 and not self.banned:
            self.taken.append(now)
            self.row = 0
            await asyncio.sleep(0.05)
            return web.json_response({})
        self.row, self.refused = self.row + 1, self.refused + 1
        self.banned = self.banned or self.row >= 3
        return web.Response(**REFUSED)

    def fill(self, seed: int) -> None:
        """Spend the whole limit in the minute before now, as another program would."""
        now, chance = asyncio.get_running_loop().time(), random.Random(seed)
        self.taken.extend(sorted(now - chance.uniform(0, 60) for _ in range(60)))


@pytest.mark.parametrize("seed", range(5))
async def test_no_ban_with_a_full_window(server: Server, connect: Connect, seed: int) -> None:
    """Fifty tasks start into a window that is spent already: nobody is banned, all succeed."""
    vendor = Vendor()
    vendor.fill(seed)
    server.script.extend([vendor.answer] * 1000)
    async with connect(
        catalog={"ban": BAN, "limits": {"calls": {"rate": "60/min"}}}, timeout="1h", chance=0.5
    ) as api:

        async def work() -> None:
            for _ in range(3):
                assert 200 == (await api.get()).status

        await asyncio.gather(*[work() for _ in range(50)])
    assert not vendor.banned
    assert 1 <= vendor.refused < 10


async def test_naive_retries_are_banned(server: Server) -> None:
    """The same start with retries alone, one call after another, ends in the ban."""
    vendor = Vendor()
    vendor.fill(0)
    server.script.extend([vendor.answer] * 1000)
    async with aiohttp.ClientSession() as http:
        for attempt in range(6):
            async with http.get(server.url) as response:
                if response.status == 200:
                    break
            await asyncio.sleep(0.2 * 2**attempt)
    assert vendor.banned
