"""One call: the way of a request, and the only place that awaits the handler.

    ready → admit → sign → send → read → classify → decide → act

A wait holds no connection, no token and no lock. Every path that leaves while a response is
held lets go of it.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, assert_never

import aiohttp
import attrs
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from resilient import hops, raising, reading
from resilient.catalog import Endpoint
from resilient.clock import Clock, new_id
from resilient.core.redact import url as redacted
from resilient.credentials import (
    CannotSign,
    CredentialRefused,
    CredentialUnavailable,
    Signature,
    renewal,
)
from resilient.ending import Ending
from resilient.errors import ResilientError
from resilient.events import Listener
from resilient.judging import Judge
from resilient.model import (
    Attempt,
    Failure,
    Raise,
    Refresh,
    Resend,
    Skipped,
    Verdict,
)
from resilient.options import Options
from resilient.report import Report
from resilient.sending import Lost, send
from resilient.serving import Serving
from resilient.signing import Signing
from resilient.state.admission import Admission
from resilient.state.grant import Changed, Grant
from resilient.state.lane import Lane
from resilient.state.memory import Names
from resilient.state.waiting import Delay, Refused

FILE_SETTLES = 0.1
"""Seconds before a body that is no bytes goes again: the last attempt may still read it."""

ELSEWHERE = "other"
"""What the endpoint scope is called where no template matches."""

_IN_THE_CLEAR = "the credential is not sent over plain http: name the host under 'hosts'"
_NO_CREDENTIAL = (CredentialRefused, CredentialUnavailable, CannotSign)


def _cancels() -> int:
    """Return how often the running task has been told to end, and nobody took that back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


