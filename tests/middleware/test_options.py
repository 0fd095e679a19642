"""What a caller says about the calls inside a `with` block."""

import asyncio
from typing import Any

import acme
import aiohttp
import pytest
from acme import Connect
from server import Server

import resilient
from resilient.clock import Clock

BROKEN = acme.says("broken", status=500)


@pytest.mark.parametrize(
    ("request_line", "option", "hits"),
    [
        ("GET /things", None, 2),
        ("PUT /things", None, 2),
        ("DELETE /things", None, 2),
        ("POST /things", None, 1),
        ("PATCH /things", None, 1),
        ("POST /things", True, 2),
        ("GET /things", False, 1),
        ("POST /search", None, 2),
        ("POST /search", False, 1),
    ],
)
async def test_idempotent(
    server: Server, connect: Connect, request_line: str, option: bool | None, hits: int
) -> None:
    """The option says whether a call may be processed twice, then the catalog, then the method."""
    server.then(**BROKEN)
    async with connect(on_error="return") as api:
        with resilient.options(idempotent=option):
            await api.call(*request_line.split())
        skipped = [each.get("retry_skipped") for each in api.told("attempt_failed")]
    assert hits == len(server.hits)
    assert ["not_idempotent" if hits == 1 else None] == skipped


@pytest.mark.parametrize(
    ("option", "service", "hits"), [(None, False, 1), (None, True, 2), (True, False, 2)]
)
async def test_idempotent_by_service(
    server: Server, connect: Connect, option: bool | None, service: object, hits: int
) -> None:
    """The service's word on an endpoint goes before the catalog's, the option before both."""
    server.then(**BROKEN)
    async with connect(endpoints={"search": {"idempotent": service}}, on_error="return") as api:
        with resilient.options(idempotent=option):
            await api.call("POST", "/search")
    assert hits == len(server.hits)


@pytest.mark.parametrize(("outer", "inner", "expected"), [(5, 50, 5), (50, 5, 5), (5, None, 5)])
async def test_nested_timeouts(
    server: Server, connect: Connect, outer: float, inner: float | None, expected: float
) -> None:
    """Of nested timeouts the earlier end counts."""
    server.script.append(acme.slowly(1000))
    async with connect() as api:
        began = asyncio.get_running_loop().time()
        with (
            resilient.options(timeout=outer),
            resilient.options(timeout=inner, cost=1),
            pytest.raises(resilient.TransportTimeout),
        ):
            await api.get()
        assert expected == round(asyncio.get_running_loop().time() - began, 3)


async def test_timeout_begins_with_the_block(server: Server, connect: Connect) -> None:
    """A timeout is counted from the beginning of the block, not of each call."""
    server.script.extend([acme.slowly(3)] * 2)
    async with connect() as api:
        with resilient.options(timeout=5):
            assert 200 == (await api.get()).status
            with pytest.raises(resilient.TransportTimeout):
                await api.get()


async def test_inner_block_ends(server: Server, connect: Connect) -> None:
    """What an inner block says holds until its end, and what it leaves out is as outside."""
    server.then(**acme.says("wrong"), times=3)
    async with connect() as api:
        with resilient.options(on_error="return"):
            with resilient.options(on_error="raise"), pytest.raises(resilient.ApiError):
                await api.get()
            with resilient.options(idempotent=True):
                assert 400 == (await api.get()).status
            assert 400 == (await api.get()).status


async def test_safe_under_gather(server: Server, connect: Connect) -> None:
    """Tasks that run at the same time do not see each other's options."""
    keys = {"first": "key-1", "second": "key-2"}

    async def call(name: str) -> None:
        with resilient.options(credential=name):
            await asyncio.sleep(1)
            await api.get(f"/{name}")

    async with connect(credentials=keys) as api:
        await asyncio.gather(*[call(name) for name in ("first", "second") * 3])
    assert {("/first", "Bearer key-1"), ("/second", "Bearer key-2")} == {
        (hit.path, hit.headers["Authorization"]) for hit in server.hits
    }


async def test_service_timeout(server: Server, connect: Connect) -> None:
    """The service's `timeout` ends the whole call, waits included."""
    server.then(**acme.says("lost", after=8))
    server.script.append(acme.slowly(1000))
    async with connect(timeout="10s") as api:
        began = asyncio.get_running_loop().time()
        with pytest.raises(resilient.TransportTimeout) as caught:
            await api.get()
        assert 10 == round(asyncio.get_running_loop().time() - began, 3)
    assert 2 == caught.value.attempts


async def test_attempt_timeout(server: Server, connect: Connect) -> None:
    """`attempt_timeout` ends one attempt, and another may follow."""
    server.script.append(acme.slowly(1000))
    async with connect(attempt_timeout="2s") as api:
        assert 200 == (await api.get()).status
    assert [0, 2] == acme.times(server)


@pytest.mark.parametrize("code", ["slow_down", "lost"])
async def test_never_sleeps_into_a_deadline(server: Server, connect: Connect, code: str) -> None:
    """A wait that does not fit is not begun: the call fails at once, and says why."""
    server.then(**acme.says(code, after=30))
    async with connect() as api:
        began, now = asyncio.get_running_loop().time(), acme.now()
        with resilient.options(timeout=20), pytest.raises(resilient.ApiError) as caught:
            await api.get()
        assert began == asyncio.get_running_loop().time()
        assert ["deadline"] == [each["retry_skipped"] for each in api.told("attempt_failed")]
    assert 30 == pytest.approx(acme.seconds(now, caught.value.retry_at), abs=5)


