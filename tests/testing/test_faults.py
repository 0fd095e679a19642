import asyncio
from collections.abc import Callable

import aiohttp
import attrs
import pytest
from emulated import Opened, protected
from manual import ROOT, plain, tables

import resilient
from resilient import testing
from resilient.clock import Clock
from resilient.testing import (
    FAULTS,
    Close,
    Drip,
    Emulator,
    Endless,
    Fault,
    GzipBomb,
    HtmlPage,
    Reset,
    StalledBody,
    StalledHead,
    Truncated,
)

(TABLE,) = (each for each in tables(ROOT / "docs/emulator.md") if each.marker == "faults")
BODY = '{"result": "ok"}'
ENDING = [Reset, Close]


def test_the_table_has_every_fault() -> None:
    """The page lists the faults that have a name, in their order, each with its value."""
    values = {row["name"]: eval(plain(row["value"]), vars(testing)) for row in TABLE.rows}
    assert {f"`{name}`": fault for name, fault in FAULTS.items()} == values
    assert list(values) == [f"`{name}`" for name in FAULTS]


async def _felt(http: aiohttp.ClientSession, method: str, emulator: Emulator) -> str:
    """Return in the words of the table what a call felt that reads its answer."""
    told = []
    try:
        async with http.request(method, f"{emulator.url}/things", data=b"{}") as response:
            told.append(f"`{response.status}`")
            await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        told.append(f"`{type(error).__name__}`")
    again = " at the second send" if emulator.sends > 1 else ""
    return ", then ".join(told) + again


def _small(fault: Fault) -> Fault:
    return attrs.evolve(fault, most=1 << 20) if isinstance(fault, Endless) else fault


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: plain(row["name"]))
async def test_every_fault_is_felt(row: dict[str, str]) -> None:
    """A bare aiohttp client and the library feel each fault as the page says."""
    fault = _small(FAULTS[plain(row["name"])])
    clients: dict[str, Callable[[Emulator], Opened]] = {
        "bare aiohttp, `POST`": lambda _: aiohttp.ClientSession(),
        "resilient, `GET`": protected,
        "resilient, `POST`": protected,
    }
    for column, client in clients.items():
        async with Emulator("http") as emulator, client(emulator) as http:
            emulator.script(None, fault=fault)
            method = plain(column.split()[-1])
            assert row[column] == await _felt(http, method, emulator), column
            assert fault == emulator.requests[0].fault


HEARD = [
    plain(row["name"]) for row in TABLE.rows if row["bare aiohttp, `POST`"].startswith("`200`")
]


@pytest.mark.parametrize("name", HEARD)
async def test_a_refusal_is_heard_whatever_becomes_of_its_body(name: str) -> None:
    """A 429 whose head comes is recognised, and its Retry-After kept, under every such fault."""
    async with Emulator("http") as emulator, protected(emulator) as http:
        emulator.script(429, retry_after=5, fault=_small(FAULTS[name]))
        began = Clock.now()
        async with http.get(f"{emulator.url}/things") as response:
            assert 200 == response.status
        assert 5 <= Clock.now() - began < 10
        assert [429, 200] == [each.status for each in emulator.requests]


