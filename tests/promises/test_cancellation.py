"""Cancelled at any of its waits, a call leaves nothing behind and harms nobody."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import acme
import aiohttp
import attrs
import pytest
import raw_server
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from cancel_sweep import MOMENTS, Cut, Moment, nothing_said, sweep
from promises.conftest import Figure, Scale
from raw_server import Answer, RawServer, Wire

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer
from resilient.state.gates import LimitGate, PoolGate, ScopeGate
from resilient.state.grant import Grant

POLICIES = {
    name: {"action": name, "attempts": 4, "delay": {"base": "2s", "cap": "2s"}}
    for name in ("retry", "back_off")
}
PER_HOUR = {"hour": {"rate": "1000/h", "per": ["credential"]}}
PER_SECOND = {**PER_HOUR, "second": {"rate": "1/s", "per": ["credential"], "jitter": 0}}
UPLOAD = {"method": "PUT", "data": b"x" * 1_000_000}
SHUT_OUT = b'{"errors": [{"code": "shut_out"}]}'


def slow(status: str, *headers: str, body: bytes = b"{    }", drip: float = 0.1) -> Answer:
    """Answer after a moment, with a body that comes a byte or so at a time."""

    async def answer(wire: Wire) -> bool:
        await wire.body()
        await asyncio.sleep(0.2)
        await wire.send(raw_server.head(status, f"Content-Length: {len(body)}", *headers))
        size = max(1, len(body) // 6)
        for start in range(0, len(body), size):
            await asyncio.sleep(drip)
            await wire.send(body[start : start + size])
        return True

    return answer


@attrs.frozen(kw_only=True)
class Scenario:
    """What happens to the call that is cancelled.

    Attributes:
        answers: The server's, before it answers well.
        ahead: How many other calls are under way when it begins.
        room: How many connections there may be.
        expires: Whether the first credential is refused.
    """

    answers: tuple[Answer, ...] = ()
    ahead: int = 0
    room: int = 1
    expires: bool = False
    limits: dict[str, Any] = attrs.field(factory=lambda: PER_HOUR)
    call: dict[str, Any] = attrs.field(factory=dict)
    on_error: Any = None


SCENARIOS = {
    "success": Scenario(),
    "limit": Scenario(ahead=2, limits=PER_SECOND, room=9),
    "probe": Scenario(ahead=1, answers=(slow("200 OK"),), room=9),
    "connection": Scenario(ahead=2, answers=(slow("200 OK"),) * 2),
    "retry": Scenario(answers=(slow("503 Unavailable"),) * 2),
    "back_off": Scenario(answers=(slow("429 Slow", "Retry-After: 3"),) * 2),
    "peek": Scenario(answers=(slow("200 OK", body=b" " * 100),)),
    "failure": Scenario(answers=(slow("404 Not Found", body=b" " * 200_000),)),
    "leads a renewal": Scenario(expires=True),
    "follows a renewal": Scenario(expires=True, ahead=1, room=9),
    "redirect": Scenario(answers=(slow("307 Elsewhere", "Location: /there"), slow("503 X"))),
    "upload": Scenario(answers=(slow("503 Unavailable"),), call=UPLOAD),
    "blocked": Scenario(answers=(slow("400 Bad", body=SHUT_OUT),)),
    "returned": Scenario(answers=(slow("404 Not Found"),), on_error="return"),
    "reset": Scenario(answers=(raw_server.reset(),)),
}


@attrs.define(eq=False)
class Place:
    """Where a call is swept: one server, and for each run a session and a middleware afresh."""

    server: RawServer
    config: resilient.Config
    scenario: Scenario
    others: int = 1
    began: int = 0

    def middleware(self) -> resilient.Middleware:
        """Return one that knows nothing yet."""
        bearer = Bearer(lambda: "stale", self.renew)
        return resilient.Middleware(
            self.config, credentials={"acme": bearer}, clock=Clock(chance=lambda: 0.5)
        )

    async def renew(self, http: aiohttp.ClientSession) -> str:
        """Buy a token."""
        await asyncio.sleep(0.2)
        async with http.post(self.server.url + "/token") as response:
            await response.read()
        return "fresh"

    async def answer(self, wire: Wire) -> bool:
        """Answer well, unless the credential has expired."""
        token = wire.request.headers.get("authorization")
        expired = self.scenario.expires and token == "Bearer stale"
        return await slow("401 Unauthorized" if expired else "200 OK")(wire)

    async def count(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Count, as a middleware, the attempts that begin."""
        self.began += 1
        return await handler(request)

    async def call(self, http: aiohttp.ClientSession) -> int:
        """Make a call, read what comes, and return its status."""
        arguments = {"method": "GET", "url": self.server.url + "/things", **self.scenario.call}
        with resilient.options(on_error=self.scenario.on_error):
            async with http.request(**arguments) as response:
                await response.read()
                return response.status

    async def run(self, cut: Cut) -> None:
        """Make the call with others before and behind it, cut it, and check what is left."""
        await self.run_with(cut, self.middleware())

    async def run_with(self, cut: Cut, middleware: Any) -> None:
        """Run with any middleware, ours or a naive one."""
        before, self.began = asyncio.all_tasks(), 0
        self.server.script.clear()
        self.server.then(*self.scenario.answers)
        self.server.default = self.answer
        connector = aiohttp.TCPConnector(limit=self.scenario.room)
        async with aiohttp.ClientSession(
            connector=connector, middlewares=(middleware, self.count)
        ) as http:
            ahead = [asyncio.create_task(self.call(http)) for _ in range(self.scenario.ahead)]
            await asyncio.sleep(0.1)
            task = asyncio.create_task(cut(self.call(http)))
            behind = [asyncio.create_task(self.call(http)) for _ in range(self.others)]
            await asyncio.wait([task], timeout=300)
            self.server.script.clear()
            await asyncio.wait([task, *ahead, *behind], timeout=300)
            _ended(task, cut)
            _unharmed(ahead + behind)
            await asyncio.sleep(5)  # a renewal goes on without the call that began it
            _nothing_is_held(connector, middleware, self.began)
        await asyncio.sleep(1)
        assert set() == asyncio.all_tasks() - before
        assert 0 == self.server.open


