"""The caller's response: every byte that the server sent, whichever way it is read."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from itertools import product
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import Connect
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from codings import CODINGS
from promises.conftest import Figure, Scale
from raw_server import RawServer

FRAMINGS: dict[str, Callable[..., bytes]] = {
    "length": raw_server.whole,
    "chunked": lambda *answer: raw_server.chunked(*answer, size=50_000),
    "until closed": lambda status, body, *headers: raw_server.head(status, *headers) + body,
}
KINDS = {
    "looked at": ("200 OK", "Content-Type: application/json"),
    "not looked at": ("200 OK", "Content-Type: application/octet-stream"),
    "failure": ("404 Not Found", "Content-Type: application/json"),
    "no resend": ("503 Unavailable", "Content-Type: text/html"),
}
"""Responses that recognition reads in part or whole, and one that it leaves alone."""


async def _pieces(pieces: AsyncIterable[Any]) -> bytes:
    return b"".join([piece[0] if isinstance(piece, tuple) else piece async for piece in pieces])


async def _until_empty(read: Callable[[], Awaitable[bytes]]) -> bytes:
    found = []
    while piece := await read():
        found.append(piece)
    return b"".join(found)


async def _exactly(response: ClientResponse) -> bytes:
    try:
        start = await response.content.readexactly(1000)
    except asyncio.IncompleteReadError as error:
        return error.partial
    return start + await response.content.read()


async def _raised(response: ClientResponse) -> bytes:
    with suppress(aiohttp.ClientResponseError):
        response.raise_for_status()
    return await response.read()


async def _twice(response: ClientResponse) -> bytes:
    first = await response.read()
    return first if first == await response.read() else b"another body"


async def _text(response: ClientResponse) -> bytes:
    return (await response.text()).encode()


async def _json(response: ClientResponse) -> bytes:
    body = await response.read()
    assert json.loads(body or b"null") == await response.json(content_type=None)
    return body


WAYS: dict[str, Callable[[ClientResponse], Awaitable[bytes]]] = {
    "read": lambda response: response.read(),
    "read twice": _twice,
    "text": _text,
    "json": _json,
    "raise_for_status, read": _raised,
    "content.read()": lambda response: response.content.read(),
    "content.read(n)": lambda response: _until_empty(lambda: response.content.read(4096)),
    "content.readany": lambda response: _until_empty(response.content.readany),
    "content.readline": lambda response: _until_empty(response.content.readline),
    "content.readexactly": _exactly,
    "content": lambda response: _pieces(aiter(response.content)),
    "content.iter_chunked": lambda response: _pieces(response.content.iter_chunked(1000)),
    "content.iter_any": lambda response: _pieces(response.content.iter_any()),
    "content.iter_chunks": lambda response: _pieces(response.content.iter_chunks()),
}


def document(size: int) -> bytes:
    """Return JSON of a size, of lines that are no longer than aiohttp reads."""
    if size < 3:
        return b"" if not size else b"1".ljust(size)
    body = json.dumps({"lines": [f"{n:060}" for n in range(size // 64 - 1)]}, indent=0).encode()
    return body.ljust(size)


def answers(size: int, coding: str, framing: str, kind: str) -> bytes:
    """Return a response on the wire."""
    status, *headers = KINDS[kind]
    pack = CODINGS[coding]
    assert pack is not None
    coded = [] if coding == "identity" else [f"Content-Encoding: {coding}"]
    return FRAMINGS[framing](status, pack(document(size)), *headers, *coded)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def differences(
    raw: RawServer, http: aiohttp.ClientSession, coding: str, framing: str, sizes: tuple[int, ...]
) -> list[tuple[int, str, str]]:
    """Return which bodies were not read as they were sent: size, kind and way."""
    found = []
    for size in sizes:
        expected = _digest(document(size))
        for kind in KINDS:
            raw.default = raw_server.reply(
                answers(size, coding, framing, kind), keep=framing != "until closed"
            )
            for name, way in WAYS.items():
                async with http.get(raw.url + "/things") as response:
                    if expected != _digest(await way(response)):
                        found.append((size, kind, name))
    return found


QUICK = (0, 17, 65_537, 200_000)
MANY = (0, 1, 2, 999, 1000, 1001, 16_384, 16_385, 65_535, 65_536, 65_537, 131_073, 1_000_000)
LARGEST = 50_000_000


@pytest.mark.parametrize("case", list(product(CODINGS, FRAMINGS)), ids=", ".join)
async def test_body(
    raw: RawServer, reach: Connect, scale: Scale, figure: Figure, case: tuple[str, str]
) -> None:
    """Every byte is there, whatever the size, coding, framing, kind and way of reading."""
    coding, framing = case
    if CODINGS[coding] is None:
        pytest.skip(f"aiohttp needs another package for {coding}")
    sizes = (QUICK, MANY)[scale(0, 1)]
    async with reach(policies=ONCE, on_error="return") as api:
        assert [] == await differences(raw, api.http, coding, framing, sizes)
    figure("B5", f"bodies that differ, {coding}, {framing}", 0, of=len(raw.hits))


ONCE = {"retry": {"action": "retry", "attempts": 1}}


@pytest.mark.soak
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_large_body(raw: RawServer, reach: Connect, figure: Figure, coding: str) -> None:
    """Every byte of 50 MB is there, too."""
    async with reach(policies=ONCE, on_error="return") as api:
        assert [] == await differences(raw, api.http, coding, "length", (LARGEST,))
    figure("B5", f"bodies of {LARGEST:,} bytes that differ, {coding}", 0, of=len(raw.hits))


async def read_all(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Look at a response as a naive middleware does."""
    response = await handler(request)
    await response.read()
    return response


async def read_some(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Look at some of a response, and forget to put it back."""
    response = await handler(request)
    await response.content.read(1000)
    return response


@pytest.mark.parametrize("naive", [read_all, read_some])
async def test_body_naively(raw: RawServer, naive: aiohttp.ClientMiddlewareType) -> None:
    """The check finds a middleware that reads and does not put back."""
    async with aiohttp.ClientSession(middlewares=(naive,)) as http:
        assert await differences(raw, http, "identity", "length", (17,))