async def _raw(emulator: Emulator) -> tuple[bytes, float]:
    """Return every byte of an answer, and the seconds until the connection ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
    began = Clock.now()
    writer.write(b"GET /things HTTP/1.1\r\nHost: h\r\n\r\n")
    data = b""
    try:
        while piece := await reader.read(1 << 16):
            data += piece
    except ConnectionResetError:
        pass
    writer.close()
    return data, Clock.now() - began


@pytest.mark.parametrize("kind", ENDING)
async def test_a_connection_ends_after_any_byte(kind: Callable[[int], Fault]) -> None:
    """Cut after k bytes, the reply comes as far as its k-th byte, for every k."""
    async with Emulator("http", wall=lambda: 0.0) as emulator:
        emulator.script(None, fault=kind(10_000))
        whole, _ = await _raw(emulator)
        assert whole.endswith(BODY.encode())
        for k in range(len(whole) + 1):
            emulator.script(None, fault=kind(k))
            assert (whole[:k], 0.0) == await _raw(emulator)


@pytest.mark.parametrize(
    ("fault", "body", "seconds"),
    [
        (Reset(0.25), BODY[:4], 0.0),
        (Reset(1.0), BODY[:-1], 0.0),
        (Truncated(share=0.25), BODY[:4], 0.0),
        (Truncated(share=0.25, chunked=True), "4\r\n" + BODY[:4] + "\r\n", 0.0),
        (StalledBody(share=0.25, seconds=90.0), BODY[:4], 90.0),
        (Drip(size=3, every=2.0), BODY, 12.0),
        (Endless(size=4, every=1.0, most=8), f"10\r\n{BODY}\r\n" + "4\r\n    \r\n" * 2, 2.0),
    ],
    ids=repr,
)
async def test_a_body_is_cut_as_told(fault: Fault, body: str, seconds: float) -> None:
    """Shares, sizes and seconds are those of the value."""
    async with Emulator("http") as emulator:
        emulator.script(None, fault=fault)
        data, took = await _raw(emulator)
        head, _, rest = data.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200 OK\r\n")
        assert body == rest
        assert seconds == pytest.approx(took)


async def test_a_stalled_head_can_have_begun() -> None:
    """Some bytes of the head come, never all of it, then nothing for the time that was told."""
    async with Emulator("http") as emulator:
        emulator.script(None, fault=StalledHead(after=12, seconds=60.0))
        emulator.script(None, fault=StalledHead(after=10_000, seconds=60.0))
        assert (b"HTTP/1.1 200", 60.0) == await _raw(emulator)
        data, _ = await _raw(emulator)
        assert data.endswith(b"\r\n\r")


async def test_a_page_takes_the_place_of_the_answer() -> None:
    """The proxy's status is told, or with None the answer's own; the type is that of a page."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as http:
        emulator.script(None, fault=HtmlPage(504)).then(429, fault=HtmlPage(None))
        for status, title in ((504, "Gateway Timeout"), (429, "Too Many Requests")):
            async with http.get(emulator.url) as response:
                assert (status, "text/html") == (response.status, response.content_type)
                assert f"<title>{status} {title}</title>" in await response.text()


async def test_a_bomb_is_as_large_as_told() -> None:
    """It unpacks to the size in the fault, of a thousandth on the wire; it is made once."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as http:
        size = 3 * 1024 * 1024 + 5
        emulator.script(429, fault=GzipBomb(size), times=2)
        for _ in range(2):
            async with http.get(emulator.url) as response:
                assert (429, "gzip") == (response.status, response.headers["Content-Encoding"])
                assert int(response.headers["Content-Length"]) < size / 500
                assert b" " * size == await response.read()


async def test_a_status_that_nobody_has_heard_of_can_be_cut() -> None:
    """A status without a name is sent without one."""
    async with Emulator("http") as emulator:
        emulator.script(599, fault=Close(12))
        assert (b"HTTP/1.1 599", 0.0) == await _raw(emulator)


async def test_head_requests_have_no_body_to_spoil() -> None:
    """HEAD is answered without a body, whatever the fault."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as http:
        for name in ("truncated", "gzip-bomb", "html-page", "drip"):
            emulator.script(None, fault=name)
            async with http.head(emulator.url) as response:
                assert b"" == await response.read()


