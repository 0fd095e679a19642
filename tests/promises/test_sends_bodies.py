"""Sends again: the same bytes each time, or one send."""

import asyncio
import io
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
import raw_server
from acme import KEY, Connect, connecting
from naive import Retry
from promises.conftest import Figure
from raw_server import RawServer
from toxic import Toxin, toxic

import resilient
from resilient.credentials import Bearer

LARGE = random.Random(3).randbytes(3_000_000)
TEXT = "Привет, мир! " * 3000
ATTEMPTS = 3
AUTH = "authorization"


def form(*, file: bool) -> aiohttp.FormData:
    """Return a form, perhaps with a file."""
    found = aiohttp.FormData({"name": "value", "text": TEXT})
    if file:
        found.add_field("file", io.BytesIO(LARGE), filename="a.bin")
    return found


def multipart() -> aiohttp.MultipartWriter:
    """Return parts of several kinds."""
    writer = aiohttp.MultipartWriter("related")
    writer.append(TEXT)
    writer.append_json({"a": 1})
    writer.append(io.BytesIO(LARGE[:400_000]))
    return writer


def at_offset(file: Any) -> Any:
    """Write a file, and go to the middle of it."""
    file.write(b"not this" + LARGE)
    file.seek(8)
    return file


def on_disk(buffering: int = -1) -> Any:
    """Return an open file that nobody else knows."""
    return tempfile.TemporaryFile(buffering=buffering)


def spooled() -> Any:
    """Return a file that is in memory still; aiohttp closes it."""
    return tempfile.SpooledTemporaryFile(max_size=1 << 30)


REPLAYABLE: dict[str, Callable[[], dict[str, Any]]] = {
    "none": dict,
    "bytes": lambda: {"data": b"\0\xff" * 1000},
    "large bytes": lambda: {"data": LARGE},
    "bytearray": lambda: {"data": bytearray(LARGE[:1000])},
    "memoryview": lambda: {"data": memoryview(LARGE)[500:1500]},
    "str": lambda: {"data": TEXT},
    "json": lambda: {"json": {"name": TEXT, "number": 1.5}},
    "urlencoded": lambda: {"data": {"name": TEXT, "other": "a&b=c"}},
    "form": lambda: {"data": form(file=False)},
    "form with file": lambda: {"data": form(file=True)},
    "multipart": lambda: {"data": multipart()},
    "BytesIO": lambda: {"data": io.BytesIO(LARGE)},
    "BytesIO at an offset": lambda: {"data": at_offset(io.BytesIO())},
    "StringIO": lambda: {"data": io.StringIO(TEXT)},
    "file at an offset": lambda: {"data": at_offset(on_disk())},
    "unbuffered file": lambda: {"data": at_offset(on_disk(buffering=0))},
    "spooled file": lambda: {"data": at_offset(spooled())},
    "gzip": lambda: {"data": TEXT.encode(), "compress": "gzip"},
    "deflate": lambda: {"json": {"name": TEXT}, "compress": "deflate"},
    "chunked": lambda: {"data": TEXT.encode(), "chunked": True},
}
UPLOADS = ("large bytes", "form with file", "BytesIO at an offset", "file at an offset")
ANSWERS: dict[str, raw_server.Answer] = {
    "answered": raw_server.reply(raw_server.whole("503 Unavailable", b"{}")),
    "reset": raw_server.reset(),
    "ended": raw_server.reply(b"", keep=False),
    "renewed": raw_server.reply(
        raw_server.whole("401 No", b'{"errors": [{"code": "expired"}]}'),
    ),
}


async def generator() -> AsyncIterator[bytes]:
    """Yield a body."""
    yield b"one"
    yield b"two"


class Iterable:
    """A body that could be read again, but aiohttp does not know."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return generator()


def pipe() -> io.BufferedReader:
    """Return a file that cannot be rewound."""
    end, other = os.pipe()
    os.write(other, b"onetwo")
    os.close(other)
    return os.fdopen(end, "rb")


def stream() -> asyncio.StreamReader:
    """Return a stream of asyncio's."""
    found = asyncio.StreamReader()
    found.feed_data(b"onetwo")
    found.feed_eof()
    return found


def in_multipart() -> aiohttp.MultipartWriter:
    """Return parts of which one can be read once."""
    writer = aiohttp.MultipartWriter()
    writer.append(generator())
    return writer


ONE_SHOT: dict[str, Callable[[], Any]] = {
    "generator": generator,
    "iterable": Iterable,
    "async payload": lambda: aiohttp.AsyncIterablePayload(generator()),
    "pipe": pipe,
    "stream": stream,
    "multipart": in_multipart,
}


