"""The proxy that other tests trust does what it says."""

import asyncio
import itertools
from contextlib import suppress

import aiohttp
import pytest
from raw_server import RawServer, reply, stall, whole
from toxic import Ending, Toxin, toxic

BODY = bytes(range(256)) * 8
ANSWER = whole("200 OK", BODY)
RESET = ConnectionResetError


async def ask(port: int) -> tuple[bytes, BaseException | None]:
    """Send a request; return what came back, and what ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    found, error = b"", None
    try:
        while len(found) < len(ANSWER) and (data := await reader.read(4096)):
            found += data
    except OSError as caught:
        error = caught
    finally:
        writer.close()
    return found, error


async def test_passes_on(raw: RawServer) -> None:
    """Without a toxin every byte passes, and both directions are remembered."""
    raw.default = reply(ANSWER)
    async with toxic(raw.port) as proxy, aiohttp.ClientSession() as http:
        for _ in range(2):
            async with http.post(proxy.url, data=b"x" * 300_000) as response:
                assert BODY == await response.read()
        (connection,) = proxy.connections
        assert connection.down.seen == ANSWER * 2
        assert b"x" * 300_000 in bytes(connection.up.seen)
    assert [b"x" * 300_000] * 2 == [hit.body for hit in raw.hits]


async def test_latency(raw: RawServer) -> None:
    """What one side sends arrives late by what was drawn, never out of order."""
    raw.default = reply(ANSWER)
    delays = itertools.cycle([3.0, 0.0])
    async with toxic(raw.port, latency=lambda: next(delays)) as proxy:
        began = asyncio.get_running_loop().time()
        assert (ANSWER, None) == await ask(proxy.port)
        assert 3.0 == pytest.approx(asyncio.get_running_loop().time() - began)
    assert 3.0 == pytest.approx(raw.hits[0].at - began)


async def test_order_is_kept(raw: RawServer) -> None:
    """A chunk that is drawn a shorter delay does not overtake the one before."""
    delays = iter([5.0, 0.0, 0.0, 0.0])
    async with toxic(raw.port, up=Toxin(latency=lambda: next(delays))) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for piece in (b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n"):
            writer.write(piece)
            await asyncio.sleep(1.0)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
    assert "/" == raw.hits[0].target


@pytest.mark.parametrize("at", [0, 1, 17, len(ANSWER) - 1, len(ANSWER)])
@pytest.mark.parametrize(("ending", "error"), [("fin", type(None)), ("rst", RESET)])
async def test_cut(raw: RawServer, at: int, ending: Ending, error: type) -> None:
    """The reply ends after exactly so many bytes, with FIN or RST; the request has arrived."""
    raw.default = reply(ANSWER)
    async with toxic(raw.port, down=Toxin(cut=at, ending=ending)) as proxy:
        found, caught = await ask(proxy.port)
        assert ANSWER[:at] == found
        assert caught is None if at == len(ANSWER) else isinstance(caught, error)
        assert at == proxy.connections[0].down.passed
    assert 1 == len(raw.hits)


async def test_cut_upwards(raw: RawServer) -> None:
    """A request that is cut at its first byte never arrives."""
    async with toxic(raw.port, up=Toxin(cut=0, ending="fin")) as proxy:
        assert (b"", None) == await ask(proxy.port)
    assert [] == raw.hits


async def test_stall(raw: RawServer) -> None:
    """A stall lets so many bytes pass, then none, until the client leaves."""
    raw.default = reply(ANSWER)
    async with toxic(raw.port, down=Toxin(stall=20)) as proxy:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(proxy.port), 60)
        assert 20 == proxy.connections[0].down.passed


async def test_stalled_upload_is_bounded(raw: RawServer) -> None:
    """A client that sends into a stall is held up, and the proxy holds a bounded part."""
    async with toxic(raw.port, up=Toxin(stall=0), record=0) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        sent = 0
        with suppress(TimeoutError):
            while sent < 100 << 20:
                writer.write(b"x" * 65536)
                await asyncio.wait_for(writer.drain(), 60)
                sent += 65536
        assert sent < 20 << 20  # the kernel's buffers among it
        writer.transport.abort()


class Chunks(asyncio.Protocol):
    """Notes the sizes of what is received at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Note it."""
        self.sizes.append(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it."""
        self.closed.set()


async def test_pieces(raw: RawServer) -> None:
    """The other end receives so many bytes at a time."""
    raw.default = reply(ANSWER, keep=False)
    async with toxic(raw.port, down=Toxin(piece=7)) as proxy:
        loop = asyncio.get_running_loop()
        transport, chunks = await loop.create_connection(Chunks, "127.0.0.1", proxy.port)
        transport.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await chunks.closed.wait()
    assert {7} == set(chunks.sizes[:-1])
    assert len(ANSWER) == sum(chunks.sizes)


async def test_refuse_and_cut(raw: RawServer) -> None:
    """It refuses and accepts again on the same port, and cuts what is open when told to."""
    raw.default = stall
    async with toxic(raw.port) as proxy:
        waiting = asyncio.ensure_future(ask(proxy.port))
        await asyncio.sleep(1)
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await ask(proxy.port)
        await proxy.cut("rst")
        assert isinstance((await waiting)[1], RESET)
        raw.default = reply(ANSWER)
        await proxy.accept()
        assert (ANSWER, None) == await ask(proxy.port)


async def test_switch(raw: RawServer) -> None:
    """A toxin that is set on an open connection counts from then on."""
    raw.default = reply(ANSWER)
    async with toxic(raw.port) as proxy, aiohttp.ClientSession() as http:
        async with http.post(proxy.url) as response:
            await response.read()
        proxy.down = Toxin(cut=0)
        with pytest.raises(aiohttp.ClientOSError):
            await http.post(proxy.url)
        assert [len(ANSWER)] == [each.down.passed for each in proxy.connections]
    assert 2 == len(raw.hits)


@pytest.mark.real_time
async def test_real_time(raw: RawServer) -> None:
    """It works on an ordinary loop, too."""
    raw.default = reply(ANSWER)
    async with toxic(raw.port, latency=lambda: 0.01, down=Toxin(cut=30, ending="fin")) as proxy:
        assert (ANSWER[:30], None) == await ask(proxy.port)


async def test_server_gone(raw: RawServer) -> None:
    """Where nobody listens the client is reset."""
    async with toxic(1) as proxy:
        assert isinstance((await ask(proxy.port))[1], RESET)
