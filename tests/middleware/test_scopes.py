"""Several credentials and scopes: who is held up by whose pause, and how pauses move."""

import asyncio

import acme
import pytest
from acme import Connect
from server import Server

import resilient
from resilient.clock import Clock

KEYS = {"first": "key-1", "second": "key-2"}


async def as_(api: acme.Client, credential: str) -> float:
    """Make a call with a credential and return when it was answered."""
    with resilient.options(credential=credential):
        await api.get()
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("code", "expected"), [("slow_down", 1.0), ("slow_down_ip", 10.0)])
async def test_whose_pause(server: Server, connect: Connect, code: str, expected: float) -> None:
    """A pause of one credential does not hold another one; a pause of the address holds all."""
    server.then(**acme.says(code, status=429, after=10))
    async with connect(credentials=KEYS) as api, asyncio.TaskGroup() as group:
        first = group.create_task(as_(api, "first"))
        await asyncio.sleep(1)
        second = group.create_task(as_(api, "second"))
    began = server.hits[0].at
    assert (10, expected) == (round(first.result() - began, 3), round(second.result() - began, 3))


async def test_pause_of_a_host(server: Server, connect: Connect) -> None:
    """Without a credential in the catalog it is the host that pauses."""
    server.then(429, headers={"Retry-After": "10"})
    async with connect(catalog={"credential": None, "errors": {}}, credentials=None) as api:
        await api.get()
        (paused,) = api.told("scope_paused")
        assert f"host:{server.host}" == paused["scope"]


async def test_pause_of_an_endpoint(server: Server, connect: Connect) -> None:
    """A pause of an endpoint holds that endpoint of that credential only."""
    slow = {"policy": "back_off", "scope": "endpoint", "processed": False}
    server.then(**acme.says("slow_down", status=429, after=10))
    async with connect(credentials=KEYS, errors={"slow_down": slow}) as api:
        async with asyncio.TaskGroup() as group:
            group.create_task(as_(api, "first"))
            await asyncio.sleep(1)
            group.create_task(as_(api, "second"))
            with resilient.options(credential="first"):
                group.create_task(api.get("/elsewhere"))
                group.create_task(api.get("/things"))
        (paused,) = api.told("scope_paused")
    assert "endpoint:things@first" == paused["scope"]
    assert [0, 1, 1, 10, 10] == acme.times(server)


async def test_credentials_are_sent(server: Server, connect: Connect) -> None:
    """Each call carries the credential that was asked for, and events its name alone."""
    async with connect(credentials=KEYS) as api:
        await as_(api, "first")
        await as_(api, "second")
    assert ["Bearer key-1", "Bearer key-2"] == [hit.headers["Authorization"] for hit in server.hits]


async def test_two_services_share_nothing(server: Server, connect: Connect) -> None:
    """A pause of one service does not hold another one on the same host."""
    server.then(429, headers={"Retry-After": "10"})
    one = {"catalog": "http", "hosts": [server.host]}
    config = {"services": {"one": one, "two": one}}
    middleware = resilient.Middleware(config, clock=Clock(chance=lambda: 0.0))
    async with resilient.session(middleware) as http:

        async def call(service: str) -> None:
            with resilient.options(service=service):
                async with http.get(server.url) as response:
                    assert 200 == response.status

        async with asyncio.TaskGroup() as group:
            group.create_task(call("one"))
            await asyncio.sleep(1)
            group.create_task(call("two"))
    assert [0, 1, 10] == acme.times(server)


@pytest.mark.parametrize(("first", "second"), [(30, 5), (5, 30)])
async def test_pauses_only_move_later(
    server: Server, connect: Connect, first: int, second: int
) -> None:
    """Of two pauses the later end counts, whichever was heard first."""
    server.script.append(acme.slowly(1, acme.says("slow_down", status=429, after=first)))
    server.script.append(acme.slowly(2, acme.says("slow_down", status=429, after=second)))
    async with connect() as api:
        await asyncio.gather(api.get(), api.get())
    end = max(1 + first, 2 + second)
    assert [0, 0, end, end] == acme.times(server)


async def test_only_later_pauses_are_reported(server: Server, connect: Connect) -> None:
    """A pause that moves nothing is no event."""
    server.script.append(acme.slowly(1, acme.says("slow_down", status=429, after=30)))
    server.script.append(acme.slowly(2, acme.says("slow_down", status=429, after=5)))
    async with connect() as api:
        await asyncio.gather(api.get(), api.get())
        assert [30.0] == [each["delay"] for each in api.told("scope_paused")]


async def test_success_of_an_older_call(server: Server, connect: Connect) -> None:
    """A success of a call that was under way does not end the pause, nor does a new one."""
    server.script.append(acme.slowly(2))
    server.then(**acme.says("slow_down", status=429, after=30))
    async with connect() as api:
        await asyncio.gather(api.get(), api.get())
    assert [0, 0, 30] == acme.times(server)


async def test_pause_heard_while_the_probe_is_under_way(server: Server, connect: Connect) -> None:
    """A pause that is heard while a probe is under way is kept, whatever the probe brings."""
    server.script.append(acme.slowly(8, acme.says("slow_down", status=429, after=30)))
    server.then(**acme.says("slow_down", status=429, after=5))
    server.script.append(acme.slowly(10))
    server.script.append(acme.slowly(0.5))
    async with connect() as api, asyncio.TaskGroup() as group:
        group.create_task(api.get())
        group.create_task(api.get())
        await asyncio.sleep(20)
        group.create_task(api.get())
    # The probe goes at 5 and ends at 15; what waits at 38 is led by a probe again.
    assert [0, 0, 5, 38, 38.5] == acme.times(server)


async def test_pause_that_moved_beyond_a_deadline(server: Server, connect: Connect) -> None:
    """A waiter whom a pause does not fit any more is refused then and there."""
    server.script.append(acme.slowly(3, acme.says("slow_down", status=429, after=60)))
    server.then(**acme.says("slow_down", status=429, after=10))
    async with connect() as api, asyncio.TaskGroup() as group:
        group.create_task(api.get())
        group.create_task(api.get())
        await asyncio.sleep(1)
        with resilient.options(timeout=20), pytest.raises(resilient.DeadlineExceeded) as caught:
            await api.get()
        assert 3 == round(asyncio.get_running_loop().time() - server.hits[0].at, 3)
    assert 0 == caught.value.attempts
    assert [0, 0, 63, 63] == acme.times(server)
