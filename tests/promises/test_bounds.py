"""What a hostile server can make us hold, and for how long."""

import asyncio
import gc
import os
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import raw_server
from acme import Client, Connect
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from codings import CODINGS
from naive import Peek
from promises.conftest import Figure
from raw_server import Answer, RawServer, Wire

import resilient

HERE = Path(__file__).parents[1]
MIB = 1 << 20
WINDOWS = {"gzip": 31, "deflate": 15}
STATUSES = ("200 OK", "404 Not Found", "429 Slow", "503 Unavailable")
CHUNKED = "Transfer-Encoding: chunked"


def bomb(coding: str, mebibytes: int) -> bytes:
    """Return what unpacks to mebibytes of spaces; one of them is packed, and repeated."""
    packer = zlib.compressobj(9, wbits=WINDOWS[coding])
    start = packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    # No checksum at the end: nobody who is safe gets as far.
    return start + block * mebibytes


async def growth(raw: RawServer, coding: str, mebibytes: int, client: str) -> int:
    """Return how many bytes a process grows by that meets bombs."""
    bombs = {"small": bomb(coding, 1), "large": bomb(coding, mebibytes)}

    async def throw(wire: Wire) -> bool:
        _, size, status = wire.request.target.split("/")
        packed = raw_server.whole(f"{status} X", bombs[size], f"Content-Encoding: {coding}")
        return await raw_server.reply(packed, keep=False)(wire)

    raw.default = throw
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(HERE / "rss_growth.py"), raw.url, client),
        env={**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complaints = await process.communicate()
    assert 0 == process.returncode, complaints.decode()
    return int(told)


@pytest.mark.real_time
@pytest.mark.parametrize("coding", ["gzip", pytest.param("deflate", marks=pytest.mark.soak)])
async def test_memory(raw: RawServer, figure: Figure, coding: str) -> None:
    """A process that meets bombs of 600 MiB grows by 4 MiB at most."""
    found = await growth(raw, coding, 600, "ours")
    assert found <= 4 * MIB
    figure("D2", f"MiB of growth on a {coding} bomb of 600 MiB", found / MIB)


@pytest.mark.real_time
async def test_memory_naively(raw: RawServer) -> None:
    """The same measure of a client that reads what it gets: it holds all of a smaller bomb."""
    assert 24 * MIB < await growth(raw, "gzip", 24, "naive")


def endless(start: bytes, piece: bytes, every: float) -> Answer:
    """Answer with a body that does not end, in chunks or, without their frames, until closed."""

    async def answer(wire: Wire) -> bool:
        await wire.body()
        await wire.send(start)
        gone = asyncio.ensure_future(wire.reader.read())
        while not gone.done():
            await wire.send(piece)
            await asyncio.wait([gone], timeout=every)
        return False

    return answer


BODIES = {
    "a chunk at a time": ((CHUNKED,), b"1\r\n \r\n", 0.3),
    "a byte of a length": (("Content-Length: 1000000",), b" ", 0.4),
    "a byte until closed": ((), b" ", 0.9),
    "as fast as it goes": ((CHUNKED,), b"4000\r\n%s\r\n" % (b" " * 0x4000), 0.0),
    "nothing": ((CHUNKED,), b"", 60.0),
    "half of a chunk's head": ((CHUNKED,), b"0", 0.2),
    "several codings": (("Content-Encoding: gzip, deflate", CHUNKED), b"1\r\n \r\n", 0.3),
}


async def longest_look(raw: RawServer, http: aiohttp.ClientSession, body: str) -> float:
    """Return how long responses whose body does not end are held back."""
    longest = 0.0
    headers, piece, every = BODIES[body]
    for status in STATUSES:
        await asyncio.sleep(60)
        raw.default = endless(raw_server.head(status, *headers), piece, every)
        began = asyncio.get_running_loop().time()
        async with http.get(raw.url + "/things") as response:
            longest = max(longest, asyncio.get_running_loop().time() - began)
            if piece.strip(b"0"):
                assert b"  " == await response.content.readexactly(2), "nothing is lost"
    return longest


@pytest_asyncio.fixture
async def api(reach: Connect) -> AsyncIterator[Client]:
    """A client that is handed every response, after one attempt."""
    once = {name: {"action": name, "attempts": 1} for name in ("retry", "back_off")}
    async with reach(on_error="return", policies=once) as found:
        yield found


@pytest.mark.parametrize("body", BODIES)
async def test_endless(raw: RawServer, api: Client, figure: Figure, body: str) -> None:
    """A body that never ends, fast or in drips, holds a response back for a second at most."""
    found = await longest_look(raw, api.http, body)
    assert found <= 1.0 + 1e-3
    figure("D2", f"seconds that an endless body is looked at, {body}", found)


async def test_endless_naively(raw: RawServer) -> None:
    """The same measure finds a middleware that reads a few bytes and has no clock."""
    async with aiohttp.ClientSession(middlewares=(Peek(10),)) as http:
        assert 2.0 < await longest_look(raw, http, "a byte of a length")


@pytest.mark.parametrize("coding", [name for name in CODINGS if name != "identity"])
async def test_looked_at(raw: RawServer, reach: Connect, figure: Figure, coding: str) -> None:
    """Of a body that unpacks to 20 MB 64 KiB are looked at, and little more is unpacked."""
    pack = CODINGS[coding]
    if pack is None:
        pytest.skip(f"aiohttp needs another package for {coding}")
    packed = pack(b" " * 20_000_000)
    most = 0
    async with reach() as api:
        for frame in (raw_server.whole, raw_server.chunked):
            answer = frame("404 Not Found", packed, f"Content-Encoding: {coding}")
            raw.default = raw_server.reply(answer, keep=False)
            tracemalloc.start()
            with pytest.raises(resilient.ApiError) as caught:
                await api.http.get(api.url)
            most = max(most, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert 65_536 == len(caught.value.body)
    assert most < 4 * MIB
    figure("D2", f"MiB allocated for a {coding} bomb of 20 MB", most / MIB)


async def garbage(end: Callable[[], Awaitable[object]]) -> set[str]:
    """Return what is left of a call, once it has ended, for the garbage collector to find."""
    await end()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await end()
        gc.collect()
        kinds = {type(each) for each in gc.garbage}
        return {
            kind.__name__
            for kind in kinds
            if kind.__module__.startswith(("aiohttp.client", "resilient."))
        }
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


ENDINGS = {
    "success": raw_server.reply(raw_server.whole("200 OK", b"{}")),
    "failure": raw_server.reply(raw_server.whole("404 Not Found", b" " * 100_000)),
    "resend": raw_server.reply(raw_server.whole("503 Unavailable", b"{}")),
    "pause": raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 1000")),
    "block": raw_server.reply(raw_server.whole("400 Bad", b'{"errors": [{"code": "shut_out"}]}')),
    "no answer": raw_server.reply(b"", keep=False),
}


@pytest.mark.parametrize("on_error", ["raise", "return"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_garbage(raw: RawServer, reach: Connect, ending: str, on_error: str) -> None:
    """What a call held is free once its outcome is let go: it holds itself in no cycle."""
    raw.default = ENDINGS[ending]
    async with reach(on_error=on_error, timeout="100s") as api:

        async def end() -> None:
            with suppress(resilient.ResilientError):
                await api.get()

        assert set() == await garbage(end)


async def test_garbage_naively(raw: RawServer) -> None:
    """The check finds a middleware that raises an exception which it holds itself."""

    async def strict(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        error = ValueError(response.status)
        raise error

    async with aiohttp.ClientSession(middlewares=(strict,)) as http:

        async def end() -> None:
            with suppress(ValueError):
                await http.get(raw.url)

        assert "ClientResponse" in await garbage(end)
