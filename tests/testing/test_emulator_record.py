import asyncio
import io
from itertools import pairwise

import aiohttp
import pytest
from emulated import Ask, emulated, protected
from hypothesis import given
from hypothesis import strategies as st

from resilient.testing import Emulator
from resilient.testing.emulator.arrival import Arrivals

GET = b"GET /a?x=%20 HTTP/1.1\r\nHost: h\r\nX-Odd:  two  spaces \r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nhost: h\r\nCONTENT-LENGTH: 12\r\n\r\nbody\r\n\r\nbody"
CHUNKED = (
    b"PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4;name=value\r\nbody\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
)
EMPTY = b"DELETE /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@given(
    st.lists(st.sampled_from([GET, POST, CHUNKED, EMPTY]), max_size=5),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_requests_are_divided_however_they_come(requests: list[bytes], cuts: list[int]) -> None:
    """Cut anywhere, what a connection brings is divided into the same requests, byte for byte."""
    data = b"".join(requests)
    arrivals = Arrivals(7, most=1 << 16)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in pairwise(edges):
        arrivals.feed(data[start:end])
    assert requests == [each.raw for each in arrivals.waiting]
    assert all(each.complete and each.connection == 7 for each in arrivals.waiting)
    assert len(requests) == arrivals.heads


@given(st.sampled_from([POST, CHUNKED]), st.integers(0, 200), st.integers(0, 200))
def test_a_part_of_a_request_is_kept_as_it_came(request: bytes, cut: int, most: int) -> None:
    """Broken off anywhere behind its head, all that came is there, up to the most that is kept."""
    arrivals = Arrivals(1, most=most)
    arrivals.feed(request[:cut])
    if arrivals.heads:
        (found,) = arrivals.waiting
        assert request[: min(cut, most)] == found.raw
        assert (cut >= len(request)) == found.complete


@pytest.mark.parametrize(
    "framing", [b"Content-Length: many", b"Content-Length: -1", b"Transfer-Encoding: chunked"]
)
def test_nonsense_is_kept_too(framing: bytes) -> None:
    """A length that is none ends nothing and breaks nothing."""
    arrivals = Arrivals(1, most=1 << 16)
    data = b"\r\nPOST / HTTP/1.1\r\n" + framing + b"\r\n\r\nzz\r\nrest"
    arrivals.feed(data)
    assert 1 == arrivals.heads
    assert data.startswith(arrivals.take().raw)


async def _spoken(emulator: Emulator, data: bytes) -> bytes:
    """Send bytes, and return what comes until nothing more does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    writer.write(data)
    await asyncio.sleep(1.0)
    writer.close()
    answer = await reader.read()
    await writer.wait_closed()
    return answer


async def test_the_record_is_byte_exact() -> None:
    """Request line, headers and body are kept as they came, over one connection or several."""
    async with Emulator("http") as emulator:
        for number, request in enumerate((GET, POST, CHUNKED), 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
            for _ in range(2):
                writer.write(request)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
                assert (request, number) == (
                    emulator.requests[-1].raw,
                    emulator.requests[-1].connection,
                )
                await reader.readexactly(16)
            writer.close()
        assert b"body0123456789" == emulator.requests[-1].body
        assert (6, 6) == (emulator.sends, emulator.total)


async def test_what_aiohttp_sends_twice_is_seen() -> None:
    """Aiohttp's own second send of a GET is counted, on a connection of its own."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as http:
        emulator.script(None, fault="reset")
        async with http.get(emulator.url) as response:
            assert 200 == response.status
        assert 2 == emulator.sends
        first, second = emulator.requests
        assert (first.raw, 1, 2) == (second.raw, first.connection, second.connection)


async def test_a_resend_is_byte_identical() -> None:
    """What the library sends again is, byte by byte, what it sent before."""
    async with Emulator("http") as emulator, protected(emulator) as http:
        emulator.script(503, times=3)
        async with http.put(f"{emulator.url}/x", json={"ключ": [1, 2]}) as response:
            assert 200 == response.status
        assert 4 == emulator.sends
        (raw,) = {each.raw for each in emulator.requests}
        assert raw.startswith(b"PUT /x HTTP/1.1\r\n")


async def test_a_request_that_breaks_off_is_kept() -> None:
    """Its head and as much of its body as came are there; it was not answered, and counts."""
    part = POST[:-3]
    async with Emulator("http") as emulator:
        _, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
        writer.write(part)
        await asyncio.sleep(1.0)
        assert (1, 0) == (emulator.sends, emulator.total)
        writer.close()
        await asyncio.sleep(1.0)
        (only,) = emulator.requests
        assert (part, False, "unanswered", 0, b"") == (
            only.raw,
            only.complete,
            only.why,
            only.status,
            only.body,
        )
        assert ("POST", "/b", 1) == (only.method, only.path, emulator.total)
        assert 200 == int((await _spoken(emulator, GET)).split()[1])


async def test_a_head_that_breaks_off_is_no_request() -> None:
    """Bytes that never become a head are no send."""
    async with Emulator("http") as emulator:
        await _spoken(emulator, b"GET / HT")
        assert (0, 0) == (emulator.sends, emulator.total)


async def test_what_is_no_http_is_kept() -> None:
    """A head that aiohttp refuses is counted and kept, with what it says of a method and a path."""
    async with Emulator("http") as emulator:
        bad = b"GET /x?y HTTP/1.1\r\nBad Header\r\n\r\n"
        assert (await _spoken(emulator, bad)).startswith(b"HTTP/1.0 400")
        (only,) = emulator.requests
        assert (bad, "unanswered", "GET", "/x", "y") == (
            only.raw,
            only.why,
            only.method,
            only.path,
            only.query,
        )


async def test_a_call_that_is_given_up_in_the_queue_is_kept() -> None:
    """A pipelined request whose client goes before its turn has been received all the same."""
    async with Emulator("http") as emulator:
        emulator.script(None, latency=5.0)
        _, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
        writer.write(GET + POST)
        await asyncio.sleep(1.0)
        writer.close()
        await asyncio.sleep(1.0)
        assert ["success", "unanswered"] == [each.why for each in emulator.requests]
        assert [GET, POST] == [each.raw for each in emulator.requests]


def test_long_requests_are_kept_in_part() -> None:
    """`keep_bytes` bounds what is kept of each request; the body is read all the same."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        await ask("/", "POST", data=b"x" * 5000)
        last = emulator.requests[-1]
        assert (300, 5000, True) == (len(last.raw), len(last.body), last.complete)

    emulated(scene, "http", keep_bytes=300)


def test_a_request_that_is_too_large_is_kept() -> None:
    """It is refused with 413, and kept without its body."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        assert 413 == (await ask("/", "POST", data=io.BytesIO(b"x" * (1024**2 + 1))))[0]
        assert ("too large", 413) == (emulator.requests[-1].why, emulator.requests[-1].status)

    emulated(scene, "http")


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    """`Expect: 100-continue` is answered before the body comes."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        assert 200 == (await ask("/", "POST", data=b"body", expect100=True))[0]
        assert emulator.requests[-1].raw.endswith(b"\r\n\r\nbody")

    emulated(scene, "http")
