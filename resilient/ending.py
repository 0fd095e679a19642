"""How a call ends that does not succeed: what was heard last, and what is raised of it."""

from collections.abc import Callable
from datetime import datetime
from weakref import WeakKeyDictionary

import attrs
from aiohttp import ClientResponse

from resilient import raising
from resilient.clock import Clock
from resilient.config.service import Service
from resilient.credentials import CredentialRefused
from resilient.errors import NotSent, ResilientError, TransportError
from resilient.model import Failure, NoAnswer, Skipped
from resilient.reading import Answer, scrubbed
from resilient.signing import OutOfTime
from resilient.state.waiting import Refused

_failures: "WeakKeyDictionary[ClientResponse, Failure]" = WeakKeyDictionary()


def failure_of(response: ClientResponse) -> Failure | None:
    """Return the failure of a response that was handed back instead of raised, or None."""
    return _failures.get(response)


@attrs.define(eq=False, kw_only=True, repr=False)
class Ending:
    """What a call knows of its last attempt.

    Attributes:
        url: Makes the redacted URL.
        attempts: How often the call was sent.
        answer: The last answer, if the last attempt had one.
        cause: The exception that said that there was none; it shows no credential.
    """

    service: Service
    clock: Clock
    method: str
    url: Callable[[], str]
    attempts: int
    answer: Answer | None = attrs.field(default=None, init=False)
    cause: BaseException | None = attrs.field(default=None, init=False)
    _error: Callable[[datetime | None, str], ResilientError] | None = attrs.field(
        default=None, init=False
    )

    def hear(self, failure: Failure, answer: Answer, skipped: Skipped | None) -> None:
        """Remember an answer that is an error."""
        headers = tuple(answer.response.headers.items())
        action = self.service.policies[failure.entry.policy].action
        _failures[answer.response] = failure

        def error(retry_at: datetime | None, since: str) -> ResilientError:
            return raising.api_error(
                failure,
                action,
                self._subject(),
                skipped=skipped,
                retry_at=retry_at,
                headers=headers,
                body=answer.body,
                since=since,
            )

        self._error, self.answer, self.cause = error, answer, None

    def miss(self, failure: NoAnswer, why: BaseException, skipped: Skipped | None) -> None:
        """Remember that no answer came."""

        def error(_: datetime | None, since: str) -> ResilientError:
            return raising.transport_error(failure, self._subject(), skipped, since)

        self._error, self.answer = error, None
        self.cause = scrubbed(why, self.url())

    def forget(self) -> None:
        """Let go of the last attempt: the call is over."""
        self._error = self.answer = self.cause = None

    def last(self, wait: float | None = None, since: str = "") -> ResilientError:
        """Return what the last attempt means, and what was tried `since` then.

        Another call may succeed after `wait` seconds.
        """
        if self._error is None:
            raise AssertionError("no attempt has failed")  # pragma: no cover
        return self._error(self._when(wait), since)

    def refused(self, refusal: Refused) -> ResilientError:
        """Return what a refused admission means.

        The last failure if there is one: it says more than that a wait did not fit.
        """
        if self._error is not None:
            return self.last(refusal.wait)
        return raising.not_sent(refusal, self._subject(), self._when(refusal.wait))

    def without_credential(self, error: Exception) -> ResilientError:
        """Return what it means that the credential cannot be had, or not be put on."""
        if isinstance(error, OutOfTime):
            return self.refused(Refused("deadline", None))
        wait: float | None = getattr(error, "wait", None)
        if self._error is not None:
            return self.last(wait, raising.unrenewed(error, wait))
        if isinstance(error, CredentialRefused):
            return raising.dead_credential(
                str(error),
                error.cause,
                self._subject(),
                self.service.catalog.name,
                self._when(wait),
            )
        kind = TransportError if self.attempts else NotSent
        return kind(
            f"{self.service.name}: {error} [{self._subject()}]",
            service=self.service.name,
            attempts=self.attempts,
            retry_at=self._when(wait),
        )

    def _when(self, wait: float | None) -> datetime | None:
        return self.clock.at(wait) if wait and wait != float("inf") else None

    def _subject(self) -> raising.Subject:
        return raising.Subject(
            service=self.service.name,
            method=self.method,
            url=self.url(),
            attempts=self.attempts,
        )
