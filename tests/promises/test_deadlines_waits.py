"""How long the library sleeps: never less than a server asks for, nor more than it may."""

import asyncio
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
import raw_server
from promises.conftest import Figure, Scale
from raw_server import RawServer

import resilient
from resilient.catalog import Entry
from resilient.clock import Clock
from resilient.core.backoff import MOST_JITTER
from resilient.core.decide import decide
from resilient.core.retry_after import retry_after
from resilient.model import Attempt, Failure, Found, Raise, Resend
from resilient.policy import Backoff, Policy

NOW = 1_800_000_000.0
MAX_WAIT = 120.0
PIECES = (
    *("0", "1", "120", "121", "9999999999", "99999999999", "-1", "+5", "1.5", "1e3", "nan", "inf"),
    *("", " ", ",", ";", "\t", "1_000", "٣", "0x10", "GMT", "Fri, ", "31", "Nov", "2026", ":60"),
)


def date(seconds: float, form: int) -> str:
    """Return an HTTP-date that lies `seconds` ahead, in one of its three forms."""
    when = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)
    forms = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y")
    return when.strftime(forms[form])


def header(chance: random.Random) -> str:
    """Draw a Retry-After: a good one, a bad one, or a good one with something wrong in it."""
    kind = chance.randrange(4)
    if kind == 0:
        return str(chance.choice((0, 1, 7, 119, 120, 121, 10**5, chance.randrange(10**10))))
    if kind == 1:
        return date(chance.choice((-5, 0, 3, 119, 121, 10**6, 10**9)), chance.randrange(3))
    if kind == 2:
        return "".join(chance.choices(PIECES, k=chance.randint(1, 4)))
    text = date(chance.randrange(10**6), chance.randrange(3))
    at = chance.randrange(len(text))
    return text[:at] + chance.choice(PIECES) + text[at + 1 :]


def policy(chance: random.Random) -> Policy:
    """Draw a policy."""
    base = chance.choice((0.001, 0.2, 1.0, 60.0))
    return Policy(
        name="retry",
        action="retry",
        attempts=chance.choice((1, 2, 10**6)),
        delay=Backoff(base=base, cap=chance.choice((base, 60.0))),
        max_wait=MAX_WAIT,
    )


def faults(asked: float | None, verdict: object) -> list[str]:
    """Return what is wrong with a wait that somebody has decided on."""
    found = []
    if isinstance(verdict, Resend):
        delay = verdict.delay
        if not (math.isfinite(delay) and delay >= 0):
            found.append("no time")
        if asked is not None and delay < asked:
            found.append("early")
        if not delay <= MAX_WAIT + min(0.1 * MAX_WAIT, MOST_JITTER):
            found.append("too long")
    elif isinstance(verdict, Raise) and asked is not None and verdict.wait != asked:
        found.append("not told")
    return found


Drawn = tuple[float | None, Failure, Policy, Attempt]


def drawn(chance: random.Random, texts: list[str]) -> Drawn:
    """Draw an answer with one or two Retry-After, and what is known of its call."""
    headers = [("Retry-After", chance.choice(texts)) for _ in range(chance.choice((1, 1, 2)))]
    if chance.random() < 0.3:
        headers.append(("Date", chance.choice(texts)))
    asked = retry_after(headers, now=NOW)
    entry = Entry(name="Busy", kind="status", policy="retry")
    found = (Found(entry=entry),)
    failure = Failure(
        catalog="acme", status=503, found=found, retry_after=asked, scope="credential"
    )
    number = chance.choice((1, 2, 5, 40, 10**5))
    attempt = Attempt(number=number, idempotent=True, remaining=chance.choice((math.inf, 50.0)))
    return asked, failure, policy(chance), attempt


def test_fuzz(scale: Scale, figure: Figure) -> None:
    """Whatever Retry-After says, a delay is a time, not early, not above `max_wait`, or told."""
    chance, rounds = random.Random(4), scale(10_000, 1_000_000)
    texts, read = [header(chance) for _ in range(1000 + rounds // 20)], 0
    for _ in range(rounds):
        asked, failure, chosen, attempt = drawn(chance, texts)
        assert asked is None or (math.isfinite(asked) and asked >= 0)
        verdict = decide(failure, chosen, attempt, chance.random())
        assert [] == faults(asked, verdict), (failure, chosen, attempt)
        read += asked is not None
    assert rounds / 4 < read < rounds
    figure("D4", "waits that are no time, too long, early or not told", 0, of=rounds)


def test_fuzz_naively() -> None:
    """The check finds a decision that takes what `float` reads, and one that cuts it short."""
    wrong = set()
    for text in ("nan", "inf", "-1", "1e9"):
        wrong |= set(faults(None, Resend(delay=float(text))))
    wrong |= set(faults(3600.0, Resend(delay=min(3600.0, MAX_WAIT))))
    assert {"no time", "too long", "early"} == wrong


@pytest.mark.parametrize("status", [429, 503])
async def test_calls(
    raw: RawServer, tmp_path: Path, scale: Scale, figure: Figure, status: int
) -> None:
    """What is true of the decision is true of the call: nothing is sent before it may be."""
    loop, chance, calls = asyncio.get_running_loop(), random.Random(status), scale(60, 3000)
    began = loop.time()
    clock = Clock(wall=lambda: NOW + loop.time() - began, chance=chance.random)
    once = {"attempts": 2, "delay": {"base": "1s", "cap": "1s"}, "max_wait": MAX_WAIT}
    keys: dict[str, Any] = {"catalog": acme.write(tmp_path), "hosts": [raw.host]}
    keys["policies"] = {name: {"action": name, **once} for name in ("retry", "back_off")}
    config = resilient.load({"services": {"acme": {**keys, "retry_budget": "off"}}})
    for _ in range(calls):
        began = loop.time()
        text = header(chance).encode("latin-1", "ignore").decode("latin-1").strip(" \t")
        asked = retry_after([("Retry-After", text)], now=NOW)
        raw.hits.clear()
        raw.then(raw_server.reply(raw_server.whole(f"{status} X", b"{}", f"Retry-After: {text}")))
        middleware, error = resilient.Middleware(config, clock=clock), None
        async with aiohttp.ClientSession(middlewares=(middleware,)) as http:
            try:
                await http.get(raw.url + "/things")
            except resilient.ApiError as caught:
                error = caught
        raw.script.clear()
        waited = loop.time() - began
        if error is None:
            assert [] == faults(asked and asked - 1e-6, Resend(delay=waited)), text
        else:
            assert asked is not None
            assert asked > MAX_WAIT
            assert waited < 1e-3
            assert error.retry_at is not None
            told = error.retry_at.timestamp() - NOW
            assert -1e-3 < told - min(asked, 3.2e9) <= MOST_JITTER, text
    figure("D4", f"early sends after a {status}", 0, of=calls)
