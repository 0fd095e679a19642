"""Connections: a call holds one at most, none while it waits, and wastes none."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import Connect, says, write
from naive import Retry
from promises.conftest import Figure, Scale
from raw_server import RawServer, Wire
from yarl import URL

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer

OFTEN: dict[str, Any] = {
    "retry_budget": "off",
    "policies": {
        name: {"action": name, "attempts": 9, "delay": {"base": "1s", "cap": "5s"}}
        for name in ("retry", "back_off")
    },
}
FRAMINGS: dict[str, Callable[..., bytes]] = {
    "length": raw_server.whole,
    "chunked": lambda status, body, *headers: raw_server.chunked(
        status, body, *headers, size=50_000
    ),
}
SMALL = (0, 1, 1000, 60_000, 65_535, 65_536)
LARGE = (65_537, 2_000_000, 20_000_000)
FAILURES = {
    "503": ("503 Unavailable", b" "),
    "429": ("429 Slow", b" "),
    "error in a success": ("200 OK", says("broken")["text"].encode()),
}


def one_connection(*middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
    """Open a session with room for one connection."""
    connector = aiohttp.TCPConnector(limit=1)
    return aiohttp.ClientSession(middlewares=middlewares, connector=connector)


def failing(reply: bytes, times: int = 1) -> raw_server.Answer:
    """Answer each call, told by its number, with `reply` first, and then with a success."""
    seen: Counter[str] = Counter()

    async def answer(wire: Wire) -> bool:
        call = URL(wire.request.target).query["n"]
        seen[call] += 1
        return await raw_server.reply(reply if seen[call] <= times else raw_server.OK)(wire)

    return answer


async def all_succeed(http: aiohttp.ClientSession, url: str, calls: int) -> None:
    """Make calls at once; fail unless all of them succeed in some minutes."""
    async with asyncio.timeout(250):
        answers = await asyncio.gather(
            *(http.get(f"{url}/things?n={call}") for call in range(calls))
        )
    assert [200] * calls == [answer.status for answer in answers]


def reuse(raw: RawServer) -> float:
    """Return the part of requests, after the first, that came on a connection already open."""
    return 1 - (raw.connections - 1) / (len(raw.hits) - 1)


@pytest.mark.parametrize("size", [*SMALL, *LARGE])
async def test_one_connection(
    raw: RawServer, reach: Connect, size: int, scale: Scale, figure: Figure
) -> None:
    """With room for one connection, calls that fail neither wait for ever nor waste it."""
    calls = scale(3 if size in LARGE else 8, 100)
    for failure, framing in itertools.product(FAILURES, FRAMINGS):
        status, start = FAILURES[failure]
        body = start[:size] + b" " * (size - len(start))
        raw.default = failing(FRAMINGS[framing](status, body))
        raw.hits.clear()
        raw.connections = 0
        async with reach(**OFTEN) as api, one_connection(api.middleware) as http:
            await all_succeed(http, api.url, calls)
            assert {0} == {each.in_flight for each in api.middleware.state().values()}
        fails = status[0] != "2" or start in body
        assert (failure, framing, calls * (1 + fails)) == (failure, framing, len(raw.hits))
        if size in SMALL:
            assert 0.99 <= reuse(raw)
    figure("C2", f"reuse with bodies of {size} B", reuse(raw), of=len(raw.hits))


async def test_stuck_naively(raw: RawServer) -> None:
    """A response that is dropped unread keeps its connection for ever."""
    raw.default = failing(raw_server.whole("503 Unavailable", b" " * 2_000_000))
    kept: list[aiohttp.ClientResponse] = []

    async def keep(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        kept.append(await handler(request))
        return kept[-1]

    async with one_connection(Retry(delay=1), keep) as http:
        with pytest.raises(TimeoutError):
            await all_succeed(http, raw.url, 2)
        kept[0].close()
    assert 1 == len(raw.hits)


STORY = {
    "an answer": raw_server.reply(raw_server.whole("503 Unavailable", b"{}")),
    "a large answer": raw_server.reply(raw_server.whole("503 Unavailable", b" " * 2_000_000)),
    "a refusal": raw_server.reply(raw_server.whole("429 Slow", b" " * 2_000_000)),
    "an endless answer": raw_server.endless(
        raw_server.head("503 Unavailable", "Transfer-Encoding: chunked"), b" ", every=0.1
    ),
    "an endless stream": raw_server.endless(
        raw_server.head(
            "503 Unavailable", "Transfer-Encoding: chunked", "Content-Type: text/event-stream"
        ),
        b" ",
        every=0.1,
    ),
    "expiry": raw_server.reply(raw_server.whole("401 No", says("expired")["text"].encode())),
    "a cut answer": raw_server.reply(
        raw_server.head("503 Unavailable", "Content-Length: 9"), keep=False
    ),
    "no answer": raw_server.reset(),
    "part of an answer": raw_server.reset(b"HTTP/1.1 200 OK\r\nConte"),
    "silence": raw_server.stall,
}


ENDS = {"resilient.retry_scheduled", "resilient.call_delayed", "resilient.call_failed"}
"""What is told as a wait begins, or as the call ends."""


@pytest.mark.parametrize("then", ["success", "failure"])
@pytest.mark.parametrize("story", STORY)
async def test_none_while_it_waits(raw: RawServer, tmp_path: Path, story: str, then: str) -> None:
    """Before a wait begins, a renewal or an end, the connection is given back or closed."""
    held: set[tuple[str, int]] = set()

    def note(what: str) -> None:
        assert http.connector is not None
        held.add((what, len(http.connector._acquired)))

    def hear(event: resilient.Event) -> None:
        if event.name in ENDS:
            note(event.name)

    async def token() -> str:
        note("renewal")
        return "t"

    async def answer(wire: Wire) -> bool:
        note("send")
        last = then == "success" and len(raw.hits) > 2
        return await (raw_server.reply() if last else STORY[story])(wire)

    raw.default = answer
    keys = {"catalog": write(tmp_path), "hosts": [raw.host], "attempt_timeout": "5s", **OFTEN}
    middleware = resilient.Middleware(
        {"services": {"acme": keys}},
        credentials={"acme": Bearer(token, token)},
        listeners=[hear],
        clock=Clock(chance=lambda: 0.5),
    )
    async with one_connection(middleware) as http:
        try:
            await http.get(f"{raw.url}/things")
        except resilient.ResilientError:
            assert then == "failure" or story == "expiry"
        note("end")
    await middleware.aclose()
    assert {("send", 1)} == {each for each in held if each[1]}
    assert {"resilient.retry_scheduled", "renewal"} & {name for name, _ in held}


@pytest.mark.parametrize("size", [*SMALL, *LARGE])
async def test_raised(raw: RawServer, reach: Connect, size: int) -> None:
    """A response that became an exception holds nothing; its body is kept in part."""
    raw.default = raw_server.reply(raw_server.whole("404 Not Found", b"x" * size))
    async with reach() as api, one_connection(api.middleware) as http:
        for _ in range(3):
            with pytest.raises(resilient.ApiError) as caught:
                await http.get(api.url)
            assert min(size, 65_536) == len(caught.value.body)
    assert raw.connections == 1 or size in LARGE


@pytest.mark.parametrize(("kind", "longest"), [("text/event-stream", 0), ("application/json", 1)])
async def test_endless(raw: RawServer, reach: Connect, kind: str, longest: float) -> None:
    """An error whose body never ends is over in a second, and its connection closed."""
    start = raw_server.head("503 X", f"Content-Type: {kind}", "Transfer-Encoding: chunked")
    raw.then(*[raw_server.endless(start, b" ", every=0.1)] * 3)
    async with reach(**OFTEN) as api, one_connection(api.middleware) as http:
        assert 200 == (await http.get(api.url)).status
    assert 4 == raw.connections
    waits = [after.at - before.at for before, after in zip(raw.hits, raw.hits[1:], strict=False)]
    assert longest == round(max(waits), 3)