@attrs.define(eq=False, kw_only=True, repr=False)
class Call:
    """One run of the middleware chain: one or more attempts.

    Attributes:
        sends: How often it was sent, redirect hops before this one included.
        resends: How often of these because an attempt failed.
        refreshed: Whether its credential was renewed for it.
        took: Whether it was sent again with a credential that somebody else had renewed. That
            one may be out of date as well, and is renewed then: once, or this would not end.
        waited: Seconds in queues and back-offs.
    """

    serving: Serving
    admission: Admission
    listeners: tuple[Listener, ...]
    clock: Clock
    unmapped: set[tuple[str, str]]
    options: Options
    request: ClientRequest
    handler: ClientHandlerType
    hop: hops.Hop | None = None

    started: float = attrs.field(init=False)
    deadline: float = attrs.field(init=False)
    endpoint: Endpoint | None = attrs.field(init=False)
    report: Report = attrs.field(init=False)
    credential: str = attrs.field(init=False)
    signs: bool = attrs.field(init=False)
    renews: bool = attrs.field(init=False)
    signing: Signing = attrs.field(init=False)
    sends: int = attrs.field(default=0, init=False)
    resends: int = attrs.field(default=0, init=False)
    refreshed: bool = attrs.field(default=False, init=False)
    took: bool = attrs.field(default=False, init=False)
    waited: float = attrs.field(default=0.0, init=False)
    judge: Judge = attrs.field(init=False)
    ending: Ending = attrs.field(init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _cancels: int = attrs.field(factory=_cancels, init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.clock.now()
        self.endpoint = self.serving.endpoint(self.request)
        service, within = self.serving.service, renewal.current()
        self.renews = within is not None and within.service == service.name
        if self.renews and within is not None:
            self.credential, self.signs = within.name, False
        else:
            self.credential, self.signs = self.serving.name(self.request, self.options)
        ends = [self.started + service.timeout, self.options.deadline, self.started + self._total()]
        call = new_id()
        if self.hop is not None:
            call, self.sends, self.resends = self.hop.call, self.hop.sends, self.hop.resends
            self.refreshed = self.hop.refreshed
            ends.append(self.hop.deadline)
        self.deadline = min(ends)
        self.signing = Signing(serving=self.serving, request=self.request, name=self.credential)
        # Nothing that the call holds leads back to it: when it is over, its bodies are free.
        shown = partial(_shown_url, self.request, self.serving.secret_names)
        self.report = Report(self.listeners, self.clock, self._common(call), shown, self.started)
        self.judge = Judge(
            serving=self.serving,
            clock=self.clock,
            request=self.request,
            endpoint=self.endpoint,
            wanted=self.options.idempotent,
            renews=self.renews,
        )
        self.ending = Ending(
            service=service,
            clock=self.clock,
            method=self.request.method,
            url=shown,
            attempts=self.sends,
        )

    def __repr__(self) -> str:
        # Error reporters show local variables: requests and responses hold what is secret.
        return f"<call {self.report.common['call']} of {self.serving.service.name}>"

    def _common(self, call: str) -> dict[str, Any]:
        return {
            "service": self.serving.service.name,
            "catalog": self.serving.service.catalog.name,
            "credential": self.credential,
            "call": call,
            "method": self.request.method,
            "endpoint": self.endpoint and self.endpoint.name,
        }

    def _total(self) -> float:
        """Return aiohttp's own total; before 3.15 a request's own one cannot be seen."""
        timeout = getattr(self.request, "timeout", None) or self.request.session.timeout
        return float(timeout.total or "inf")  # none, and 0 too: aiohttp sets no limit

    # The way of a request.

    async def run(self) -> ClientResponse:
        """Send until the call has one outcome."""
        try:
            return await self._attempts()
        except BaseException as error:
            last = self.ending.answer
            if isinstance(error, ResilientError) and last and last.complete and self._returns():
                return last.response
            if not self._ended and (reason := self._reason(error)) is not None:
                self._end(reason=reason)
            raise
        finally:
            self.ending.forget()
            await self.signing.take_off()

    async def _attempts(self) -> ClientResponse:
        if self.admission.closed:
            self._fail(self.ending.refused(Refused("closed", None)), None)
        if self.signs:
            await self._prepare()
        while True:
            signature = await self._ready()
            grant = await self._admit()
            if self.request.session.closed:
                grant.cancel()
                self._fail(self.ending.refused(Refused("closed", None)), self.ending.cause)
            if not await self._sign(signature, grant):
                continue
            if (response := await self._attempt(grant)) is not None:
                return response

    async def _attempt(self, grant: Grant) -> ClientResponse | None:
        """Send once, and do what follows; None if that was not the last time."""
        outcome: reading.Answer | Lost | None = None
        try:
            outcome = await self._send(grant)
            if isinstance(outcome, Lost):
                await self._after_no_answer(outcome)
                return None
            return await self._after_answer(outcome, grant)
        except BaseException as error:
            # Nothing may be left of it, even if a listener or a clock ends the program.
            grant.unsent()
            if isinstance(outcome, reading.Answer):
                reading.free(outcome)
            if outcome is None and (reason := self._reason(error)) is not None:
                self.report("resilient.attempt_failed", attempt=self.sends, reason=reason)
            raise

    async def _prepare(self) -> None:
        leaves = self.hop is not None and self.hop.leaves(self.request)
        if leaves or not self.serving.may_sign(self.request.url):
            if not self.serving.warned:
                self.serving.warned = True
                self.report("resilient.config_warning", reason=_IN_THE_CLEAR)
            return
        with self._credential_fails():
            await self.signing.prepare(self.started, self.deadline)

    async def _ready(self) -> Signature | None:
        with self._credential_fails():
            return await self.signing.ready(self.deadline)

    @contextmanager
    def _credential_fails(self) -> Iterator[None]:
        """End the call with what it means that its credential cannot be had."""
        try:
            yield
        except _NO_CREDENTIAL as error:
            self._fail(self.ending.without_credential(error), error)
        except ResilientError as error:
            # The call that loads or renews it failed, and says itself how.
            self._fail(error, error.__cause__)
        except (aiohttp.ClientError, OSError) as error:
            if type(error) is TimeoutError:
                raise  # aiohttp's own total is spent
            # Out of a user's own code: aiohttp would run the whole call again on some of these.
            name = type(error).__name__
            unavailable = CredentialUnavailable(f"the credential could not be had ({name}).")
            self._fail(self.ending.without_credential(unavailable), error)

    async def _admit(self) -> Grant:
        began, timer = self.clock.now(), None
        report_wait = self.serving.service.report_wait

        def on_delay(delay: Delay) -> None:
            nonlocal timer
            if delay.seconds is None:
                loop = asyncio.get_running_loop()
                timer = loop.call_later(report_wait, self.report.delayed, delay, self.sends + 1)
            elif delay.seconds >= report_wait:
                self.report.delayed(delay, self.sends + 1)

        outcome: Grant | Refused
        try:
            lane = self.lane()
            outcome = await self.admission.admit(lane, self.options.cost, self.deadline, on_delay)
        except Refused as refusal:
            outcome = refusal.with_traceback(None)  # it would hold this very call
        finally:
            self.waited += self.clock.now() - began
            if timer is not None:
                timer.cancel()
        if isinstance(outcome, Refused):
            self._fail(self.ending.refused(outcome), self.ending.cause)
        return outcome

    def lane(self) -> Lane:
        """Return the queue for the call's scopes."""
        url = self.request.url
        names = Names(
            credential=self.credential,
            ip=self.serving.egress,
            host=f"{url.host}:{url.port}",
            endpoint=self.endpoint.name if self.endpoint else ELSEWHERE,
        )
        return self.admission.memory.lane(
            self.serving.service,
            names,
            self.request.session.connector,
            urgent=self.renews,
            now=self.clock.now(),
        )

    async def _sign(self, signature: Signature | None, grant: Grant) -> bool:
        """Put the credential on; False if it went stale in the queue."""
        if self.signing.is_stale(signature):
            grant.cancel()
            return False
        try:
            with self._credential_fails():
                await self.signing.put_on(signature)
        except BaseException:
            grant.cancel()
            raise
        return True

    async def _send(self, grant: Grant) -> "reading.Answer | Lost":
        self.sends += 1
        self.ending.attempts = self.sends
        end = min(self.clock.now() + self.serving.service.attempt_timeout, self.deadline)
        sent = await send(self.request, self.handler, grant, end=end)
        return sent if isinstance(sent, Lost) else await self._read(sent, grant)

    async def _read(self, response: ClientResponse, grant: Grant) -> reading.Answer:
        longest = min(reading.LONGEST, max(0.0, self.deadline - self.clock.now()))
        try:
            return await reading.read(response, self.serving.service.catalog, longest)
        except BaseException:
            # Its head is an answer: what the status says is recorded all the same.
            self.judge.heard(reading.Answer(response), grant)
            raise

    # What follows from an attempt.

    async def _after_answer(self, answer: reading.Answer, grant: Grant) -> ClientResponse | None:
        failure, changes = self.judge.heard(answer, grant)
        if failure is None:
            self.report.changed(changes, self.sends, "")
            return self._succeeded(answer.response)
        try:
            changes = await grant.agreed(changes)
        except BaseException:
            self.tell(failure, Raise(), changes)  # what was heard holds, whatever ends the call
            raise
        verdict = self.judge.verdict(failure, self.attempt(changes))
        self.tell(failure, verdict, changes)
        self.ending.hear(failure, answer, _skipped(verdict))
        pause = _longest(changes)
        match verdict:
            case Raise():
                if self.refreshed and self._asks_for_renewal(failure):
                    self.signing.in_vain()
                # Beyond what was asked, a scope may be shut for longer; mere jitter is left out.
                shut = _longest(each for each in changes if each.change != "paused")
                return self._give_up(
                    answer, pause if verdict.wait is None else max(verdict.wait, shut)
                )
            case Resend():
                self._discard(answer)
                await self._resend(max(verdict.delay, 0.0), announced=max(verdict.delay, pause))
            case Refresh(skipped=None):
                self._discard(answer)
                await self._renew()
            case Refresh():
                kept = self._returns() and answer.complete
                if not kept:
                    self._discard(answer)  # a wait holds no connection
                await self._renew()
                return self._give_up(answer, 0.0) if kept else self._fail(self.ending.last(), None)
            case _ as never:
                assert_never(never)
        return None

    def attempt(self, changes: Iterable[Changed] = ()) -> Attempt:
        """Return what is known of the call at this attempt, which has changed scopes."""
        return self.judge.attempt(
            number=1 + self.resends,
            refreshable=self.signing.refreshable,
            refreshed=self.refreshed,
            remaining=self.deadline - self.clock.now(),
            held=_longest(changes),
        )

    def _asks_for_renewal(self, failure: Failure) -> bool:
        return self.serving.service.policies[failure.entry.policy].action == "reauth"

    def tell(self, failure: Failure, verdict: Verdict, changes: list[Changed]) -> None:
        """Report what an answer said, and what has become of the scopes."""
        self.report.unmapped(failure, self.unmapped)
        self.report.failed(failure, self.sends, _skipped(verdict), failure.retry_after)
        self.report.changed(changes, self.sends, failure.code or failure.entry.name)

    def _give_up(self, answer: reading.Answer, wait: float) -> ClientResponse:
        """Return the last answer, if the caller wants it so, else raise what it means."""
        if self._returns():
            self._end(**raising.keys(self.ending.last(wait)))
            return answer.response
        self._discard(answer)
        return self._fail(self.ending.last(wait), None)

    def _returns(self) -> bool:
        wanted = (self.options.on_error or self.serving.service.on_error) == "return"
        return wanted and not self.renews

    async def _after_no_answer(self, lost: Lost) -> None:
        verdict = self.judge.verdict_of_none(lost.failure, self.attempt())
        skipped = _skipped(verdict)
        self.report.no_answer(lost.failure, self.sends, skipped)

        self.ending.miss(lost.failure, lost.error, skipped)
        if not isinstance(verdict, Resend):
            self._fail(self.ending.last(), self.ending.cause)
        await self._resend(verdict.delay, announced=verdict.delay)

    def _discard(self, answer: reading.Answer) -> None:
        try:
            reading.keep_cookies(self.request, answer.response)
        finally:
            reading.free(answer)

    async def _resend(self, delay: float, *, announced: float) -> None:
        self.resends += 1
        self.report(
            "resilient.retry_scheduled",
            attempt=self.sends,
            delay=announced,
            retry_at=self.report.at(announced),
        )
        settles = 0.0 if reading.is_bytes(self.request) else FILE_SETTLES
        delay = max(delay, settles)
        if delay:
            try:
                await self.admission.delay(delay)
            except Refused as refusal:
                self._fail(self.ending.refused(refusal), None)
            self.waited += delay
        reading.ready_again(self.request)

    async def _renew(self) -> None:
        self.refreshed = True
        with self._credential_fails():
            renewed = await self.signing.renew(self.deadline)
        if self.signing.is_taken and not self.took:
            self.refreshed, self.took = False, True
        if renewed:
            self.report("resilient.reauthenticated", attempt=self.sends)
        reading.ready_again(self.request)

    def _succeeded(self, response: ClientResponse) -> ClientResponse:
        renewed = self.refreshed or self.took
        self.signing.helped(renewed=renewed)
        if self.ending.has_failed:
            self.report(
                "resilient.call_recovered",
                attempt=self.sends,
                waited=self.waited,
                status=response.status,
            )
        hops.pass_on(
            self.request,
            response,
            serving=self.serving,
            call=self.report.common["call"],
            deadline=self.deadline,
            sends=self.sends,
            resends=self.resends,
            refreshed=renewed,
            at=self.clock.now(),
        )
        return response

    # How it ends.

    def _fail(self, error: ResilientError, cause: BaseException | None) -> NoReturn:
        """Say that the call failed, and raise."""
        self._end(**raising.keys(error))
        try:
            raise error from cause
        finally:
            del error  # else its traceback would hold it

    def _reason(self, error: BaseException) -> str | None:
        """Return what to call an end that is none of ours; None: it is no failure."""
        if isinstance(error, asyncio.CancelledError) and reading.is_total_spent(self.request):
            # In a wait aiohttp's own total comes as a cancellation, and ends as a timeout, unless
            # somebody has cancelled the call in the same moment.
            return "TimeoutError" if _cancels() <= self._cancels + 1 else None
        return type(error).__name__ if isinstance(error, Exception) else None

    def _end(self, **keys: Any) -> None:
        self._ended = True
        attempt = self.sends or None
        self.report("resilient.call_failed", attempt=attempt, waited=self.waited, **keys)


def _shown_url(request: ClientRequest, secret_names: Collection[str]) -> str:
    return redacted(str(request.original_url), secret_names)


def _skipped(verdict: Verdict) -> Skipped | None:
    return None if isinstance(verdict, Resend) else verdict.skipped


def _longest(changes: Iterable[Changed]) -> float:
    return max((each.seconds for each in changes), default=0.0)
