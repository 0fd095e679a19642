"""Bodies that go again: signed, answered early, left alone for a moment, let go on."""

import io
import json
import os
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import KEY, Connect
from raw_server import RawServer

import resilient

LARGE = os.urandom(900_000)
TEXT = "Привет, мир! " * 3000
EXPECTS = b"HTTP/1.1 100 Continue\r\n\r\n"


def _form() -> aiohttp.FormData:
    form = aiohttp.FormData({"name": "value"})
    form.add_field("file", io.BytesIO(LARGE[:300_000]), filename="a.bin")
    return form


def _multipart() -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("related")
    writer.append("text")
    writer.append_json({"a": 1})
    writer.append(io.BytesIO(b"bytes"))
    return writer


REPLAYABLE: dict[str, Callable[[], dict[str, Any]]] = {
    "none": dict,
    "bytes": lambda: {"data": b"\0\xff" * 1000},
    "str": lambda: {"data": TEXT},
    "json": lambda: {"json": {"name": TEXT, "number": 1.5}},
    "fields": lambda: {"data": {"name": TEXT, "other": "a&b=c"}},
    "form with file": lambda: {"data": _form()},
    "multipart": lambda: {"data": _multipart()},
    "BytesIO": lambda: {"data": io.BytesIO(LARGE)},
    "gzip": lambda: {"data": TEXT.encode(), "compress": "gzip"},
    "chunked": lambda: {"data": TEXT.encode(), "chunked": True},
}
FAULTS: dict[str, raw_server.Answer] = {
    "answered": raw_server.reply(raw_server.whole("503 Unavailable", b"{}")),
    "reset": raw_server.reset(),
}
EARLY = ("413 Too Large", "429 Too Many Requests", "503 Unavailable")


def _seen(raw: RawServer) -> list[tuple[str, str, dict[str, str], bytes]]:
    return [(hit.method, hit.target, hit.headers, hit.body) for hit in raw.hits]


def _key_in(place: str) -> dict[str, Any]:
    return {"credential": {"kind": "api_key", "fields": [{"name": "key", "in": [place, "header"]}]}}


@pytest.mark.parametrize("place", ["header", "query", "form", "json"])
@pytest.mark.parametrize("kind", ["none", "str", "json", "fields", "multipart", "gzip"])
async def test_replayed_signed(raw: RawServer, reach: Connect, kind: str, place: str) -> None:
    """A credential goes on each attempt once, wherever the vendor wants it."""
    raw.then(FAULTS["answered"], FAULTS["reset"])
    async with reach(catalog=_key_in(place)) as api:
        await api.call("PUT", "/things?a=1", **REPLAYABLE[kind]())
    first, *others = _seen(raw)
    assert [first, first] == others
    body = zlib.decompress(first[3], 47) if kind == "gzip" else first[3]
    assert 1 == str([*first[:3], body]).count(KEY)


@pytest.mark.parametrize("kind", ["bytes", "BytesIO", "form with file", "chunked"])
@pytest.mark.parametrize("closes", [True, False], ids=["closes", "waits"])
@pytest.mark.parametrize("status", EARLY[1:])
async def test_early_answer(
    raw: RawServer, reach: Connect, kind: str, status: str, closes: bool
) -> None:
    """An answer that comes before the upload is over is heard, and the next upload is whole."""
    content: dict[str, dict[str, Any]] = {
        "bytes": {"data": LARGE},
        "chunked": {"data": LARGE, "chunked": True},
    }
    raw.then(*[raw_server.early(status, closes=closes)] * 2)
    async with reach() as api:
        response = await api.call("PUT", "/things", **content.get(kind, REPLAYABLE[kind]()))
    assert (200, 3) == (response.status, len(raw.hits))
    expected = len(LARGE) if kind != "form with file" else 300_000
    assert len(raw.hits[2].body) >= expected


@pytest.mark.parametrize(("kind", "expected"), [("bytes", 0), ("json", 0), ("BytesIO", 0.1)])
async def test_settled(raw: RawServer, reach: Connect, kind: str, expected: float) -> None:
    """A file is left alone for a moment: the attempt before may still be reading it."""
    raw.then(raw_server.early("503 Unavailable"))
    async with reach() as api:
        await api.call("PUT", "/things", **REPLAYABLE[kind]())
    assert expected == round(raw.hits[1].at - raw.hits[0].at, 3)


async def test_early_refusal(raw: RawServer, reach: Connect) -> None:
    """A 413 in the middle of an upload is told, and the upload is not begun again."""
    raw.default = raw_server.early(EARLY[0])
    async with reach() as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.call("POST", "/things", data=io.BytesIO(LARGE))
    assert (413, 1) == (caught.value.status, len(raw.hits))


async def _generator() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def test_one_shot_back_off(raw: RawServer, reach: Connect) -> None:
    """A refusal pauses the scope, even where the call itself is not sent again."""
    raw.then(raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 9")))
    async with reach() as api:
        with pytest.raises(resilient.RateLimited):
            await api.call("PUT", "/things", data=_generator())
        await api.get()
    assert 9 <= raw.hits[1].at - raw.hits[0].at <= 10


@pytest.mark.parametrize("place", ["form", "json"])
async def test_body_restored(raw: RawServer, reach: Connect, place: str) -> None:
    """After the call the body is the caller's again: aiohttp may send it to another origin."""
    bodies: list[bytes] = []

    async def outer(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        finally:
            assert isinstance(request.body, aiohttp.BytesPayload)
            bodies.append(await request.body.as_bytes())

    fields = {"a": "1"}
    kind: dict[str, Any] = {"json": fields} if place == "json" else {"data": fields}
    raw.then(FAULTS["answered"], raw_server.reply(), raw_server.reply(raw_server.whole("400", b"")))
    async with reach(catalog=_key_in(place)) as api:
        middlewares = (outer, api.middleware)
        await api.call("PUT", "/things", middlewares=middlewares, **kind)
        with pytest.raises(resilient.ApiError):
            await api.call("PUT", "/things", middlewares=middlewares, **kind)
    expected = json.dumps(fields).encode() if place == "json" else b"a=1"
    assert [expected, expected] == bodies
    assert [1, 1, 1] == [hit.body.count(KEY.encode()) for hit in raw.hits]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("continues", [True, False], ids=["continue", "refusal"])
async def test_expect_continue(
    raw: RawServer, reach: Connect, method: str, continues: bool
) -> None:
    """`Expect: 100-continue` works on every attempt, whether the first was let go on or not."""
    slow = raw_server.whole("429 Slow", b"{}", "Retry-After: 1")
    refusal = raw_server.early("429 Slow")

    async def go_on(wire: raw_server.Wire) -> bool:
        assert "100-continue" == wire.request.headers["expect"]
        await wire.send(EXPECTS)
        return await raw_server.reply(slow if len(raw.hits) < 3 else raw_server.OK)(wire)

    raw.then(go_on if continues else refusal, go_on, go_on)
    async with reach() as api:
        response = await api.call(method, "/things", data=LARGE[:100_000], expect100=True)
    assert (200, 3) == (response.status, len(raw.hits))
    assert LARGE[:100_000] == raw.hits[2].body