async def test_wait_that_fits(server: Server, connect: Connect) -> None:
    """A wait that fits is waited."""
    server.then(**acme.says("slow_down", after=30))
    async with connect() as api:
        with resilient.options(timeout=40):
            assert 200 == (await api.get()).status


async def test_pause_that_does_not_fit(server: Server, connect: Connect) -> None:
    """A first attempt that a pause holds up for too long is not sent, and says until when."""
    server.then(**acme.says("slow_down", after=3600))
    async with connect() as api:
        now = acme.now()
        with pytest.raises(resilient.RateLimited):
            await api.get()
        began = asyncio.get_running_loop().time()
        with resilient.options(timeout=20), pytest.raises(resilient.DeadlineExceeded) as caught:
            await api.get()
        assert began == asyncio.get_running_loop().time()
    assert 3600 == pytest.approx(acme.seconds(now, caught.value.retry_at), abs=5)
    assert (0, 1) == (caught.value.attempts, len(server.hits))


async def test_last_failure_goes_before_not_sent(server: Server, connect: Connect) -> None:
    """After a first attempt the last failure is raised, though it was a block that ended it."""
    server.script.append(acme.slowly(1, acme.says("shut_out")))
    server.then(**acme.says("lost", status=503, after=5))
    async with connect() as api:
        results = await asyncio.gather(api.get(), api.get(), return_exceptions=True)
    assert [resilient.Blocked, resilient.Unavailable] == [type(each) for each in results]
    assert 2 == len(server.hits)


@pytest.mark.parametrize(("cost", "expected"), [(1, 0.11), (5, 0.99), (10, 2.09)])
async def test_cost(server: Server, connect: Connect, cost: int, expected: float) -> None:
    """A call may count for several: never more than ten of them in a second."""
    async with connect(limits={"calls": {"rate": "10/s"}}) as api:
        await api.get()
        await asyncio.sleep(60)
        with resilient.options(cost=cost):
            for _ in range(3):
                await api.get()
    gaps = [b - a for a, b in zip(acme.times(server)[1:], acme.times(server)[2:], strict=False)]
    assert [pytest.approx(expected, abs=0.02)] * 2 == gaps


async def test_cost_above_the_limit(server: Server, connect: Connect) -> None:
    """A cost above the limit could never be granted: it is an error of the caller's."""
    async with connect(limits={"calls": {"rate": "10/s"}}) as api:
        with (
            resilient.options(cost=11),
            pytest.raises(ValueError, match="11 is above the limit's 10 calls"),
        ):
            await api.get()
    assert [] == server.hits


@pytest.mark.parametrize(
    "wrong",
    [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"cost": 0}, {"on_error": "no"}],
)
async def test_wrong_options(wrong: dict[str, object]) -> None:
    """Options that make no sense are an error where they are said."""
    with pytest.raises(ValueError, match=next(iter(wrong))), resilient.options(**wrong):  # type: ignore[arg-type]
        pass


@pytest.mark.parametrize("named", ["third", None])
async def test_which_credential(server: Server, connect: Connect, named: str | None) -> None:
    """An unknown credential, or none where there are several, is a ConfigError; nothing is sent."""
    async with connect(credentials={"first": "key-1", "second": "key-2"}) as api:
        with resilient.options(credential=named), pytest.raises(resilient.ConfigError):
            await api.get()
    assert [] == server.hits


async def test_which_service(server: Server) -> None:
    """Two services on one host are a ConfigError unless the options choose."""
    one = {"catalog": "http", "hosts": [server.host]}
    config = {"services": {"one": one, "two": {**one, "statuses": {404: "none"}}}}
    server.then(404, times=3)
    middleware = resilient.Middleware(config, clock=Clock(chance=lambda: 0.0))
    async with resilient.session(middleware) as http:
        with pytest.raises(resilient.ConfigError, match="one, two"):
            await http.get(server.url)
        with resilient.options(service="two"):
            assert 404 == (await http.get(server.url)).status
        with resilient.options(service="one"), pytest.raises(resilient.ApiError):
            await http.get(server.url)
        with resilient.options(service="three"), pytest.raises(resilient.ConfigError):
            await http.get(server.url)
    assert 2 == len(server.hits)


@pytest.mark.parametrize("given", [{"credentials": {"acme": "key"}}, {"listeners": [print]}])
async def test_given_twice(connect: Connect, given: dict[str, Any]) -> None:
    """Credentials and listeners of a Middleware that is there are given there, or not at all."""
    async with connect() as api, aiohttp.ClientSession() as plain:
        with pytest.raises(resilient.ConfigError, match="belong to the Middleware"):
            resilient.wrap(plain, api.middleware, **given)


async def test_wrapped_twice(connect: Connect) -> None:
    """A resilient session is not wrapped again: attempts would multiply."""
    async with connect() as api:
        with pytest.raises(resilient.ConfigError, match="is resilient already"):
            resilient.wrap(api.http, api.middleware)
