"""What happened, as frozen values: one event per thing, for listeners and for the log.

The names and keys are fixed; docs/events.md has the table.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Literal

import attrs

Level = Literal["info", "warning", "error"]

LEVELS: dict[str, Level] = {
    "resilient.started": "info",
    "resilient.retry_scheduled": "info",
    "resilient.reauthenticated": "info",
    "resilient.call_recovered": "info",
    "resilient.call_delayed": "info",
    "resilient.scope_released": "info",
    "resilient.rate_adapted": "info",
    "resilient.store_recovered": "info",
    "resilient.attempt_failed": "warning",
    "resilient.scope_paused": "warning",
    "resilient.code_unmapped": "warning",
    "resilient.block_warning": "warning",
    "resilient.store_degraded": "warning",
    "resilient.config_warning": "warning",
    "resilient.call_failed": "error",
    "resilient.scope_blocked": "error",
}
"""Every event and its level."""


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened. Durations are seconds; what does not apply is None.

    Attributes:
        name: What happened, such as `resilient.retry_scheduled`.
        service: The service.
        catalog: Its catalog.
        credential: The credential's name, never its value.
        call: The call's identifier; redirect hops share it.
        attempt: The attempt's number, 1-based.
        method: The request's method.
        url: The request's URL, redacted.
        endpoint: The catalog's name for it.
        status: The HTTP status.
        code: The code as reported.
        error_name: The entry's name; the key is `name`.
        policy: The policy that decided.
        scope: What is paused, blocked or limited, as `kind:name`.
        limit: The limit that holds the call up.
        delay: Until the next send or the end of the wait.
        waited: What was waited.
        retry_at: ISO 8601, UTC.
        retry_skipped: Why it is not sent again.
        reason: Why, in a word or a sentence.
        suppressed: How many log lines like this one were left out before it.
        elapsed: Since the call began, or since the store was lost.
        mode: `observe` if nothing was done and this is what would have been; of the store: what
            calls go on with.
        detail: What only one event has, such as the effective limits at the start.
    """

    name: str
    service: str | None = None
    catalog: str | None = None
    credential: str | None = None
    call: str | None = None
    attempt: int | None = None
    method: str | None = None
    url: str | None = None
    endpoint: str | None = None
    status: int | None = None
    code: str | None = None
    error_name: str | None = None
    policy: str | None = None
    scope: str | None = None
    limit: str | None = None
    delay: float | None = None
    waited: float | None = None
    retry_at: str | None = None
    retry_skipped: str | None = None
    reason: str | None = None
    suppressed: int | None = None
    elapsed: float | None = None
    mode: str | None = None
    position: int | None = None
    detail: Any = None

    @property
    def level(self) -> Level:
        """How loud it is."""
        return LEVELS[self.name]

    def asdict(self) -> dict[str, Any]:
        """Return the keys that apply, the event's own name as `event`."""
        found = {"event": self.name}
        for field in _FIELDS:
            if (value := getattr(self, field)) is not None:
                found["name" if field == "error_name" else field] = value
        return found


_FIELDS = tuple(f.name for f in attrs.fields(Event) if f.name != "name")

Listener = Callable[[Event], None]
"""Is told every event. What it raises changes nothing."""

overhearing: ContextVar[tuple[Listener, ...]] = ContextVar("overhearing", default=())
"""Listeners of every Middleware made in this context, beside its own: for tests of code that
makes one and takes no listeners."""


def tell(event: Event, listeners: Iterable[Listener]) -> None:
    """Tell every listener, whatever another one raises."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:  # noqa: BLE001, S112 - a listener that raises changes nothing
            continue
