"""What ends a program ends a call wherever it comes up, and what hooks raise is kept apart."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import acme
import aiohttp
import attrs
import pytest
import raw_server
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from promises.conftest import Figure, Scale
from raw_server import raw_serving

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer, Credential, OAuth2
from resilient.testing import run


class Stop(BaseException):
    """An end of some other library's."""


ENDS: tuple[type[BaseException], ...] = (
    asyncio.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    Stop,
)
POLICIES = {
    name: {"action": name, "attempts": 4, "delay": {"base": "1s", "cap": "1s"}}
    for name in ("retry", "back_off")
}
LARGE = b" " * 500_000
STORY = (
    raw_server.whole("429 Slow", LARGE),
    raw_server.whole("401 Unauthorized", LARGE),
    raw_server.whole("503 Unavailable", LARGE),
)
"""What happens to the call: every hook is reached, most with a response in hand."""

BOUGHT = (STORY[1], raw_server.whole("200 OK", b'{"access_token": "b", "refresh_token": "s"}'))
"""The credential expires, and another pair is bought."""


@attrs.define(eq=False)
class Bomb:
    """Goes off the n-th time that it is touched, and does no harm after that."""

    error: type[BaseException]
    fuse: int = 1

    def __call__(self, *_: object) -> None:
        """Raise, if it is time."""
        self.fuse -= 1
        if self.fuse == 0:
            raise self.error


