"""What follows from an attempt: the call is over, or it waits, renews its credential, goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import assert_never

import aiohttp
from aiohttp import ClientResponse

from resilient import hops, judging, reading
from resilient.call import Call, longest, skipped
from resilient.credentials import CannotSign, CredentialRefused, CredentialUnavailable
from resilient.errors import ResilientError
from resilient.model import Raise, Refresh, Resend
from resilient.sending import Lost
from resilient.state.grant import Grant
from resilient.state.waiting import Refused

_NO_CREDENTIAL = (CredentialRefused, CredentialUnavailable, CannotSign)

FILE_SETTLES = 0.1
"""Seconds before a body that is no bytes goes again: the last attempt may still read it."""


async def after_answer(call: Call, answer: reading.Answer, grant: Grant) -> ClientResponse | None:
    """Do what an answer asks for; return the response if it is the caller's."""
    failure, changes = call.judge.heard(answer, grant)
    if failure is None:
        call.report.changed(changes, call.sends, "")
        return _handed_on(call, answer.response, call.clock.now())
    try:
        changes = await grant.agreed(changes)
    except BaseException:
        call.tell(failure, Raise(), changes)  # what was heard holds, whatever ends the call
        raise
    verdict = call.judge.verdict(failure, call.attempt(changes))
    call.tell(failure, verdict, changes)
    call.failed = True
    call.ending.hear(failure, answer, skipped(verdict))
    pause = longest(changes)
    match verdict:
        case Raise():
            if call.refreshed and call.asks_for_renewal(failure):
                call.signing.in_vain()
            # Beyond what was asked, a scope may be shut for longer; mere jitter is left out.
            shut = longest(each for each in changes if each.change != "paused")
            wait = pause if verdict.wait is None else max(verdict.wait, shut)
            return call.give_up(answer, wait)
        case Resend():
            call.discard(answer)
            await _resend(call, max(verdict.delay, 0.0), announced=max(verdict.delay, pause))
        case Refresh(skipped=None):
            call.discard(answer)
            await _renew(call)
        case Refresh():
            kept = call.returns and answer.complete
            if not kept:
                call.discard(answer)  # a wait holds no connection
            await _renew(call)
            if not kept:
                call.fail(call.ending.last(), None)
            return call.give_up(answer, 0.0)
        case _ as never:
            assert_never(never)
    return None


async def after_no_answer(call: Call, lost: Lost) -> None:
    """Wait before the call is sent again, or raise."""
    verdict = call.judge.verdict_of_none(lost.failure, call.attempt())
    why = skipped(verdict)
    call.report.no_answer(lost.failure, call.sends, why)
    call.failed = True
    call.ending.miss(lost.failure, lost.error, why)
    if not isinstance(verdict, Resend):
        call.fail(call.ending.last(), call.ending.cause)
    await _resend(call, verdict.delay, announced=verdict.delay)


def succeeded(call: Call, response: ClientResponse, grant: Grant) -> ClientResponse:
    """Do what a response means that is certainly no error, and return it."""
    now = call.common.clock.now()
    changes = judging.succeeded(call.route.serving, response, grant, call.common.clock, now)
    if changes:
        call.report.changed(changes, call.sends, "")
    ring, signature = call.ring, call.signature
    if call.failed or response.status in hops.STATUSES or ring is None or signature is None:
        return _handed_on(call, response, now)
    ring.rest.helped(signature.generation, now, renewed=False)
    return response


def _handed_on(call: Call, response: ClientResponse, now: float) -> ClientResponse:
    renewed = call.refreshed or call.took
    if call.signature is not None and call.ring is not None:
        call.ring.helped(call.signature.generation, now, renewed=renewed)
    elif call.route.signs:
        call.signing.helped(now, renewed=renewed)
    if call.failed:
        call.report(
            "resilient.call_recovered",
            attempt=call.sends,
            waited=call.waited,
            status=response.status,
        )
    if response.status in hops.STATUSES:
        hops.pass_on(
            call.request,
            response,
            serving=call.serving,
            call=call.name,
            deadline=call.deadline,
            sends=call.sends,
            resends=call.resends,
            refreshed=renewed,
            at=now,
        )
    return response


async def _resend(call: Call, delay: float, *, announced: float) -> None:
    call.resends += 1
    call.report(
        "resilient.retry_scheduled",
        attempt=call.sends,
        delay=announced,
        retry_at=call.report.at(announced),
    )
    settles = 0.0 if reading.is_bytes(call.request) else FILE_SETTLES
    delay = max(delay, settles)
    if delay:
        try:
            await call.admission.delay(delay)
        except Refused as refusal:
            call.fail(call.ending.refused(refusal), None)
        call.waited += delay
    reading.ready_again(call.request)


async def _renew(call: Call) -> None:
    call.refreshed = True
    with credential_fails(call):
        renewed = await call.signing.renew(call.deadline)
    if call.signing.is_taken and not call.took:
        call.refreshed, call.took = False, True
    if renewed:
        call.report("resilient.reauthenticated", attempt=call.sends)
    reading.ready_again(call.request)


@contextmanager
def credential_fails(call: Call) -> Iterator[None]:
    """End the call with what it means that its credential cannot be had."""
    try:
        yield
    except _NO_CREDENTIAL as error:
        call.fail(call.ending.without_credential(error), error)
    except ResilientError as error:
        # The call that loads or renews it failed, and says itself how.
        call.fail(error, error.__cause__)
    except (aiohttp.ClientError, OSError) as error:
        if type(error) is TimeoutError:
            raise  # aiohttp's own total is spent
        # Out of a user's own code: aiohttp would run the whole call again on some of these.
        name = type(error).__name__
        unavailable = CredentialUnavailable(f"the credential could not be had ({name}).")
        call.fail(call.ending.without_credential(unavailable), error)
