from resilient.events import Event, tell
from resilient.testing import EventCapture


def test_events_are_kept_in_order() -> None:
    """A capture is a listener: it keeps what it is told, by name if asked, until cleared."""
    capture = EventCapture()
    first, second = Event(name="resilient.started"), Event(name="resilient.call_failed")
    tell(first, [capture])
    tell(second, [capture])
    assert [first, second] == capture.events
    assert [second] == capture.named("resilient.call_failed") == capture.named("call_failed")
    capture.clear()
    assert [] == capture.events
