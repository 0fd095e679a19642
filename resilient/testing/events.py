"""A listener that keeps what it is told."""

from resilient.events import Event


class EventCapture:
    """Keeps every event: `Middleware(config, listeners=[events])`.

    Attributes:
        events: In the order in which they happened.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    def named(self, name: str) -> list[Event]:
        """Return the events of one name, with or without `resilient.` before it."""
        full = name if name.startswith("resilient.") else f"resilient.{name}"
        return [event for event in self.events if event.name == full]

    def clear(self) -> None:
        """Forget what was heard."""
        self.events.clear()
