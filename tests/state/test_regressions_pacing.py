"""What once went wrong: a rate that came down under a call, a loop that ended under its queue."""

import asyncio
import time

import pytest
from desk import LATCH, limit, service
from oracle import Spent, most_in_window

from resilient.core.pacing import Bucket, pace
from resilient.state.adaptive import Adaptive
from resilient.state.admission import Admission
from resilient.state.grant import Grant
from resilient.state.lane import Lane


@pytest.mark.parametrize("factor", [0.01, 0.4, 0.9])
@pytest.mark.parametrize("calls", [1, 7, 60])
def test_called_off_after_the_rate_came_down(calls: int, factor: float) -> None:
    """Who is called off after the rate came down gives back no more than has not been refilled."""
    documented = pace(limit(calls, 1, burst=calls))
    assert isinstance(documented, Bucket)
    found, now, sent = Adaptive(documented, calls, 0.0), 100.0, list[Spent]()
    for _ in range(5):
        found.take(calls, now)
        taken, now = now, now + found.wait(calls, now)
        found.take(calls, now)
        sent.append((now, calls))
        found.cap(documented.rate * factor, now)
        found.give_back(calls, taken, now)
        found.cap(documented.rate, now)
        now += found.wait(calls, now)
        found.take(calls, now)
        sent.append((now, calls))
        now += found.wait(calls, now)
    assert most_in_window(sent, 1) <= calls


def test_called_off_at_once_after_the_rate_came_down() -> None:
    """Of what nothing has been refilled yet, all is given back, however slow the rate became."""
    documented = pace(limit(60, 60, burst=10))
    assert isinstance(documented, Bucket)
    found = Adaptive(documented, 60, 0.0)
    found.take(3, 100.0)
    found.cap(documented.rate / 2, 100.0)
    room = found.max_rate - found._level
    found.give_back(3, 100.0, 100.0)
    assert pytest.approx(min(room + 3, found.max_rate)) == found.max_rate - found._level


@pytest.mark.parametrize("cancelled", [0, 3, 4])
def test_cancelled_and_never_run(cancelled: int) -> None:
    """Of a loop that is closed with calls cancelled in its queue the next one finds nothing."""
    served, admission = service(limit(600, 60), max_queue=5), Admission(time.monotonic)

    def lane() -> Lane:
        return admission.memory.lane_of(served, "one", None, "here", "h", None, False, 0.0)

    async def admit() -> Grant:
        return await admission.admit(lane(), 1, time.monotonic() + 60)

    async def wait() -> "list[asyncio.Task[Grant]]":
        await admit()  # the probe: nobody else goes before its answer
        tasks = [asyncio.create_task(admit()) for _ in range(4)]
        await asyncio.sleep(0)
        assert 4 == lane().live
        return tasks

    async def go() -> None:
        (await admit()).answered((), LATCH)

    loop = asyncio.new_event_loop()
    left = loop.run_until_complete(wait())
    for task in left[4 - cancelled :]:
        task.cancel()
    loop.close()
    admission.forget_timers()
    scopes = lane().scopes
    assert (0, 0, [0] * len(scopes)) == (
        lane().live,
        lane().queued,
        [scope.state.waiting for scope in scopes],
    )
    for scope in scopes:
        scope.state.leave(scope.state.probe)
    asyncio.run(go())
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
