"""The exceptions: their tree, what they carry, that they pickle, and that they show no secret."""

import asyncio
import copy
import pickle
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import acme
import aiohttp
import pytest
from acme import KEY, Connect
from server import Server

import resilient

POLICIES = {"block_warning": {"action": "block_warning", "cool_down": {"base": "1m", "cap": "1m"}}}
IN_QUERY = {"kind": "api_key", "fields": [{"name": "api_key", "in": "query"}]}


async def provoke(
    connect: Connect, server: Server, kind: type[Exception], **service: object
) -> Exception:
    """Return an exception of a kind, as a call raises it."""
    told = {
        resilient.ApiError: "wrong",
        resilient.RateLimited: "slow_down",
        resilient.AuthenticationFailed: "expired",
        resilient.Blocked: "shut_out",
        resilient.Unavailable: "broken",
        resilient.DeadlineExceeded: "slow_down",
        resilient.ScopeBlocked: "shut_out",
    }
    if kind is resilient.TransportError:
        server.script.extend([acme.drop] * 9)
    elif kind is resilient.TransportTimeout:
        server.script.extend([acme.slowly(1000)] * 9)
    elif kind is resilient.QueueFull:
        service = {**service, "max_queue": 0, "limits": {"calls": {"rate": "1/s"}}}
    else:
        server.then(**acme.says(told[kind], status=418, after=600))
    async with connect(policies=POLICIES, **service) as api:
        for _ in range(2):
            try:
                await api.get("/things?token=" + KEY)
            except kind as error:
                return error
            except resilient.ResilientError:
                continue
    raise AssertionError(kind)


TREE: dict[type[Exception], tuple[type[Exception], ...]] = {
    resilient.ApiError: (resilient.ResilientError, aiohttp.ClientResponseError),
    resilient.RateLimited: (resilient.ApiError,),
    resilient.AuthenticationFailed: (resilient.ApiError,),
    resilient.Blocked: (resilient.ApiError,),
    resilient.Unavailable: (resilient.ApiError,),
    resilient.TransportError: (resilient.ResilientError, aiohttp.ClientConnectionError),
    resilient.TransportTimeout: (resilient.TransportError, TimeoutError),
    resilient.QueueFull: (resilient.NotSent, aiohttp.ClientError),
    resilient.ScopeBlocked: (resilient.NotSent,),
    resilient.DeadlineExceeded: (resilient.NotSent, TimeoutError),
}
RERUN = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
each_kind = pytest.mark.parametrize("kind", TREE)


@each_kind
def test_tree(kind: type[Exception]) -> None:
    """Every exception is what a caller of aiohttp catches, and none that aiohttp reruns."""
    assert issubclass(kind, (resilient.ResilientError, *TREE[kind]))
    assert all(issubclass(kind, base) for base in TREE[kind])
    assert issubclass(kind, aiohttp.ClientError)
    assert not issubclass(kind, RERUN)


def test_config_error() -> None:
    """A ConfigError is a ValueError, pickles, and carries each fault with its place."""
    with pytest.raises(resilient.ConfigError) as caught:
        resilient.load({"services": {"web": {"catalog": "http", "modus": "off"}}, "sort": 1})
    again = pickle.loads(pickle.dumps(caught.value))
    assert resilient.ConfigError is type(again)
    assert issubclass(resilient.ConfigError, ValueError)
    assert not issubclass(resilient.ConfigError, aiohttp.ClientError)
    assert 2 <= len(again.faults) == len(str(again).splitlines())
    assert caught.value.faults == again.faults