@attrs.frozen
class Sent:
    """What a server can tell two sends apart by, without the credential."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str


def sent(raw: RawServer) -> list[Sent]:
    """Return what arrived whole."""
    return [
        Sent(
            method=hit.method,
            target=hit.target,
            headers=tuple((name, value) for name, value in hit.headers.items() if name != AUTH),
            body=sha256(hit.body).hexdigest(),
        )
        for hit in raw.hits
    ]


def check_identical(sends: list[Sent]) -> None:
    """Fail unless all sends are the same."""
    first, *others = sends
    assert [first] * len(others) == others


def bearer() -> Bearer:
    """Return a credential whose token is another each time."""
    tokens = iter(range(100))

    async def token() -> str:
        return f"t{next(tokens)}"

    return Bearer(token, token)


@pytest.mark.parametrize("kind", REPLAYABLE)
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_identical(raw: RawServer, reach: Connect, kind: str, figure: Figure) -> None:
    """Each send has the same method, target, headers and body, byte for byte."""
    async with reach(credentials=bearer()) as api:
        for fault, answer in ANSWERS.items():
            raw.hits.clear()
            again = 1 if fault == "renewed" else ATTEMPTS - 1
            raw.then(*[answer] * again)
            response = await api.call("PUT", "/things?a=%2F1&a=2", **REPLAYABLE[kind]())
            assert (fault, 200) == (fault, response.status)
            assert (fault, 1 + again) == (fault, len(raw.hits))
            assert (kind == "none") is (not raw.hits[0].body)
            check_identical(sent(raw))
    figure("B3", "body kinds resent with a byte changed", 0, of=len(REPLAYABLE))


@pytest.mark.parametrize("kind", UPLOADS)
@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_whole_after_a_cut(raw: RawServer, tmp_path: Path, kind: str, figure: Figure) -> None:
    """A send that was cut off in the middle of its body is followed by a whole one."""
    cuts = (300, 70_000, 1_000_000, len(LARGE))
    async with (
        toxic(raw.port, record=0) as proxy,
        connecting(proxy, tmp_path)(chance=0.5) as api,
    ):
        for at in cuts:
            raw.hits.clear()
            await proxy.cut()
            proxy.up = Toxin(cut=at)
            asyncio.get_running_loop().call_later(0.05, setattr, proxy, "up", Toxin())
            response = await api.call("PUT", "/things", **REPLAYABLE[kind]())
            assert (at, 200) == (at, response.status)
            assert [at] == [each.up.passed for each in proxy.connections[-2:-1]]
            cut, whole = raw.hits
            assert b"" == cut.body
            assert 1 == whole.body.count(LARGE)
    figure("B3", "uploads that went short after a cut", 0, of=len(cuts) * len(UPLOADS))


@pytest.mark.parametrize("kind", ONE_SHOT)
async def test_one_shot(raw: RawServer, reach: Connect, kind: str, figure: Figure) -> None:
    """A body that can be read only once is sent once, and the event and the text say why."""
    async with reach() as api:
        for fault in ("answered", "reset", "ended"):
            raw.then(ANSWERS[fault])
            raw.hits.clear()
            data = ONE_SHOT[kind]()
            with pytest.raises(resilient.ResilientError, match="can be read only once") as caught:
                await api.call("PUT", "/things", data=data)
            if isinstance(data, io.IOBase):
                data.close()
            assert (fault, 1, 1) == (fault, len(raw.hits), caught.value.attempts)
            assert "body_not_replayable" == api.told("attempt_failed")[-1]["retry_skipped"]
            assert b"one" in raw.hits[0].body
    figure("B3", "sends of one-shot bodies beyond the first", 0, of=len(ONE_SHOT))


@pytest.mark.parametrize("kind", ["generator", "iterable", "pipe", "stream", "multipart"])
async def test_identical_naively(raw: RawServer, kind: str) -> None:
    """Why that needs care: sent again, such a body is empty, and the server says 200."""
    raw.then(ANSWERS["answered"])
    data = ONE_SHOT[kind]()
    async with aiohttp.ClientSession(middlewares=(Retry(),)) as http:
        response = await http.put(raw.url, data=data, headers={AUTH: KEY})
    if isinstance(data, io.IOBase):
        data.close()
    assert (200, 2) == (response.status, len(raw.hits))
    with pytest.raises(AssertionError):
        check_identical(sent(raw))
    assert b"one" not in raw.hits[1].body
