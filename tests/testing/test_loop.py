import asyncio
import inspect
import math
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
from aiohttp import web

from resilient.clock import Clock
from resilient.testing import VirtualTimeLoop, run

DAY = 86400.0


async def _elapsed(seconds: float) -> float:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await Clock.sleep(seconds)
    return loop.time() - start


def test_hours_pass_at_once() -> None:
    """A sleep of ten days ends at its virtual time, without waiting."""
    assert pytest.approx(10 * DAY) == run(_elapsed(10 * DAY))


def test_time_starts_large() -> None:
    """The clock does not start at 0, where a bucket that forgot to set its time starts empty."""

    async def now() -> float:
        return asyncio.get_running_loop().time()

    assert run(now()) >= 1_000_000.0


def test_time_goes_on_after_years() -> None:
    """Where a nanosecond is lost in rounding, timers that are due still run."""

    async def later() -> float:
        await Clock.sleep(15 * 365 * DAY)
        return await _elapsed(1e-9) + await _elapsed(1.0)

    assert pytest.approx(1.0, abs=1e-6) == run(later())


def test_timers_keep_their_order() -> None:
    """Timers fire in the order of their times, whatever the order they were set in."""

    async def order() -> list[int]:
        seen: list[int] = []
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        for seconds in (30, 10, 20):
            loop.call_later(seconds, seen.append, seconds)
        loop.call_later(40, done.set_result, None)
        await done
        return seen

    assert [10, 20, 30] == run(order())


async def _large(_: web.BaseRequest) -> web.Response:
    return web.Response(body=b"x" * 5_000_000)


@pytest.mark.parametrize("timeout", [1e-6, 1.0])
def test_sockets_win_over_timers(timeout: float) -> None:
    """An exchange of megabytes with a server of the same loop takes no virtual time at all."""

    async def main() -> int:
        runner = web.ServerRunner(web.Server(_large, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}/".format(*runner.addresses[0])
        async with aiohttp.ClientSession() as http, asyncio.timeout(timeout), http.get(url) as got:
            size = len(await got.read())
        await runner.cleanup()
        return size

    assert 5_000_000 == run(main())


def _answer_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.recv(100))


def test_a_foreign_socket_gets_its_grace() -> None:
    """A server outside the loop is not outrun as long as it answers within the grace."""

    async def main(server: socket.socket) -> bytes:
        reader, writer = await asyncio.open_connection(*server.getsockname())
        writer.write(b"ping")
        async with asyncio.timeout(0.001):
            answer = await reader.read(100)
        writer.close()
        await writer.wait_closed()
        return answer

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_once, args=(server,))
        thread.start()
        assert b"ping" == run(main(server), grace=10.0)
        thread.join()


def test_threads_are_not_outrun() -> None:
    """While work runs in a thread pool, a timer an hour away does not fire."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.timeout(3600):
            await asyncio.to_thread(sum, range(2_000_000))
            await loop.getaddrinfo("localhost", 80)
        return loop.time() - start

    assert run(main()) < 60


def test_time_goes_on_while_a_thread_works() -> None:
    """A timer that is due while a thread works fires, in real time."""

    async def main() -> str:
        gate = threading.Event()
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, gate.set)
        with ThreadPoolExecutor(1) as pool:
            await loop.run_in_executor(pool, gate.wait)
        return "released"

    assert "released" == run(main())


def test_a_closed_loop_closes_nothing_of_others() -> None:
    """Watching a socket never closes it: after the loop is gone it still works."""

    async def main(pair: tuple[socket.socket, socket.socket]) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(pair[0], b"one")
        return await loop.sock_recv(pair[1], 10)

    pair = socket.socketpair()
    with pair[0], pair[1]:
        for each in pair:
            each.setblocking(False)
        assert b"one" == run(main(pair))
        pair[0].send(b"two")
        pair[1].setblocking(True)
        assert b"two" == pair[1].recv(10)


def test_it_is_a_loop_like_any_other() -> None:
    """The loop can be made by a plain runner, as plugins do."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert math.isclose(60.0, runner.run(_elapsed(60.0)))


def test_it_takes_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever loop is set for the program, uvloop say, a virtual run has its own."""
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: pytest.fail("not asked for"))
    assert pytest.approx(DAY) == run(_elapsed(DAY))


def test_a_timeout_comes_at_its_time() -> None:
    """Whoever waits for what never comes is not stuck: time goes to the end of the timeout."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(DAY):
                await loop.create_future()
        return loop.time() - start

    assert pytest.approx(DAY) == run(main())


async def test_it_does_not_run_inside_a_loop() -> None:
    """Where a loop runs already it says so, and leaves no coroutine that was never awaited."""
    main = _elapsed(DAY)
    with pytest.raises(RuntimeError, match="one is running here already: await the coroutine"):
        run(main)
    assert inspect.CORO_CLOSED == inspect.getcoroutinestate(main)


def test_debug_mode_sees_no_slow_callbacks(caplog: pytest.LogCaptureFixture) -> None:
    """In asyncio's debug mode a jump is no callback that took a day."""
    with asyncio.Runner(debug=True, loop_factory=VirtualTimeLoop) as runner:
        runner.run(_elapsed(DAY))
    assert "took" not in caplog.text
