"""Sends: how often a call goes over the wire, whatever happens to it there."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import METHODS, SENT_ONCE, Client, Connect, body_of, connecting, says
from naive import Retry
from promises.conftest import Figure, Scale
from raw_server import RawServer, Wire
from toxic import Proxy, Toxin, toxic
from yarl import URL

import resilient
from resilient.credentials import Bearer

ATTEMPTS = 3
SERVICE: dict[str, Any] = {
    "attempt_timeout": "5s",
    "retry_budget": "off",
    "policies": {
        name: {"action": name, "attempts": ATTEMPTS, "delay": {"base": "1s", "cap": "5s"}}
        for name in ("retry", "back_off")
    },
}
BROKEN = raw_server.whole("500 Broken", b" " * 1000)
IN_HEAD, IN_BODY = 20, len(BROKEN) - 500
DOWN = {
    "RST before the reply": Toxin(cut=0, ending="rst"),
    "FIN before the reply": Toxin(cut=0, ending="fin"),
    "RST in the head": Toxin(cut=IN_HEAD, ending="rst"),
    "FIN in the head": Toxin(cut=IN_HEAD, ending="fin"),
    "RST in the body": Toxin(cut=IN_BODY, ending="rst"),
    "FIN in the body": Toxin(cut=IN_BODY, ending="fin"),
    "stall before the reply": Toxin(stall=0),
    "stall in the head": Toxin(stall=IN_HEAD),
    "stall in the body": Toxin(stall=IN_BODY),
}
UP = {
    "RST in the request": Toxin(cut=10, ending="rst"),
    "FIN in the request": Toxin(cut=10, ending="fin"),
    "stall in the request": Toxin(stall=10),
}


def sends(proxy: Proxy) -> int:
    """Return how many requests the wire has seen, whole or in part."""
    return sum(each.up.seen.count(b" HTTP/1.1\r\n") for each in proxy.connections)


async def broken(wire: Wire) -> bool:
    """Read the request and answer with an error; without its body to a HEAD."""
    await wire.body()
    await wire.send(BROKEN[:-1000] if wire.request.method == "HEAD" else BROKEN)
    return True


async def fail(api: Client, method: str) -> resilient.ResilientError:
    """Make a call that fails, and return how."""
    with pytest.raises(resilient.ResilientError) as caught:
        await api.call(method, "/things", **body_of(method))
    return caught.value


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("fault", [*DOWN, *UP])
async def test_cut_and_stalled(
    raw: RawServer, tmp_path: Path, fault: str, reused: bool, figure: Figure
) -> None:
    """A call is sent as often as its policy tries, once if that may do harm; no send is hidden."""
    async with toxic(raw.port) as proxy, connecting(proxy, tmp_path)(**SERVICE) as api:
        healthy = proxy.up, proxy.down, raw.default
        for method in METHODS:
            await proxy.cut()
            proxy.up, proxy.down, raw.default = healthy
            if reused:
                await api.get()
            before, connections = sends(proxy), len(proxy.connections)
            proxy.up, proxy.down = UP.get(fault, proxy.up), DOWN.get(fault, proxy.down)
            raw.default = broken
            error = await fail(api, method)
            expected = 1 if method in SENT_ONCE else ATTEMPTS
            assert (method, expected) == (method, sends(proxy) - before)
            assert expected == error.attempts
            opened = len(proxy.connections) - connections
            assert expected - reused == opened or (method == "HEAD" and "body" in fault)
            skipped = "not_idempotent" if method in SENT_ONCE else "attempts"
            assert skipped == api.told("attempt_failed")[-1]["retry_skipped"]
    cells = len(METHODS) * len([*DOWN, *UP]) * 2
    figure("B2", "methods x faults x connections sent other than policy says", 0, of=cells)


ANSWERS = {
    "garbage": raw_server.reply(b"no HTTP\r\n\r\n", keep=False),
    "two lengths": raw_server.reply(raw_server.whole("200 OK", b"{}", "Content-Length: 3")),
    "huge header": raw_server.reply(raw_server.whole("200 OK", b"{}", "X: " + "x" * 100_000)),
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_nonsense(raw: RawServer, reach: Connect, answer: str) -> None:
    """The same holds for an answer that is no HTTP."""
    raw.default = ANSWERS[answer]
    async with reach(**SERVICE) as api:
        for method in METHODS:
            raw.hits.clear()
            error = await fail(api, method)
            expected = 1 if method in SENT_ONCE else ATTEMPTS
            assert (method, expected, expected) == (method, len(raw.hits), error.attempts)
            assert isinstance(error, resilient.TransportError)
            # On these aiohttp, or a caller's old `except`, would try again.
            assert not isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
async def test_refused(raw: RawServer, tmp_path: Path, reused: bool) -> None:
    """Where nobody listens a call is tried again whatever its method, and nothing is sent."""
    async with toxic(raw.port) as proxy, connecting(proxy, tmp_path)(**SERVICE) as api:
        for method in METHODS:
            await proxy.accept()
            if reused:
                await api.get()
            before = sends(proxy)
            await proxy.refuse()
            await proxy.cut()
            error = await fail(api, method)
            assert (method, 0, ATTEMPTS) == (method, sends(proxy) - before, error.attempts)
            assert isinstance(error, resilient.TransportError)
            assert error.sent is False


@pytest.mark.parametrize("fault", ["RST before the reply", "FIN before the reply"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_hidden_naively(raw: RawServer, method: str, fault: str) -> None:
    """Why that needs care: aiohttp runs the whole chain again on what a middleware gave up on."""
    async with (
        toxic(raw.port, down=DOWN[fault]) as proxy,
        aiohttp.ClientSession(middlewares=(Retry(attempts=ATTEMPTS),)) as http,
    ):
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.request(method, proxy.url)
        assert 2 * ATTEMPTS == sends(proxy)


def redirecting(*targets: str, status: int, failing: int) -> raw_server.Answer:
    """Lead from target to target; answer `failing` of them, by index, with RST from now on."""

    async def answer(wire: Wire) -> bool:
        at = targets.index(wire.request.target)
        if at == failing:
            return await raw_server.reset()(wire)
        location = f"Location: {targets[at + 1]}"
        return await raw_server.reply(raw_server.whole(f"{status} Over there", b"", location))(wire)

    return answer


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects(raw: RawServer, reach: Connect, status: int, failing: int) -> None:
    """A redirect adds one send, and no attempt: its hops share them."""
    raw.default = redirecting("/things", "/b", "/c", status=status, failing=failing)
    async with reach(**SERVICE) as api:
        for method in ("GET", "PUT", "POST"):
            raw.hits.clear()
            error = await fail(api, method)
            still_post = method == "POST" and (status in (307, 308) or failing == 0)
            expected = failing + (1 if still_post else ATTEMPTS)
            assert (method, expected) == (method, len(raw.hits))
            assert expected == error.attempts


@pytest.mark.parametrize(("method", "expected"), [("GET", ATTEMPTS + 1), ("POST", 2)])
async def test_reauth(raw: RawServer, reach: Connect, method: str, expected: int) -> None:
    """A renewed credential is worth one send beside the attempts."""
    raw.then(raw_server.reply(EXPIRED))
    raw.default = raw_server.reset()
    async with reach(**SERVICE, credentials=bearer()) as api:
        error = await fail(api, method)
    assert expected == len(raw.hits) == error.attempts


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_reauth_on_each_hop(raw: RawServer, reach: Connect, method: str) -> None:
    """A call renews its credential once, also when a redirect leads to one more refusal."""
    there = raw_server.whole("307 There", b"", "Location: /b")
    raw.then(*map(raw_server.reply, (EXPIRED, there, EXPIRED)))
    async with reach(**SERVICE, credentials=bearer()) as api:
        error = await fail(api, method)
    assert isinstance(error, resilient.AuthenticationFailed)
    assert 3 == len(raw.hits)


EXPIRED = raw_server.whole("401 Expired", says("expired")["text"].encode())
RANDOM: tuple[tuple[str, raw_server.Answer], ...] = (
    *[("ok", raw_server.reply())] * 3,
    ("fault", raw_server.reset()),
    ("fault", raw_server.reset(BROKEN[:IN_HEAD])),
    ("fault", raw_server.reply(b"", keep=False)),
    ("fault", raw_server.stall),
    ("error", broken),
    ("error", raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 1"))),
    ("expired", raw_server.reply(EXPIRED)),
    ("redirect", raw_server.reply(raw_server.whole("307 There", b"", "Location: ?"))),
    ("redirect", raw_server.reply(raw_server.whole("302 There", b"", "Location: ?"))),
)


def bearer() -> Bearer:
    """Return a credential that can be renewed."""
    tokens = iter(range(1_000_000))

    async def token() -> str:
        return f"t{next(tokens)}"

    return Bearer(token, token)


async def test_random_faults(raw: RawServer, reach: Connect, scale: Scale, figure: Figure) -> None:
    """Sends <= attempts + redirects + 1 after a renewal, for any row of faults."""
    number, chance = scale(200, 10_000), random.Random(2)
    answers: Counter[tuple[int, str]] = Counter()

    async def answer(wire: Wire) -> bool:
        kind, found = chance.choice(RANDOM)
        call = int(URL(wire.request.target).query["n"])
        answers[call, kind] += 1
        if kind != "redirect":
            return await found(wire)
        await wire.body()
        status = chance.choice(["302", "303", "307", "308"])
        location = f"Location: {wire.request.target}"
        await wire.send(raw_server.whole(f"{status} There", b"", location))
        return True

    raw.default = answer
    async with reach(**SERVICE, credentials=bearer()) as api:
        for call in range(number):
            method = chance.choice(METHODS)
            try:
                response = await api.http.request(
                    method, f"{api.url}/things?n={call}", **body_of(method)
                )
                response.close()
            except aiohttp.ClientError:
                continue
    sent = Counter(int(URL(hit.target).query["n"]) for hit in raw.hits)
    extra = [sent[call] - answers[call, "redirect"] for call in range(number)]
    renewed = [min(answers[call, "expired"], 1) for call in range(number)]
    over = sum(had > ATTEMPTS + one for had, one in zip(extra, renewed, strict=True))
    assert 0 == over
    assert ATTEMPTS + 1 == max(extra)
    figure("B2", "calls sent more often than attempts + redirects + renewals", over, of=number)
