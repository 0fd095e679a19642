"""No body makes recognition fail, hang or find an error that is not there (H1)."""

import asyncio
import json
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from random import Random
from typing import Any

import aiohttp
import pytest
import raw_server
import strategies
import torture
from acme import Connect
from hypothesis import HealthCheck, given, settings
from promises.conftest import Figure, Scale
from raw_server import RawServer

import resilient
from resilient.config.build import one_service
from resilient.config.resources import names
from resilient.config.service import Service
from resilient.core.text import LONGEST_CODE, LONGEST_MESSAGE, printable

STATUSES = (200, 400, 401, 404, 429, 500, 503, 599)
TYPES = (
    "application/json",
    "application/json; charset=utf-99",
    'application/problem+json;charset="utf-8',
    "text/xml; charset=utf-16",
    "text/html; charset=zip",
    "text/plain",
    "image/png",
    ";;;",
    "",
)
BODIES = tuple(torture.bodies())


@cache
def service(name: str) -> Service:
    """Return a shipped catalog as a service."""
    return one_service(name)


def said(name: str, status: int, kind: str, body: bytes) -> resilient.Failure | None:
    """Return what a response reports."""
    headers = {"Content-Type": kind, "Retry-After": "1"}
    url = "https://api.example/api/v4/leads"
    return resilient.classify(
        service(name), status=status, headers=headers, body=body, url=url, method="POST"
    )


def shown(failure: resilient.Failure | None) -> object:
    """Return what counts of a failure."""
    return failure and [(each.entry.policy, each.entry.name, each.code) for each in failure.found]


def is_fit_to_show(failure: resilient.Failure | None) -> bool:
    """Tell whether what the server said can be logged as it is."""
    texts = [t for each in (failure.found if failure else ()) for t in (each.code, each.message)]
    return all(
        text is None
        or (printable(text, 10**6) == text and len(text) <= 6 * max(LONGEST_MESSAGE, LONGEST_CODE))
        for text in texts
    )


def cases(count: int) -> Iterable[tuple[bytes, str, int, str]]:
    """Return bodies, each with so many catalogs, statuses and content types."""
    ways = list(product(names("catalogs"), STATUSES, TYPES))
    random = Random(5)
    return ((body, *way) for body in BODIES for way in random.sample(ways, min(count, len(ways))))


def test_unreadable(scale: Scale, figure: Figure) -> None:
    """Of a body from which nothing can be read only the status counts."""
    tried = 0
    for body, name, status, kind in cases(scale(1, 30)):
        failure = said(name, status, kind, body)
        assert is_fit_to_show(failure)
        assert shown(said(name, status, kind, b"")) == shown(failure), (name, status, kind, body)
        tried += 1
    figure("H1", "tortured bodies misread, or not read", 0, of=tried)


@pytest.mark.parametrize("name", names("catalogs"))
def test_oddities(name: str) -> None:
    """A body in the shape of an error, of other types than documented, is read all the same."""
    for body, status, kind in product(torture.ODDITIES, (200, 400, 503), TYPES[::2]):
        failure = said(name, status, kind, body)
        assert is_fit_to_show(failure)
        assert status < 400 or failure is not None


def naively(body: bytes) -> object:
    """Read an error as is often done."""
    document: Any = json.loads(body)
    return (document.get("error") or document["errors"][0])["code"]


def test_naive() -> None:
    """Why that needs care: the usual three lines raise eight kinds of errors on them."""
    raised = set()
    for body in (*BODIES, *torture.ODDITIES):
        try:
            naively(body)
        except Exception as error:  # noqa: BLE001 - that is what is counted
            raised.add(type(error))
    expected = (RecursionError, UnicodeDecodeError, json.JSONDecodeError, ValueError)
    assert {*expected, AttributeError, KeyError, TypeError, IndexError} <= raised


def hunt(strategy: Any, check: Callable[[Any], None], count: int) -> None:
    """Try a check with so many examples."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

    @settings(max_examples=count, suppress_health_check=quiet)
    @given(strategy)
    def tried(example: Any) -> None:
        check(example)

    tried()


def test_any_response(scale: Scale, figure: Figure) -> None:
    """Whatever a response is made of, it is a failure that can be shown, or none."""

    def check(response: strategies.Response) -> None:
        failure = resilient.classify(
            service(response.catalog),
            status=response.status,
            headers=response.headers,
            body=response.body,
            url=response.url,
            method=response.method,
        )
        assert is_fit_to_show(failure)
        assert failure is None or failure.retry_after is None or failure.retry_after >= 0

    count = scale(60, 3000)
    hunt(strategies.responses(), check, count)
    figure("H1", "made-up responses that raise", 0, of=count)


def spoilt(body: bytes, random: Random) -> bytes:
    """Return a body with a few bytes changed, cut, doubled or moved."""
    data = bytearray(body)
    for _ in range(random.randint(1, 4)):
        at, to = random.randrange(len(data) + 1), random.randrange(len(data) + 1)
        piece = random.choice(
            [b"", bytes([random.randrange(256)]), bytes(data[min(at, to) : max(at, to)])]
        )
        data[at : random.choice([at, at + 1, to])] = piece[:4096]
    return bytes(data)


def test_spoilt(scale: Scale, figure: Figure) -> None:
    """A documented body with some bytes wrong never raises, and reports what can be shown."""
    random, count = Random(6), scale(800, 200_000)
    samples = [
        (name, each.answer.status, each.answer.headers["Content-Type"], each.answer.body)
        for name in names("catalogs")
        for each in strategies.renderings_of(name)
        if each.answer.body
    ]
    for _ in range(count):
        name, status, kind, body = random.choice(samples)
        assert is_fit_to_show(said(name, status, kind, spoilt(body, random)))
    figure("H1", "documented bodies with wrong bytes that raise", 0, of=count)


async def test_over_the_wire(raw: RawServer, reach: Connect, scale: Scale) -> None:
    """The middleware hands every such body on, byte for byte, and raises nothing."""
    bodies = [each for each in BODIES if each and not each.startswith(b"\0")]
    random = Random(7)
    policies = {
        name: {"action": name, "attempts": 1, "delay": {"base": "1s", "cap": "1s"}}
        for name in ("retry", "back_off")
    }
    async with reach(policies=policies, on_error="return", timeout=1e6) as api:
        for body in random.sample(bodies, scale(80, len(bodies))):
            status, kind = random.choice((200, 400, 404, 500)), random.choice(TYPES)
            answer = raw_server.whole(f"{status} S", body, f"Content-Type: {kind}")
            raw.default = raw_server.reply(answer)
            async with api.http.get(api.url) as response:
                assert body == await response.read()
            failure = resilient.failure(response)
            assert (status < 400) is (failure is None)


CODED = {
    "gzip": zlib.compressobj(wbits=31),
    "deflate": zlib.compressobj(),
}


@pytest.mark.parametrize("coding", CODED)
async def test_truncated(raw: RawServer, reach: Connect, scale: Scale, coding: str) -> None:
    """Compressed bodies cut anywhere end in the caller's read, or in a documented error."""
    packer = CODED[coding].copy()
    packed = packer.compress(torture.ERROR.encode()) + packer.flush()
    async with reach(on_error="return", timeout=1e6) as api:
        for end in range(0, len(packed), scale(9, 1)):
            answer = raw_server.whole("400 Bad", packed[:end], f"Content-Encoding: {coding}")
            raw.default = raw_server.reply(answer)
            try:
                async with asyncio.timeout(60), api.http.get(api.url) as response:
                    await response.read()
            except (aiohttp.ClientPayloadError, resilient.TransportError):
                assert end