@attrs.define(eq=False)
class Rigged:
    """A client with a bomb in one of its hooks."""

    hook: str
    bomb: Bomb
    story: tuple[bytes, ...] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.story = BOUGHT if self.hook == "save" else STORY

    def touch(self, hook: str, value: Any = None) -> Any:
        """Let a hook run: it returns the value, unless the bomb is there."""
        if hook == self.hook:
            self.bomb()
        return value

    def middleware(self, config: resilient.Config) -> resilient.Middleware:
        """Return a middleware all of whose hooks pass by here."""
        clock = Clock(
            wall=lambda: float(self.touch("wall", 1.8e9)),
            chance=lambda: float(self.touch("chance", 0.5)),
        )
        listeners = [lambda _: self.touch("listener")]
        return resilient.Middleware(
            config, credentials={"acme": self.credential}, listeners=listeners, clock=clock
        )

    async def credential(self, _: str) -> Credential:
        """Make a credential."""
        self.touch("factory")
        if self.hook == "save":
            return OAuth2("id", "secret", self.load_pair, self.save, token_url="/token")
        return Bearer(lambda: self.touch("load", "stale"), lambda: self.touch("renew", "fresh"))

    async def load_pair(self) -> dict[str, str]:
        """Return what was saved."""
        return {"access_token": "a", "refresh_token": "r"}

    async def save(self, _: object) -> None:
        """Save what was bought."""
        await asyncio.sleep(0)
        self.touch("save")

    async def inner(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Be another middleware, and stand for what aiohttp itself calls."""
        self.touch("handler")
        return await handler(request)

    def tracing(self) -> aiohttp.TraceConfig:
        """Return a trace config whose signal is sent while the handler runs."""
        found = aiohttp.TraceConfig()

        async def signal(*_: object) -> None:
            self.touch("trace")

        found.on_request_headers_sent.append(signal)
        return found


HOOKS = {
    "factory": 1,
    "load": 1,
    "renew": 1,
    "save": 1,
    "handler": 4,
    "trace": 4,
    "wall": 7,
    "chance": 5,
    "listener": 9,
}
"""Where somebody else's code runs, and how often in the story."""

OF_CREDENTIALS = ("factory", "load", "renew", "save")
CASES = [(hook, fuse) for hook, often in HOOKS.items() for fuse in range(1, often + 1)]


async def call(rigged: Rigged, middleware: Any, answers: tuple[bytes, ...]) -> int:
    """Live through a story; whatever ends it, nothing is held."""
    async with raw_serving() as server:
        server.then(*(raw_server.reply(answer) for answer in answers))
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(
            connector=connector,
            middlewares=(middleware, rigged.inner),
            trace_configs=[rigged.tracing()],
        ) as http:
            try:
                with resilient.options(credential="mine"):
                    async with http.get(server.url + "/things") as response:
                        await response.read()
                        return response.status
            finally:
                await asyncio.sleep(0)
                check_nothing_is_held(connector, middleware)


def check_nothing_is_held(connector: Any, middleware: Any) -> None:
    """Check that the call is known nowhere any more."""
    assert set() == connector._acquired, "a connection is held"
    if isinstance(middleware, resilient.Middleware):
        memory = middleware._admission.memory
        assert {0} >= {gate.state.in_flight for gate in memory.scopes.values()}
        assert {0} >= {gate.state.waiting for gate in memory.scopes.values()}
        assert {0} >= {lane.live for lane in memory.lanes.values()}


def check_end(rigged: Rigged, middleware: Any) -> None:
    """Check that the bomb ends the call, as what it is, and that the next call is well."""
    found: BaseException | None = None
    try:
        run(call(rigged, middleware, rigged.story))
    except AssertionError:
        raise
    except BaseException as error:  # noqa: BLE001 - that is what is looked at
        found = error
    assert rigged.bomb.fuse <= 0, "the bomb did not go off"
    assert rigged.bomb.error is type(found), "swallowed or converted"
    assert 200 == run(call(rigged, middleware, ()))


@pytest.fixture
def config(tmp_path: Path) -> resilient.Config:
    """A service on any port of this machine, with a limit and both kinds of retries."""
    limits = {"calls": {"rate": "600/min", "per": ["credential"]}}
    statuses = {401: {"policy": "reauth", "processed": False}}
    catalog = acme.write(tmp_path, limits=limits, statuses=statuses)
    keys = {"catalog": catalog, "hosts": ["127.0.0.1"], "report_wait": "10ms"}
    return resilient.load({"services": {"acme": {**keys, "policies": POLICIES}}})


@pytest.mark.parametrize(("hook", "fuse"), CASES)
def test_ends(config: resilient.Config, scale: Scale, figure: Figure, hook: str, fuse: int) -> None:
    """KeyboardInterrupt and its like pass through any hook as they are, and nothing is held."""
    for error in ENDS[(fuse + len(hook)) % 4 :][: scale(1, 4)] + ENDS[: scale(0, 4)]:
        if error is asyncio.CancelledError and hook in OF_CREDENTIALS:
            continue  # it runs for all who wait, in a task of its own
        rigged = Rigged(hook, Bomb(error, fuse))
        check_end(rigged, rigged.middleware(config))
    figure("C4", "ends swallowed, retried or converted", 0, of=f"{len(CASES)} hooks x {len(ENDS)}")


@pytest.mark.parametrize("hook", OF_CREDENTIALS)
def test_cancelled_by_itself(config: resilient.Config, hook: str) -> None:
    """A credential's code that cancels itself cancels no call: those that need it are told."""
    rigged = Rigged(hook, Bomb(asyncio.CancelledError))
    middleware = rigged.middleware(config)
    with pytest.raises(resilient.ResilientError):
        run(call(rigged, middleware, rigged.story))
    assert 200 == run(call(rigged, middleware, ()))


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fuse", [1, 2])
@pytest.mark.parametrize("error", [asyncio.CancelledError, Stop])
def test_ends_naively(error: type[BaseException], fuse: int) -> None:
    """The check finds who takes anything for a failure, and who lets go of nothing."""

    async def stubborn(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        try:
            return await handler(request)
        except BaseException:  # noqa: BLE001 - that is what is wrong with it
            return await handler(request)

    async def careless(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        kept.append(await handler(request))
        rigged.touch("listener")
        return kept[-1]

    kept: list[ClientResponse] = []
    rigged = Rigged("handler" if fuse == 1 else "listener", Bomb(error))
    rigged.story = (raw_server.whole("503 Unavailable", LARGE),)
    with pytest.raises(AssertionError, match="swallowed" if fuse == 1 else "is held"):
        check_end(rigged, stubborn if fuse == 1 else careless)
    kept.clear()
    gc.collect()


class _Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the log")


def _break_the_log(*_: object) -> Any:
    raise RuntimeError("the log")


@pytest.fixture
def broken_logs() -> Iterator[None]:
    """Break every way by which lines are written."""
    handler = _Broken()
    logging.getLogger("resilient").addHandler(handler)
    yield
    structlog.reset_defaults()
    logging.getLogger("resilient").removeHandler(handler)


@pytest.mark.parametrize("configured", [False, True], ids=["stdlib", "structlog"])
@pytest.mark.parametrize("fuse", range(1, 10))
def test_errors_of_listeners(
    config: resilient.Config, broken_logs: None, configured: bool, fuse: int
) -> None:
    """Whatever a listener or a logger raises, and whenever, the call ends as it would have."""
    if configured:
        structlog.configure(processors=[_break_the_log])
    rigged = Rigged("listener", Bomb(RuntimeError, fuse))
    assert 200 == run(call(rigged, rigged.middleware(config), STORY))
    assert rigged.bomb.fuse <= 0


@pytest.mark.parametrize("hook", ["wall", "chance", "handler"])
def test_errors_of_others(config: resilient.Config, hook: str) -> None:
    """An error of a clock's or of another middleware's is the caller's, as it is."""
    for fuse in range(1, HOOKS[hook] + 1):
        rigged = Rigged(hook, Bomb(LookupError, fuse))
        check_end(rigged, rigged.middleware(config))
