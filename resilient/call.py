"""One call: what is known of it, and its voice. What is done with it is in `enforce`, `observe`."""

import asyncio
from collections.abc import Collection, Iterable
from functools import cached_property, partial
from typing import Any, NoReturn

import attrs
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from resilient import hops, raising, reading
from resilient.clock import Clock, new_id
from resilient.core.redact import url as redacted
from resilient.credentials import Keyring, Signature
from resilient.ending import Ending
from resilient.errors import ResilientError
from resilient.events import Listener
from resilient.judging import Judge
from resilient.model import Attempt, Failure, Resend, Skipped, Verdict
from resilient.options import Options
from resilient.report import Report
from resilient.route import Route
from resilient.serving import Serving
from resilient.signing import Signing
from resilient.state.admission import Admission
from resilient.state.grant import Changed
from resilient.state.lane import Lane
from resilient.watch import Sent


@attrs.frozen(eq=False)
class Common:
    """What all calls of one middleware have in common.

    Attributes:
        unmapped: Codes that no catalog knows, and that were reported already.
    """

    admission: Admission
    listeners: tuple[Listener, ...]
    clock: Clock
    unmapped: set[tuple[str, str]] = attrs.field(factory=set)


class Call:
    """One run of the middleware chain: one or more attempts.

    Most calls succeed, so what only others need is made when it is needed.

    Attributes:
        started: When it began.
        task: Who makes it; None once it is over, or its exception would lead back to itself.
        cancels: How often the task had been told to end before it began.
        end: When the attempt under way is cancelled.
        watch: Cancels it.
        expired: Whether it was, and the cancellation was not taken back yet.
        outer: What a call further out sends meanwhile.
        ring: What holds its credential, where that was put on at once.
        signature: What it was signed with at once; None: it was not, or that was taken off.
        url: Where it was to be sent, before it was signed at once.
        sends: How often it was sent, redirect hops before this one included.
        resends: How often of these because an attempt failed.
        refreshed: Whether its credential was renewed for it.
        took: Whether it was sent again with a credential that somebody else had renewed. That
            one may be out of date as well, and is renewed then: once, or this would not end.
        waits: Whether it has had to wait before a send.
        waited: Seconds in queues and back-offs.
        failed: Whether an attempt failed.
        over: Whether it was said that it failed.
    """

    expired = False
    outer: Sent | None = None
    ring: Keyring | None = None
    signature: Signature | None = None
    url = URL()
    sends = 0
    resends = 0
    refreshed = False
    took = False
    waits = False
    waited = 0.0
    failed = False
    over = False
    _ending: Ending | None = None
    _signing: Signing | None = None

    def __init__(  # noqa: PLR0917 - by position: it is made for every request
        self,
        common: Common,
        route: Route,
        options: Options,
        request: ClientRequest,
        handler: ClientHandlerType,
        hop: hops.Hop | None,
    ) -> None:
        self.common, self.route, self.options = common, route, options
        self.request, self.handler, self.hop = request, handler, hop
        self.watch = route.serving.watch
        self.started = common.clock.now()
        longest, total = route.serving.longest, _total(request)
        if total is not None and total < longest:
            longest = total
        self.end = min(self.started + longest, options.deadline)
        if hop is not None:
            self.sends, self.resends, self.refreshed = hop.sends, hop.resends, hop.refreshed
            self.end = min(self.end, hop.deadline)
        self.task: asyncio.Task[object] | None = asyncio.current_task()
        self.cancels = 0 if self.task is None else self.task.cancelling()

    def __repr__(self) -> str:
        # Error reporters show local variables: requests and responses hold what is secret.
        return f"<call {self.name} of {self.serving.service.name}>"

    @cached_property
    def deadline(self) -> float:
        """When it ends."""
        ends = [self.started + self.serving.service.timeout, self.options.deadline]
        if (total := _total(self.request)) is not None:
            ends.append(self.started + total)
        if self.hop is not None:
            ends.append(self.hop.deadline)
        return min(ends)

    @property
    def serving(self) -> Serving:
        """The service."""
        return self.route.serving

    @property
    def clock(self) -> Clock:
        """Time and chance."""
        return self.common.clock

    @property
    def admission(self) -> Admission:
        """The scheduler."""
        return self.common.admission

    @property
    def name(self) -> str:
        """Its identifier; hops of one call share it."""
        return str(self.report.common["call"])

    @cached_property
    def report(self) -> Report:
        """Its voice."""
        listeners = self.common.listeners
        return Report(listeners, self.clock, self._keys(), self._url(), self.started)

    @property
    def signing(self) -> Signing:
        """Makes its credential ready, renews it, puts it on and takes it off."""
        if self._signing is None:
            self._signing = Signing(self.serving, self.request, self.route.credential)
            self._signing.keyring, self._signing.signature = self.ring, self.signature
        return self._signing

    @cached_property
    def judge(self) -> Judge:
        """Says what its attempts mean."""
        return Judge(
            serving=self.serving,
            clock=self.clock,
            request=self.request,
            endpoint=self.route.endpoint,
            wanted=self.options.idempotent,
            renews=self.route.urgent,
        )

    @property
    def ending(self) -> Ending:
        """What is known of its last attempt."""
        if self._ending is None:
            self._ending = Ending(
                service=self.serving.service,
                clock=self.clock,
                method=self.request.method,
                url=self._url(),
                attempts=self.sends,
            )
        self._ending.attempts = self.sends
        return self._ending

    def _url(self) -> partial[str]:
        # Nothing that the call holds leads back to it: when it is over, its bodies are free.
        return partial(_shown_url, self.request, self.serving.secret_names)

    def _keys(self) -> dict[str, Any]:
        return {
            "service": self.serving.service.name,
            "catalog": self.serving.service.catalog.name,
            "credential": self.route.credential,
            "call": new_id() if self.hop is None else self.hop.call,
            "method": self.request.method,
            "endpoint": self.route.endpoint and self.route.endpoint.name,
        }

    def lane(self, now: float) -> Lane:
        """Return the queue for the call's scopes."""
        return self.route.lane(self.request, self.common.admission.memory, now)

    async def take_off(self) -> None:
        """Take its credential off the request."""
        self.take_off_at_once()
        await self.signing.take_off()

    def take_off_at_once(self) -> None:
        """Take off what was put on at once."""
        head = self.serving.head
        if self.signature is not None and head is not None:
            head.take_off(self.request, self.url)
            self.signature = None

    def attempt(self, changes: Iterable[Changed] = ()) -> Attempt:
        """Return what is known of the call at this attempt, which has changed scopes."""
        return self.judge.attempt(
            number=1 + self.resends,
            refreshable=self.signing.refreshable,
            refreshed=self.refreshed,
            remaining=self.deadline - self.clock.now(),
            held=longest(changes),
        )

    def tell(self, failure: Failure, verdict: Verdict, changes: list[Changed]) -> None:
        """Report what an answer said, and what has become of the scopes."""
        self.report.unmapped(failure, self.common.unmapped)
        self.report.failed(failure, self.sends, skipped(verdict), failure.retry_after)
        self.report.changed(changes, self.sends, failure.code or failure.entry.name)

    @property
    def returns(self) -> bool:
        """Whether the caller wants the last response rather than an exception."""
        wanted = (self.options.on_error or self.serving.service.on_error) == "return"
        return wanted and not self.route.urgent

    def asks_for_renewal(self, failure: Failure) -> bool:
        """Tell whether a failure says that the credential has expired."""
        return self.serving.service.policies[failure.entry.policy].action == "reauth"

    def give_up(self, answer: reading.Answer, wait: float) -> ClientResponse:
        """Return the last answer, if the caller wants it so, else raise what it means."""
        if self.returns:
            self.tell_failed(**raising.keys(self.ending.last(wait)))
            return answer.response
        self.discard(answer)
        return self.fail(self.ending.last(wait), None)

    def discard(self, answer: reading.Answer) -> None:
        """Let go of an answer that is not handed on."""
        try:
            reading.keep_cookies(self.request, answer.response)
        finally:
            reading.free(answer)

    def fail(self, error: ResilientError, cause: BaseException | None) -> NoReturn:
        """Say that the call failed, and raise."""
        self.tell_failed(**raising.keys(error))
        try:
            raise error from cause
        finally:
            del error  # else its traceback would hold it

    def reason(self, error: BaseException) -> str | None:
        """Return what to call an end that is none of ours; None: it is no failure."""
        if isinstance(error, asyncio.CancelledError) and reading.is_total_spent(self.request):
            # In a wait aiohttp's own total comes as a cancellation, and ends as a timeout, unless
            # somebody has cancelled the call in the same moment.
            cancels = self.task.cancelling() if self.task is not None else 0
            return "TimeoutError" if cancels <= self.cancels + 1 else None
        return type(error).__name__ if isinstance(error, Exception) else None

    def tell_failed(self, **keys: Any) -> None:
        """Say that the call failed."""
        self.over = True
        attempt = self.sends or None
        self.report("resilient.call_failed", attempt=attempt, waited=self.waited, **keys)


_SHOWS_TIMEOUT = hasattr(ClientRequest, "timeout")


def _total(request: ClientRequest) -> float | None:
    """Return aiohttp's own total; before 3.15 a request's own one cannot be seen."""
    timeout = request.session.timeout
    if _SHOWS_TIMEOUT:
        timeout = getattr(request, "timeout", None) or timeout  # pragma: no cover
    return timeout.total or None  # 0 too: aiohttp sets no limit


def _shown_url(request: ClientRequest, secret_names: Collection[str]) -> str:
    return redacted(str(request.original_url), secret_names)


def skipped(verdict: Verdict) -> Skipped | None:
    """Return why a call is not sent again, if a verdict says."""
    return None if isinstance(verdict, Resend) else verdict.skipped


def longest(changes: Iterable[Changed]) -> float:
    """Return how long scopes are shut that an attempt has changed."""
    return max((each.seconds for each in changes), default=0.0)
