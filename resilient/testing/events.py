"""A listener that keeps what it is told."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Self

from resilient.config.spelling import did_you_mean
from resilient.events import LEVELS, Event, overhearing

_COMMON = "resilient."


class EventCapture:
    """Keeps every event: `resilient.session(config, listeners=[events])`.

    Attributes:
        events: In the order in which they happened.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = list(events)

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    @contextmanager
    def everything(self) -> Iterator[Self]:
        """Hear every session and Middleware that is made inside the block, whoever makes it.

        What was made before is not heard, nor what another thread makes.
        """
        before = overhearing.get()
        overhearing.set((*before, self))
        try:
            yield self
        finally:
            overhearing.set(before)

    @property
    def names(self) -> list[str]:
        """What happened, in order, without `resilient.` before each name."""
        return [event.name.removeprefix(_COMMON) for event in self.events]

    def named(self, name: str) -> list[Event]:
        """Return the events of one name, with or without `resilient.` before it.

        Raises:
            ValueError: No event is called so.
        """
        full = _COMMON + name.removeprefix(_COMMON)
        if full not in LEVELS:
            raise ValueError(f"no event is called {name!r}{_hint(full)}")
        return [event for event in self.events if event.name == full]

    def of(self, call: str | Event) -> "EventCapture":
        """Return the events of one call, by its identifier or by one of its events."""
        wanted = call.call if isinstance(call, Event) else call
        return EventCapture(event for event in self.events if event.call == wanted)

    def clear(self) -> None:
        """Forget what was heard."""
        self.events.clear()

    def __repr__(self) -> str:
        return f"<EventCapture: {', '.join(self.names) or 'nothing'}>"

    def __str__(self) -> str:
        return "\n".join(map(_line, self.events))


def _hint(full: str) -> str:
    known = [each.removeprefix(_COMMON) for each in LEVELS]
    return did_you_mean(full.removeprefix(_COMMON), known) or f"; known are {', '.join(known)}"


def _line(event: Event) -> str:
    """Return an event's name and the keys that apply."""
    keys = event.asdict()
    return " ".join([keys.pop("event"), *(f"{key}={value}" for key, value in keys.items())])
