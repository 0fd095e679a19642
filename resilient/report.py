"""Tells listeners and the log what happens to one call."""

from collections.abc import Callable, Iterable
from typing import Any, assert_never

import attrs

from resilient.clock import Clock
from resilient.core.text import printable
from resilient.events import Event, Listener, tell
from resilient.model import Failure, NoAnswer, Skipped
from resilient.state.grant import Changed
from resilient.state.waiting import Delay

_MOST_UNMAPPED = 1000


def unmapped_once(seen: set[tuple[str, str]], catalog: str, codes: Iterable[str]) -> list[str]:
    """Return the codes not seen before, and remember them, up to a bound."""
    fresh = [code for code in dict.fromkeys(codes) if (catalog, code) not in seen]
    if len(seen) >= _MOST_UNMAPPED:
        return []
    seen.update((catalog, code) for code in fresh)
    return fresh


@attrs.define(eq=False)
class Report:
    """The voice of one call.

    Attributes:
        listeners: Who is told.
        common: Keys of every event of the call.
        url: Makes the redacted URL, once somebody wants it.
    """

    listeners: tuple[Listener, ...]
    clock: Clock
    common: dict[str, Any]
    url: Callable[[], str]
    started: float
    mode: str | None = None

    def __call__(self, name: str, **keys: Any) -> None:
        """Emit an event."""
        if "url" not in self.common:
            self.common["url"] = self.url()
        elapsed = self.clock.now() - self.started
        tell(
            Event(name=name, elapsed=elapsed, mode=self.mode, **self.common, **keys), self.listeners
        )

    def failed(
        self, failure: Failure, attempt: int, skipped: Skipped | None, wait: float | None
    ) -> None:
        """Say that an attempt was answered with an error."""
        self(
            "resilient.attempt_failed",
            attempt=attempt,
            retry_skipped=skipped,
            delay=wait,
            **about(failure),
        )

    def unmapped(self, failure: Failure, seen: set[tuple[str, str]]) -> None:
        """Say, once for each, which codes the catalog does not know."""
        for code in unmapped_once(seen, failure.catalog, failure.unmapped):
            self(
                "resilient.code_unmapped",
                status=failure.status,
                code=printable(code),
                policy=failure.entry.policy,
            )

    def no_answer(self, failure: NoAnswer, attempt: int, skipped: Skipped | None) -> None:
        """Say that an attempt was not answered."""
        self(
            "resilient.attempt_failed",
            attempt=attempt,
            retry_skipped=skipped,
            policy="retry",
            reason=failure.reason,
        )

    def delayed(self, delay: Delay, attempt: int) -> None:
        """Say that the call waits before it is sent."""
        self(
            "resilient.call_delayed",
            attempt=attempt,
            delay=delay.seconds,
            limit=delay.limit,
            scope=delay.scope,
            position=delay.position,
            reason=delay.reason,
        )

    def changed(self, changes: Iterable[Changed], attempt: int, reason: str) -> None:
        """Say what has become of the scopes."""
        for each in changes:
            why = each.reason or reason
            keys = {
                "attempt": attempt,
                "scope": str(each.scope),
                "delay": _finite(each.seconds),
                "retry_at": self.at(each.seconds),
                "reason": why,
            }
            match each.change:
                case "paused":
                    self("resilient.scope_paused", **keys)
                case "foreseen":
                    keys["reason"] = "one more refusal in a row, and the API bans us"
                    self("resilient.block_warning", **keys)
                    self("resilient.scope_paused", **keys)
                case "blocked":
                    self("resilient.block_warning", **keys)
                    self("resilient.scope_blocked", **keys)
                case "held":
                    pass
                case "released":
                    self("resilient.scope_released", attempt=attempt, scope=str(each.scope))
                case "adapted":
                    self.adapted(each, attempt)
                case _ as never:
                    assert_never(never)

    def adapted(self, changed: Changed, attempt: int) -> None:
        """Say that the rate of a limit has changed, and what the server was seen to allow."""
        found = changed.adapted
        self(
            "resilient.rate_adapted",
            attempt=attempt,
            scope=str(changed.scope),
            limit=None if found is None else found.limit,
            reason=changed.reason,
            detail=None if found is None else found.detail(),
        )

    def at(self, seconds: float | None) -> str | None:
        """Return the time that lies `seconds` ahead, as ISO 8601 in UTC."""
        if seconds is None or seconds == float("inf"):
            return None
        return self.clock.at(seconds).isoformat(timespec="milliseconds")


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else seconds


def about(failure: Failure) -> dict[str, Any]:
    """Return the keys that say which error it was: never the server's own words."""
    code = failure.code
    return {
        "status": failure.status,
        "code": None if code is None else printable(code),
        "error_name": failure.entry.name,
        "policy": failure.entry.policy,
    }