def _ended(task: "asyncio.Task[int]", cut: Cut) -> None:
    """Check that a call that was cancelled says so, and that one that was not has an outcome."""
    assert task.done()
    assert cut.made is task.cancelled()
    assert task.cancelled() or task.exception() is None or _is_ours(task.exception())


def _unharmed(tasks: list["asyncio.Task[int]"]) -> None:
    """Check that other calls have ended as the server answered them."""
    assert all(task.done() and not task.cancelled() for task in tasks)
    errors = [task.exception() for task in tasks]
    assert all(error is None or _is_ours(error) for error in errors), errors


def _is_ours(error: BaseException | None) -> bool:
    return isinstance(error, resilient.ApiError | resilient.ScopeBlocked)


def _nothing_is_held(connector: Any, middleware: Any, began: int) -> None:
    """Check that no connection, place in a queue or token is held, and none is missing."""
    assert set() == connector._acquired, "a connection is held"
    if not isinstance(middleware, resilient.Middleware):
        return
    admission = middleware._admission
    for gate in admission.memory.gates():
        assert 0 == gate.queued
        match gate:
            case ScopeGate(state=state):
                assert (0, 0, None) == (state.in_flight, state.waiting, state.probe)
            case PoolGate():
                assert 0 == gate.used
            case LimitGate(name="hour"):
                assert began == gate.gauge._total, "a token is missing"  # type: ignore[attr-defined]
            case _:
                pass
    assert {0} >= {lane.live + lane.queued for lane in admission.memory.lanes.values()}
    assert set() == admission._delays


@pytest.fixture
def place(raw: RawServer, tmp_path: Path) -> Callable[..., Place]:
    """Return what makes a place for a scenario."""

    def make(scenario: Scenario, **keys: Any) -> Place:
        catalog = acme.write(tmp_path, limits=scenario.limits)
        service = {"catalog": catalog, "hosts": [raw.host], "policies": POLICIES}
        return Place(raw, resilient.load({"services": {"acme": service}}), scenario, **keys)

    return make


STEPS: dict[Moment, int] = {"begins": 3, "ends": 1}
"""How many waits are passed over in every run of the tests; a soak run passes over none."""


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_sweep(
    place: Callable[..., Place], scale: Scale, figure: Figure, name: str, moment: Moment
) -> None:
    """Cancelled at any wait, a call leaves no connection, token, task or place in a queue."""
    waits = 0
    with nothing_said():
        for others in range(scale(1, 0), scale(2, 4)):
            found = place(SCENARIOS[name], others=others)
            waits += await sweep(found.run, moment, step=scale(STEPS[moment], 1))
    assert waits
    figure("C1", f"{name}: things left, cancelled as a wait {moment}", 0, of=waits)


@pytest.mark.parametrize("name", ["back_off", "follows a renewal", "connection"])
async def test_sweep_in_debug_mode(place: Callable[..., Place], scale: Scale, name: str) -> None:
    """In asyncio's debug mode, which tells of more, there is nothing to tell either."""
    asyncio.get_running_loop().set_debug(True)
    with nothing_said():
        assert await sweep(place(SCENARIOS[name]).run, step=scale(5, 1))


LEAKS = pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)


async def cookbook_retry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Retry as the cookbook does: an answer that is not wanted is dropped, and nobody lets go."""
    response = await handler(request)
    for _ in range(2):
        if not response.ok:
            await asyncio.sleep(2)
            response = await handler(request)
    return response


@LEAKS
async def test_sweep_naively(place: Callable[..., Place]) -> None:
    """The sweep finds what the cookbook's retry leaves behind."""
    found = place(Scenario(answers=(slow("503 Unavailable", body=b" " * 2_000_000),), room=9))
    with pytest.raises(AssertionError, match="a connection is held"):
        await sweep(lambda cut: found.run_with(cut, cookbook_retry))


@LEAKS
async def test_sweep_without_giving_back(
    place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep finds a token that a cancelled waiter keeps."""
    monkeypatch.setattr(Grant, "cancel", Grant.unsent)
    with pytest.raises(AssertionError, match="a token is missing"):
        await sweep(place(SCENARIOS["limit"]).run, "ends")
