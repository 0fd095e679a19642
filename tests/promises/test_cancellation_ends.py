"""The ends that come from outside: a timeout of the caller's, a cancel, and closing."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import pytest
import raw_server
from acme import Client, Connect
from cancel_sweep import nothing_said
from promises.conftest import Figure, Scale
from raw_server import RawServer

import resilient
from resilient.credentials import Bearer

POLICIES = {
    name: {"action": name, "attempts": 9, "delay": {"base": "2s", "cap": "2s"}}
    for name in ("retry", "back_off")
}
DRIP = raw_server.endless(raw_server.head("503 X", "Transfer-Encoding: chunked"), b" ", every=0.3)
PHASES: dict[str, raw_server.Answer] = {
    "attempt": raw_server.stall,
    "look at the body": DRIP,
    "delay": raw_server.reply(raw_server.whole("503 Unavailable", b"{}")),
    "pause": raw_server.reply(raw_server.whole("429 Slow", b"{}", "Retry-After: 5")),
    "renewal": raw_server.reply(raw_server.whole("401 Unauthorized", b"{}")),
}
"""What a call is busy with, by the answer that it gets."""


async def renew() -> str:
    """Take a while."""
    await asyncio.sleep(7)
    return "fresh"


def opened(reach: Connect, **keys: Any) -> Any:
    """Open a client whose attempts end after three seconds."""
    bearer = Bearer(lambda: "stale", renew)
    ours = {"policies": POLICIES, "attempt_timeout": "3s", "chance": 0.5, "timeout": "60s"}
    return reach(credentials=bearer, **{**ours, **keys})


def check_balance(error: BaseException | None, began: float, seconds: float) -> None:
    """Check that a timeout of the caller's ended the call, in time, and is nobody else's."""
    task = asyncio.current_task()
    assert task is not None
    assert TimeoutError is type(error), "swallowed or converted"
    assert seconds == pytest.approx(asyncio.get_running_loop().time() - began, abs=1e-3)
    assert 0 == task.cancelling(), "a cancellation is left over"


async def time_out(api: Client, seconds: float, nesting: int) -> BaseException | None:
    """Make a call within timeouts, the innermost the shortest."""
    try:
        async with contextlib.AsyncExitStack() as stack:
            for level in range(nesting):
                await stack.enter_async_context(asyncio.timeout(seconds + nesting - 1 - level))
            with resilient.options(timeout=50):
                await api.get()
    except Exception as error:  # noqa: BLE001 - that is what is looked at
        return error
    return None


@pytest.mark.parametrize("phase", PHASES)
async def test_timeouts(
    raw: RawServer, reach: Connect, scale: Scale, figure: Figure, phase: str
) -> None:
    """A timeout around a call ends it wherever it is, and is counted by asyncio once."""
    raw.default = PHASES[phase]
    # The whole seconds are when our own timeouts expire, too.
    steps = [n / 10 for n in range(1, 70, scale(9, 1))] + [1.0, 2.0, 3.0, 5.0]
    for seconds in steps:
        async with opened(reach) as api:
            began = asyncio.get_running_loop().time()
            check_balance(await time_out(api, seconds, 3), began, seconds)
            assert {0} >= {each.in_flight for each in api.middleware.state().values()}
    figure("C4", f"timeouts swallowed, converted or left over, in a {phase}", 0, of=len(steps))


async def test_timeouts_naively(raw: RawServer) -> None:
    """The check finds a retry that takes the caller's timeout for a failed attempt."""
    raw.default = raw_server.stall

    async def stubborn(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                return await handler(request)
        raise RuntimeError("given up")

    async with aiohttp.ClientSession(middlewares=(stubborn,)) as http:
        began = asyncio.get_running_loop().time()
        error = await time_out(Client(raw.url, http, None, []), 3, 1)  # type: ignore[arg-type]
        with pytest.raises(AssertionError):
            check_balance(error, began, 3)
        task = asyncio.current_task()
        assert task is not None
        while task.cancelling():
            task.uncancel()


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelled_in_the_moment_of_a_timeout(
    raw: RawServer, reach: Connect, phase: str
) -> None:
    """A cancel that comes in the same moment as a timeout of our own is still a cancel."""
    raw.default = PHASES[phase]
    moments = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 10.0)
    for moment in moments:
        for early in (-1e-8, 0.0, 1e-8):
            async with opened(reach, timeout=10.0) as api:
                task = asyncio.create_task(api.get())
                asyncio.get_running_loop().call_later(moment + early, task.cancel)
                await asyncio.wait([task])
                assert task.cancelled() or acme_error(task)
                assert {0} >= {each.in_flight for each in api.middleware.state().values()}


def acme_error(task: "asyncio.Task[Any]") -> bool:
    """Tell whether the call had ended by itself before it was cancelled."""
    return isinstance(task.exception(), resilient.ResilientError) and not task.cancelling()


@pytest.mark.parametrize(
    "case",
    [
        ("pause", 1000, False),
        ("attempt", 200, False),
        ("renewal", 200, False),
        ("pause", 50, True),
    ],
    ids=str,
)
async def test_closing(
    raw: RawServer, reach: Connect, scale: Scale, figure: Figure, case: tuple[str, int, bool]
) -> None:
    """`aclose` wakes all who wait, at once: `NotSent` unless they were, and no task stays."""
    phase, waiters, debug = case
    raw.default = PHASES[phase]
    before = asyncio.all_tasks()
    asyncio.get_running_loop().set_debug(debug)
    limits = {"calls": {"rate": "600/min", "per": ["credential"]}}
    with nothing_said():
        async with opened(reach, catalog={"limits": limits}, timeout="1h") as api:
            calls = [asyncio.create_task(api.get()) for _ in range(scale(waiters, 1000))]
            await asyncio.sleep(2)
            sent, began = len(raw.hits), asyncio.get_running_loop().time()
            await api.middleware.aclose()
            closed = asyncio.get_running_loop().time()
            waiting = [call for call in calls if isinstance(_error(call), resilient.NotSent)]
            assert len(calls) - len(waiting) <= sent
            assert all(not each.waiting for each in api.middleware.state().values())
            await asyncio.wait(calls)
        await asyncio.sleep(1)
    assert set() == asyncio.all_tasks() - before
    # A renewal may finish, for five seconds: what it bought would be lost.
    assert closed - began <= (5.0 if phase == "renewal" else 0.0)
    figure("C5", f"waiters woken with NotSent, closed in a {phase}", len(waiting), of=len(calls))


def _error(task: "asyncio.Task[Any]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
