"""No answer: what is raised, and when the call ends."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import METHODS, SENT_ONCE, Client, Connect, body_of
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.client_reqrep import ConnectionKey
from raw_server import Answer, RawServer
from server import Server

import resilient

THREE = {"retry": {"action": "retry", "attempts": 3, "delay": {"base": "1s", "cap": "20s"}}}
PART = b"HTTP/1.1 200 OK\r\nContent-Le"
FAULTS: dict[str, Answer] = {
    "reset": raw_server.reset(),
    "reset in the head": raw_server.reset(PART),
    "end": raw_server.reply(b"", keep=False),
    "end in the head": raw_server.reply(PART, keep=False),
    "garbage": raw_server.reply(b"no HTTP\r\n\r\n", keep=False),
    "two lengths": raw_server.reply(raw_server.whole("200 OK", b"{}", "Content-Length: 3")),
    "huge header": raw_server.reply(raw_server.whole("200 OK", b"{}", "X: " + "x" * 100_000)),
    "stall": raw_server.stall,
}


async def _fail(api: Client, method: str) -> resilient.TransportError:
    with pytest.raises(resilient.TransportError) as caught:
        await api.call(method, "/things", **body_of(method))
    return caught.value


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_resend_by_aiohttp(raw: RawServer, reach: Connect, fault: str) -> None:
    """What is raised is nothing that aiohttp, or a caller's old `except`, would try again on."""
    raw.default = FAULTS[fault]
    async with reach(policies=THREE, attempt_timeout="5s") as api:
        error = await _fail(api, "GET")
    assert isinstance(error, aiohttp.ClientConnectionError)
    assert not isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)


@pytest.mark.parametrize("method", SENT_ONCE)
async def test_said_idempotent(raw: RawServer, reach: Connect, method: str) -> None:
    """A caller who says that his call may be processed twice has it tried again."""
    raw.then(FAULTS["reset"], FAULTS["end"])
    async with reach(policies=THREE) as api:
        with resilient.options(idempotent=True):
            response = await api.call(method, "/things", data=b"x=1")
    assert (200, 3) == (response.status, len(raw.hits))
    assert ["call_recovered"] == api.names()[-1:]


async def test_said_not_idempotent(raw: RawServer, reach: Connect) -> None:
    """A caller who says that his GET changes things has it sent once."""
    raw.default = FAULTS["reset"]
    async with reach(policies=THREE) as api:
        with resilient.options(idempotent=False):
            await _fail(api, "GET")
    assert 1 == len(raw.hits)


class Unreachable(aiohttp.TCPConnector):
    """A connector that fails as it is told, and counts how often."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error, self.tried = error, 0

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        """Fail."""
        self.tried += 1
        raise self.error


KEY = ConnectionKey("127.0.0.1", 443, True, True, None, None, None)
NOT_SENT: dict[str, Exception] = {
    "refused": aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
    "no such name": aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "no such name")),
    "no TLS": aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "no TLS")),
    "timeout": aiohttp.ConnectionTimeoutError("Connection timeout to host"),
    "proxy": aiohttp.ClientProxyConnectionError(KEY, OSError(111, "refused")),
}
HOPELESS: dict[str, Exception] = {
    "certificate": aiohttp.ClientConnectorCertificateError(
        KEY, ssl.SSLCertVerificationError("self-signed")
    ),
    "fingerprint": aiohttp.ServerFingerprintMismatch(b"1", b"2", "127.0.0.1", 443),
}


async def _unreachable(api: Client, error: Exception, method: str) -> tuple[Any, int]:
    connector = Unreachable(error)
    async with aiohttp.ClientSession(connector=connector, middlewares=(api.middleware,)) as http:
        with pytest.raises(resilient.TransportError) as caught:
            await http.request(method, api.url + "/things", **body_of(method))
    return caught.value, connector.tried


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", NOT_SENT)
async def test_not_sent(connect: Connect, method: str, fault: str) -> None:
    """What certainly did not leave is tried again, whatever the method."""
    async with connect(policies=THREE) as api:
        error, tried = await _unreachable(api, NOT_SENT[fault], method)
    assert (3, 3, False) == (tried, error.attempts, error.sent)
    assert (fault == "timeout") is isinstance(error, resilient.TransportTimeout)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", HOPELESS)
async def test_hopeless(connect: Connect, method: str, fault: str) -> None:
    """A certificate that is wrong is not tried again, not even for a GET."""
    async with connect(policies=THREE) as api:
        error, tried = await _unreachable(api, HOPELESS[fault], method)
    assert (1, False) == (tried, error.sent)


async def test_refused(server: Server, connect: Connect) -> None:
    """A POST to a port where nobody listens is tried again, as nothing was sent."""
    async with connect(hosts=["127.0.0.1:1"], policies=THREE) as api:
        with pytest.raises(resilient.TransportError, match="certainly did not leave") as caught:
            await api.http.post("http://127.0.0.1:1/things", data=b"x")
    assert (3, False) == (caught.value.attempts, caught.value.sent)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_attempt_timeout(raw: RawServer, reach: Connect, method: str) -> None:
    """An attempt that takes too long is ended, and is a timeout in every sense."""
    raw.default = raw_server.stall
    async with reach(attempt_timeout="5s", policies=THREE) as api:
        error = await _fail(api, method)
    assert isinstance(error, resilient.TransportTimeout)
    assert isinstance(error, TimeoutError)
    hits = 1 if method == "POST" else 3
    assert [0, 5, 10][:hits] == [round(hit.at - raw.hits[0].at, 3) for hit in raw.hits]


async def test_sock_read_timeout(raw: RawServer, reach: Connect) -> None:
    """A timeout of a read, aiohttp's own, is a lost answer: it may have been processed."""
    raw.default = raw_server.stall
    timeout = aiohttp.ClientTimeout(total=None, sock_read=2)
    async with reach(policies=THREE) as api:
        for method in ("GET", "POST"):
            with pytest.raises(resilient.TransportTimeout):
                await api.call(method, "/things", timeout=timeout)
    assert ["GET", "GET", "GET", "POST"] == [hit.method for hit in raw.hits]


