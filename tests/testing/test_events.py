import threading

import aiohttp
import pytest

import resilient
from resilient.events import Event, tell
from resilient.testing import Emulator, EventCapture


def an_event(name: str, call: str | None = None, **keys: int) -> Event:
    """Return an event of a call."""
    return Event(name=f"resilient.{name}", call=call, attempt=keys.get("attempt"))


def captured(*events: Event) -> EventCapture:
    """Return a capture that was told these events."""
    capture = EventCapture()
    for event in events:
        tell(event, [capture])
    return capture


def test_events_are_kept_in_order() -> None:
    """A capture is a listener: it keeps what it is told, by name if asked, until cleared."""
    first, second = an_event("started"), an_event("call_failed")
    capture = captured(first, second)
    assert [first, second] == capture.events
    assert ["started", "call_failed"] == capture.names
    assert [second] == capture.named("resilient.call_failed") == capture.named("call_failed")
    capture.clear()
    assert [] == capture.names


@pytest.mark.parametrize("name", ["atempt_failed", "resilient.atempt_failed"])
def test_no_event_is_called_so(name: str) -> None:
    """A name that no event has is an error, and not an empty answer."""
    with pytest.raises(ValueError, match=f"{name}'; did you mean 'attempt_failed'"):
        EventCapture().named(name)
    with pytest.raises(ValueError, match="known are started, retry_scheduled, "):
        EventCapture().named("x")


def test_the_events_of_one_call() -> None:
    """Of calls that overlap, each can be looked at alone."""
    mine, last = an_event("attempt_failed", "a"), an_event("call_failed", "a")
    capture = captured(an_event("started"), mine, an_event("attempt_failed", "b"), last)
    assert ["attempt_failed", "call_failed"] == capture.of("a").names == capture.of(last).names
    assert [] == capture.of("c").events
    assert 4 == len(capture.events)


def test_it_prints_well() -> None:
    """Its repr names what happened in one line; as text it has a line for each event."""
    capture = captured(an_event("attempt_failed", "a", attempt=1), an_event("call_failed", "a"))
    assert "<EventCapture: attempt_failed, call_failed>" == repr(capture)
    assert "<EventCapture: nothing>" == repr(EventCapture())
    lines = ["resilient.attempt_failed call=a attempt=1", "resilient.call_failed call=a"]
    assert lines == str(capture).splitlines()


async def code_under_test(vendor: Emulator) -> None:
    """Make a session as an application does: without listeners."""
    config = {"services": {"jobs": {"catalog": "hh", "hosts": [vendor.host]}}}
    async with (
        resilient.session(config) as http,
        http.get(f"{vendor.url}/vacancies") as response,
    ):
        assert 200 == response.status


async def test_everything_is_heard() -> None:
    """Inside the block every session tells the capture, though nobody handed it over."""
    capture = EventCapture()
    async with Emulator("hh") as vendor:
        vendor.script(503)
        await code_under_test(vendor)
        assert [] == capture.names
        vendor.script(503)
        with capture.everything() as heard:
            await code_under_test(vendor)
        assert heard is capture
        vendor.script(503)
        await code_under_test(vendor)
    told = ["started", "attempt_failed", "retry_scheduled", "call_recovered"]
    assert told == capture.names


async def test_nothing_is_heard_twice() -> None:
    """Two captures hear each their own; one that is a listener anyway is told once."""
    inner, outer = EventCapture(), EventCapture()
    async with Emulator("hh") as vendor:
        config = {"services": {"jobs": {"catalog": "hh", "hosts": [vendor.host]}}}
        with outer.everything(), inner.everything():
            made = resilient.Middleware(config, listeners=[inner])
        async with (
            aiohttp.ClientSession(middlewares=(made,)) as http,
            http.get(f"{vendor.url}/me"),
        ):
            pass
        await made.aclose()
    assert ["started"] == inner.names == outer.names


def test_another_thread_is_not_heard() -> None:
    """What another thread makes is its own: a test that runs beside is not disturbed."""
    found: list[resilient.Middleware] = []
    config = {"services": {"jobs": {"catalog": "hh"}}}
    capture = EventCapture()
    with capture.everything():
        thread = threading.Thread(target=lambda: found.append(resilient.Middleware(config)))
        thread.start()
        thread.join()
        found.append(resilient.Middleware(config))
    assert [False, True] == [capture in made._listeners for made in found]


def test_the_block_ends_with_an_exception() -> None:
    """What goes wrong inside the block ends it, too."""
    capture = EventCapture()
    with pytest.raises(ZeroDivisionError), capture.everything():
        _ = 1 / 0
    assert capture not in resilient.Middleware({"services": {}})._listeners