async def test_an_early_reset_is_never_processed() -> None:
    """Cut before its body is read, a request counts for no limit and changes nothing."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as http:
        emulator.script(None, fault="reset-early").then(None, fault="reset")
        for complete in (False, True):
            with pytest.raises(aiohttp.ClientOSError):
                await http.post(emulator.url, data=bytes(1 << 20))
            assert complete == emulator.requests[-1].complete
        early, late = emulator.requests
        assert ("fault", 0, b"") == (early.why, early.status, early.body)
        assert ("success", 200, 1 << 20) == (late.why, late.status, len(late.body))


@pytest.mark.parametrize("name", ["stalled-head", "stalled-body", "drip", "endless"])
async def test_a_fault_ends_when_its_client_goes(name: str) -> None:
    """When the client has had enough, no task of the emulator is left."""
    alone = len(asyncio.all_tasks())
    async with Emulator("http") as emulator:
        emulator.script(None, fault=name, times=None)
        timeout = aiohttp.ClientTimeout(total=0.5)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            with pytest.raises(TimeoutError):
                await (await http.post(emulator.url)).read()
        await asyncio.sleep(0.1)
        assert alone == len(asyncio.all_tasks())


@pytest.mark.parametrize("name", ["stalled-head", "stalled-body", "drip", "endless"])
async def test_a_fault_ends_when_the_emulator_stops(name: str) -> None:
    """Stopping waits for nothing, and leaves neither a task nor an open connection."""
    alone = len(asyncio.all_tasks())
    slow = Drip(every=30.0) if name == "drip" else FAULTS[name]
    emulator = Emulator("http")
    await emulator.start()
    emulator.script(None, fault=slow, times=None)
    async with aiohttp.ClientSession() as http:
        call = asyncio.ensure_future(http.post(emulator.url))
        await asyncio.sleep(0.1)
        began = Clock.now()
        await emulator.stop()
        assert began == Clock.now()
        with pytest.raises(aiohttp.ClientError):
            await (await call).read()
    assert alone == len(asyncio.all_tasks())


async def test_an_endless_body_is_held_up_by_its_reader() -> None:
    """A client that does not read gets no more than its buffers hold, and costs no time."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as http:
        emulator.script(None, fault=Endless(every=0.0, most=1 << 40))
        async with http.post(emulator.url) as response:
            assert b'{"result"' == await response.content.read(9)
            began = Clock.now()
            await asyncio.sleep(60.0)
            assert 60.0 == pytest.approx(Clock.now() - began)


async def test_nothing_lasts_longer_than_an_hour() -> None:
    """A client that neither reads nor goes is left after an hour."""
    async with Emulator("http") as emulator:
        alone = len(asyncio.all_tasks())
        emulator.script(None, fault=Endless(every=0.0, most=1 << 40))
        _, writer = await asyncio.open_connection("127.0.0.1", emulator.port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.sleep(3599)
        assert alone + 2 == len(asyncio.all_tasks())
        await asyncio.sleep(2)
        assert alone == len(asyncio.all_tasks())
        writer.close()


async def test_the_library_stops_reading_what_has_no_end() -> None:
    """An endless refusal is recognised by its status, let go of, and called again."""
    async with Emulator("http") as emulator, protected(emulator) as http:
        emulator.script(429, retry_after=1, fault=Endless(every=0.0, most=1 << 40))
        async with http.get(emulator.url) as response:
            assert 200 == response.status


async def test_the_library_is_not_deceived_by_types() -> None:
    """An error in an answer that is announced as a page is an error all the same."""
    async with Emulator("unisender") as emulator, protected(emulator) as http:
        emulator.script("not_enough_money", fault="wrong-type")
        with pytest.raises(resilient.ApiError, match="not_enough_money"):
            await http.get(f"{emulator.url}/ru/api/getLists")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Reset("never"),  # type: ignore[arg-type]
        lambda: Reset(-1),
        lambda: Close(1.5),
        lambda: Close(after=True),
        lambda: Truncated(share=2),
        lambda: StalledHead(after=-1),
        lambda: StalledBody(seconds=float("inf")),
        lambda: Drip(size=0),
        lambda: GzipBomb(0),
        lambda: Endless(most=0),
    ],
)
def test_what_cannot_be_is_refused(wrong: Callable[[], object]) -> None:
    """A fault whose numbers mean nothing is a ValueError where it is written."""
    with pytest.raises(ValueError, match=r"it takes|must be"):
        wrong()