async def test_total_spent(raw: RawServer, reach: Connect) -> None:
    """Once aiohttp's own total is over nothing is sent: it would be in vain."""
    raw.default = raw_server.stall
    timeout = aiohttp.ClientTimeout(total=3)
    async with reach(policies=THREE, attempt_timeout="60s") as api:
        with pytest.raises(TimeoutError) as caught:
            await api.get(timeout=timeout)
    assert TimeoutError is type(caught.value)
    assert 1 == len(raw.hits)


async def test_total_spent_in_the_body(raw: RawServer, reach: Connect) -> None:
    """The same, if it is over while an error's body is read."""
    start = raw_server.head("503 Unavailable", "Content-Length: 100")
    raw.default = raw_server.endless(start, b"x", every=60)
    async with reach(policies=THREE) as api:
        with pytest.raises(TimeoutError) as caught:
            await api.get(timeout=aiohttp.ClientTimeout(total=0.5))
        assert 0 == api.state().in_flight
    assert TimeoutError is type(caught.value)
    assert 1 == len(raw.hits)


async def test_total_spent_in_a_pause(raw: RawServer, reach: Connect) -> None:
    """The same, if it is over while a call waits to be sent again."""
    raw.default = raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 60"))
    async with reach() as api:
        with pytest.raises(TimeoutError):
            await api.get(timeout=aiohttp.ClientTimeout(total=3))
        assert 0 == api.state().waiting
    assert 1 == len(raw.hits)


async def test_total_that_cannot_be_seen(connect: Connect) -> None:
    """Where aiohttp does not show its total, a call that it ends counts as cancelled."""

    async def hide(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        del request._timer  # as if it were called something else
        return await handler(request)

    async def lose(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        raise aiohttp.ClientConnectionError

    async with connect(policies=THREE, chance=0.99) as api:
        chain = (hide, api.middleware, lose)
        async with aiohttp.ClientSession(middlewares=chain) as http:
            with pytest.raises(TimeoutError):
                await http.get(f"{api.url}/things", timeout=aiohttp.ClientTimeout(total=2.5))
        assert [] == api.told("call_failed")


async def _until_failed(call: Callable[[], Awaitable[object]]) -> tuple[float, Exception]:
    began = asyncio.get_running_loop().time()
    try:
        await call()
    except resilient.ResilientError as error:
        return asyncio.get_running_loop().time() - began, error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize("own", [True, False], ids=["options", "service"])
@pytest.mark.parametrize("seconds", [0.5, 4, 7, 12, 31])
@pytest.mark.parametrize("fault", ["reset", "end", "stall", "stalled body", "slow down", "broken"])
async def test_deadline(
    raw: RawServer, reach: Connect, fault: str, seconds: float, own: bool
) -> None:
    """A call is over by its deadline, whatever it is doing."""
    faults = {
        **FAULTS,
        "stalled body": raw_server.endless(
            raw_server.head("503 Unavailable", "Transfer-Encoding: chunked"), b" ", every=0.3
        ),
        "slow down": raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 3")),
        "broken": raw_server.reply(raw_server.whole("503 Unavailable", b"{}")),
    }
    raw.default = faults[fault]
    attempts = {"attempts": 100, "delay": {"base": "2s", "cap": "9s"}, "max_wait": "5m"}
    policies = {name: {"action": name, **attempts} for name in ("retry", "back_off")}
    service = {} if own else {"timeout": seconds}
    async with reach(policies=policies, attempt_timeout="5s", chance=0.9, **service) as api:
        with resilient.options(timeout=seconds if own else None):
            took, error = await _until_failed(api.get)
    assert took <= seconds + 0.001
    assert not isinstance(error, resilient.NotSent) or not raw.hits


async def test_cause(raw: RawServer, reach: Connect) -> None:
    """A call that may not go again raises what it met, and the original is the cause."""
    limits = {"calls": {"rate": "1/min", "per": ["credential"]}}
    raw.default = FAULTS["reset"]
    async with reach(catalog={"limits": limits}, timeout="30s") as api:
        error = await _fail(api, "GET")
    assert 1 == error.attempts
    assert isinstance(error.__cause__, aiohttp.ClientOSError)


async def test_no_sleep_into_the_deadline(raw: RawServer, reach: Connect) -> None:
    """A wait that does not fit is not begun, and the exception says until when it is."""
    raw.default = raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 60"))
    async with reach(timeout="50s") as api:
        took, error = await _until_failed(api.get)
    assert isinstance(error, resilient.RateLimited)
    assert error.retry_at is not None
    assert took < 0.1
