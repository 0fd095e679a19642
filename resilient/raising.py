"""From a failure to the exception that says it: what happened, to whom, what to do."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import attrs

from resilient.core.redact import REDACTED
from resilient.credentials import CredentialRefused
from resilient.errors import (
    ApiError,
    AuthenticationFailed,
    Blocked,
    DeadlineExceeded,
    NotSent,
    QueueFull,
    RateLimited,
    ResilientError,
    ScopeBlocked,
    TransportError,
    TransportTimeout,
    Unavailable,
)
from resilient.model import Failure, NoAnswer, Scope, Skipped
from resilient.policy import Action
from resilient.state.waiting import Refused

BY_ACTION: dict[Action, type[ApiError]] = {
    "retry": Unavailable,
    "back_off": RateLimited,
    "reauth": AuthenticationFailed,
    "fail_fast": ApiError,
    "block_warning": Blocked,
}
"""What is raised in the end, by the action that decided."""

_SECRET_HEADERS = frozenset(
    {"location", "set-cookie", "authorization", "www-authenticate", "cookie"}
)
_SKIPPED: dict[Skipped, str] = {
    "not_idempotent": "It was not sent again: the server may have processed it.",
    "body_not_replayable": "It was not sent again: its body can be read only once.",
    "deadline": "It was not sent again: the wait does not fit.",
    "budget": "It was not sent again: too many calls fail already.",
    "attempts": "It was sent as often as the policy tries.",
}


@attrs.frozen(kw_only=True)
class Subject:
    """Which call an exception is about.

    Attributes:
        url: Redacted.
    """

    service: str
    method: str
    url: str
    attempts: int

    def __str__(self) -> str:
        times = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{self.method} {self.url}, {times}"


def api_error(
    failure: Failure,
    action: Action,
    subject: Subject,
    *,
    skipped: Skipped | None = None,
    retry_at: datetime | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    since: str = "",
) -> ApiError:
    """Return the exception for an answer that is an error.

    Args:
        failure: What was recognised.
        action: Of the policy that decided.
        subject: The call.
        skipped: Why it was not sent again.
        retry_at: From when on another call may succeed.
        headers: The answer's.
        body: The answer's.
        since: What has been tried since: said instead of the entry's advice.
    """
    entry, code = failure.entry, failure.code
    what = code if code is not None else entry.name
    named = f" {entry.name}" if code is not None and entry.name != code else ""
    sentences = [
        f"{subject.service}: {what}{named} (HTTP {failure.status}).",
        entry.meaning,
        since or entry.advice,
        _SKIPPED[skipped] if skipped else "",
        f"Next try from {retry_at:%Y-%m-%d %H:%M:%S} UTC." if retry_at else "",
        f"[{subject}]",
    ]
    return BY_ACTION[action](
        " ".join(filter(None, sentences)),
        url=subject.url,
        method=subject.method,
        status=failure.status,
        headers=[
            (name, REDACTED if name.lower() in _SECRET_HEADERS else value)
            for name, value in headers
        ],
        service=subject.service,
        attempts=subject.attempts,
        retry_at=retry_at,
        catalog=failure.catalog,
        code=code,
        policy=entry.policy,
        entries=tuple(each.entry for each in failure.found),
        body=body,
    )


def transport_error(
    failure: NoAnswer, subject: Subject, skipped: Skipped | None = None, since: str = ""
) -> TransportError:
    """Return the exception for no answer; `since`: what has been tried since."""
    kind = TransportTimeout if failure.timeout else TransportError
    sent = (
        "It certainly did not leave."
        if failure.sent is False
        else ("Whether the server processed it is unknown.")
    )
    why = _SKIPPED[skipped] if skipped else ""
    words = (f"{subject.service}: no answer ({failure.reason}).", sent, why, since, f"[{subject}]")
    error = kind(" ".join(filter(None, words)), service=subject.service, attempts=subject.attempts)
    return error.about(failure.sent)


def not_sent(
    refusal: Refused, subject: Subject, retry_at: datetime | None
) -> NotSent | TransportError:
    """Return the exception for a call that was not admitted.

    Of a call that was redirected a hop has been sent: that is no `NotSent`.
    """
    kinds: dict[str, type[NotSent]] = {
        "blocked": ScopeBlocked,
        "queue": QueueFull,
        "deadline": DeadlineExceeded,
    }
    words = {
        "blocked": f"is blocked{_in(refusal.scope)}: the API shut us out, and nothing is sent",
        "queue": f"has too many calls waiting{_in(refusal.scope)}",
        "deadline": "cannot send this call in time",
        "closed": "is closed",
        "store": "sends nothing while the store of its limits is down (fail_closed)",
    }
    until = f" until {retry_at:%Y-%m-%d %H:%M:%S} UTC" if retry_at else ""
    by_hand = " until somebody releases it" if refusal.why == "blocked" and not retry_at else ""
    text = f"{subject.service} {words[refusal.why]}{until}{by_hand}. [{subject}]"
    kind: type[NotSent | TransportError] = kinds.get(refusal.why, NotSent)
    if subject.attempts:
        kind = TransportTimeout if refusal.why == "deadline" else TransportError
    return kind(text, service=subject.service, attempts=subject.attempts, retry_at=retry_at)


def unrenewed(error: Exception, wait: float | None) -> str:
    """Return what to say where a credential could not be renewed, or not be had any more."""
    text = str(error)
    final = isinstance(error, CredentialRefused) and wait is None
    until = " Nothing is sent with it until there is another." if final else ""
    return f"{text[:1].upper()}{text[1:]}{until}"


def dead_credential(
    reason: str,
    cause: BaseException | None,
    subject: Subject,
    catalog: str,
    retry_at: datetime | None = None,
) -> AuthenticationFailed:
    """Return the exception for a credential that is known to be refused: nothing is sent."""
    told = cause if isinstance(cause, ApiError) else None
    until = "until there is another" + (f", or {retry_at:%H:%M:%S} UTC" if retry_at else "")
    return AuthenticationFailed(
        f"{subject.service}: {reason} Nothing is sent with it {until}. [{subject}]",
        url=subject.url,
        method=subject.method,
        status=told.status if told else 401,
        service=subject.service,
        attempts=subject.attempts,
        retry_at=retry_at,
        catalog=catalog,
        code=told.code if told else None,
        policy="reauth",
        entries=told.entries if told else (),
        body=told.body if told else b"",
    )


def keys(error: ResilientError) -> dict[str, Any]:
    """Return the keys of the event that says how a call ended."""
    found: dict[str, Any] = {"reason": type(error).__name__}
    if error.retry_at is not None:
        found["retry_at"] = error.retry_at.isoformat(timespec="milliseconds")
    if isinstance(error, ApiError):
        found |= {
            "status": error.status,
            "code": error.code,
            "policy": error.policy,
            "error_name": error.name or None,
        }
    return found


def _in(scope: Scope | None) -> str:
    return f" in {scope}" if scope else ""