@each_kind
@pytest.mark.parametrize("copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])
async def test_pickle(
    server: Server,
    connect: Connect,
    kind: type[Exception],
    copied: Callable[[Exception], Exception],
) -> None:
    """Every exception pickles, and comes back with all that it carries."""
    error = await provoke(connect, server, kind)
    again = copied(error)
    assert kind is type(again)
    assert (str(error), repr(error), error.args) == (str(again), repr(again), again.args)
    before, after = dict(vars(error)), dict(vars(again))
    assert before.pop("request_info", None) == after.pop("request_info", None)
    assert before.keys() == after.keys()
    assert before == after


@each_kind
@pytest.mark.parametrize("rule", [acme.CATALOG["credential"], IN_QUERY])
async def test_no_secret(
    server: Server, connect: Connect, kind: type[Exception], rule: dict[str, object]
) -> None:
    """No exception shows a credential, in whatever way one looks at it."""
    error = await provoke(connect, server, kind, catalog={"credential": rule})
    if kind is not resilient.QueueFull:
        assert any(KEY in f"{hit.path} {hit.headers}" for hit in server.hits)
    shown = [str(error), repr(error), f"{error.args}", f"{vars(error)}"]
    shown += [f"{getattr(error, 'request_info', '')}", *traceback.format_exception(error)]
    shown += [f"{name}={value!r}" for name, value in locals_of(error)]
    assert [] == [each for each in shown if KEY in each]


def locals_of(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield the local variables of our own frames, as error reporters show them."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals["__name__"].startswith("resilient"):
            yield from frame.f_locals.items()


@each_kind
async def test_common_attributes(server: Server, connect: Connect, kind: type) -> None:
    """Every exception says which service, how many attempts, and from when on to try again."""
    error = await provoke(connect, server, kind)
    assert isinstance(error, resilient.ResilientError)
    assert "acme" == error.service
    sent = not issubclass(kind, resilient.NotSent)
    assert sent == (error.attempts > 0)
    assert error.retry_at is None or UTC is error.retry_at.tzinfo
    waits = (resilient.RateLimited, resilient.Blocked, resilient.ScopeBlocked)
    if kind in (*waits, resilient.DeadlineExceeded):
        assert isinstance(error.retry_at, datetime)
    assert str(error).startswith("acme")
    assert "GET http://127.0.0.1" in str(error)


async def test_code_is_the_vendors(server: Server, connect: Connect) -> None:
    """`code` is what the API reported, not aiohttp's old name of the status; nothing warns."""
    server.then(**acme.says("wrong", status=422))
    server.then(404)
    async with connect() as api:
        with pytest.raises(resilient.ApiError) as reported:
            await api.get()
        with pytest.raises(resilient.ApiError) as plain:
            await api.get()
    assert ("wrong", 422) == (reported.value.code, reported.value.status)
    assert (None, 404) == (plain.value.code, plain.value.status)
    assert (reported.value.message,) == reported.value.args


async def test_request_info(server: Server, connect: Connect) -> None:
    """`request_info` has the method and a redacted URL, and no headers."""
    server.then(**acme.says("wrong"))
    async with connect(catalog={"credential": IN_QUERY}) as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get(f"/things?colour=red&password={KEY}")
    info = caught.value.request_info
    assert ("GET", "red") == (info.method, info.url.query["colour"])
    assert "REDACTED" == info.url.query["password"]
    assert not info.headers


def test_url_that_cannot_be_read() -> None:
    """An address that is none does not keep an error from being told."""
    error = resilient.ApiError("It broke.", url="http://[", method="GET", status=500)
    assert ("GET", "") == (error.request_info.method, str(error.request_info.url))


async def test_secret_headers(server: Server, connect: Connect) -> None:
    """Of the answer's headers those that hold secrets are redacted, the others kept."""
    headers = {"Set-Cookie": f"session={KEY}", "X-Request-Id": "r-17"}
    server.then(**{**acme.says("wrong"), "headers": headers})
    async with connect() as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert caught.value.headers is not None
    assert ("REDACTED", "r-17") == (
        caught.value.headers["set-cookie"],
        caught.value.headers["X-Request-Id"],
    )


@pytest.mark.parametrize(("to", "sent"), [("nobody", False), ("server", None)])
async def test_sent(server: Server, connect: Connect, to: str, sent: bool | None) -> None:
    """`sent` is False where the request certainly did not leave, else None; the cause is there."""
    server.script.extend([acme.drop] * 9)
    url = "http://127.0.0.1:1" if to == "nobody" else server.url
    async with connect(hosts=["127.0.0.1"]) as api:
        with pytest.raises(resilient.TransportError) as caught:
            await api.http.get(url)
    assert sent is caught.value.sent
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectionError)
    assert sent is pickle.loads(pickle.dumps(caught.value)).sent


async def test_cancellation(server: Server, connect: Connect) -> None:
    """A cancelled call is cancelled: at the server, in a pause, in a delay."""
    server.then(**acme.says("slow_down", after=50))
    server.script.append(acme.slowly(50))
    async with connect() as api:
        for _ in range(2):
            task = asyncio.create_task(api.get())
            await asyncio.sleep(30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (0, 0) == (api.state().waiting, api.state().in_flight)
