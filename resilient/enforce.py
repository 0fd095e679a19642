"""`mode: enforce`: the way of a request, and the only place that awaits its handler in earnest.

    ready → admit → sign → send → read → classify → decide → act

A wait holds no connection, no token and no lock. Every path that leaves while a response is
held lets go of it. A step that need not wait is taken at once, without a coroutine of its own.
"""

import asyncio

from aiohttp import ClientResponse

from resilient import reading
from resilient.call import Call
from resilient.consequences import after_answer, after_no_answer, credential_fails, succeeded
from resilient.credentials import Signature
from resilient.credentials.head import put
from resilient.errors import ResilientError
from resilient.sending import Lost, connected, lost
from resilient.state.grant import Grant
from resilient.state.waiting import Delay, Refused

_IN_THE_CLEAR = "the credential is not sent over plain http: name the host under 'hosts'"


async def enforce(call: Call) -> ClientResponse:  # noqa: C901, PLR0912 - as the text says
    """Send until the call has one outcome.

    The way of a call that meets nothing is in this one frame: each further coroutine that it
    sleeps in costs about a hundredth of a request.
    """
    grant: Grant | None = None
    outcome: ClientResponse | reading.Answer | Lost | None = None
    try:
        grant = _at_once(call)
        while True:
            grant = grant or await _in_turn(call)
            call.watch.begin(call)
            try:
                outcome = await call.handler(call.request)
            except BaseException as error:
                if (outcome := lost(call, grant, error)) is None:
                    _tell_cut_short(call, error)
                    raise
            finally:
                call.watch.over(call)
            if not isinstance(outcome, Lost):
                connected(call, grant, outcome)
                glance = call.route.serving.glance
                if outcome.status in glance.unread or reading.is_silent(outcome, glance):
                    return succeeded(call, outcome, grant)
                outcome = await _read(call, outcome, grant)
            if (response := await _follow(call, outcome, grant)) is not None:
                return response
            grant = outcome = None
    except BaseException as error:
        # Nothing may be left of an attempt, even if a listener or a clock ends the program.
        if grant is not None:
            grant.unsent()
        if isinstance(outcome, ClientResponse):
            outcome.close()
            outcome = None  # a traceback shows the variables of its frames
        if (last := _last_response(call, error)) is None:
            raise
        return last
    finally:
        call.task = None
        if call.failed:
            call.ending.forget()
        if call.waits:
            await call.take_off()
        elif call.signature is not None and call.route.serving.head is not None:
            call.route.serving.head.take_off(call.request, call.url)


async def _follow(
    call: Call, outcome: reading.Answer | Lost, grant: Grant
) -> ClientResponse | None:
    """Do what follows from a send; None: the call is sent again."""
    if isinstance(outcome, Lost):
        await after_no_answer(call, outcome)
        return None
    try:
        return await after_answer(call, outcome, grant)
    except BaseException:
        reading.free(outcome)
        raise


def _tell_cut_short(call: Call, error: BaseException) -> None:
    if (reason := call.reason(error)) is not None:
        call.report("resilient.attempt_failed", attempt=call.sends, reason=reason)


def _last_response(call: Call, error: BaseException) -> ClientResponse | None:
    """Return it, if the caller wants it rather than an exception; else say what happened."""
    last = call.ending.answer
    if isinstance(error, ResilientError) and last and last.complete and call.returns:
        return last.response
    if not call.over and (reason := call.reason(error)) is not None:
        call.tell_failed(reason=reason)
    return None


def _at_once(call: Call) -> Grant | None:
    """Return the right to send a call that nothing holds up, and sign it; else None.

    Nothing is waited for, and where there is something to wait for, nothing is done.
    """
    route, ring, signed = call.route, None, None
    if call.request.session.closed:  # while a layer further out waited
        return None
    if route.signs:
        head, ring = route.serving.head, route.serving.wallet.keyrings.get(route.key)
        if ring is None or head is None or not (route.free and route.trusted) or call.hop:
            return None
        signed = ring.written(head)
        if signed is None:
            return None
    admission, now = call.common.admission, call.started
    lane = route.lane(call.request, admission.memory, now)
    grant = admission.at_once(lane, call.options.cost, call.end, now)
    if grant is not None and ring is not None and signed is not None:
        ring.last_used, call.ring, call.signature = now, ring, signed[0]
        call.url = call.request.url
        put(signed[1], call.request)
    return grant


async def _in_turn(call: Call) -> Grant:
    """Wait for a credential and for the right to send, and sign the call."""
    call.waits = True
    call.take_off_at_once()
    if call.route.signs and call.signing.plan is None:
        await _prepare(call)
    while True:
        signature = await _ready(call)
        grant = await _admit(call)
        if call.request.session.closed:  # while it waited
            grant.cancel()
            call.fail(call.ending.refused(Refused("closed", None)), call.ending.cause)
        if not call.signing.is_stale(signature):
            await _sign(call, signature, grant)
            call.end = min(grant.at + call.serving.service.attempt_timeout, call.deadline)
            return grant
        grant.cancel()


async def _prepare(call: Call) -> None:
    if call.admission.closed:
        call.fail(call.ending.refused(Refused("closed", None)), None)
    leaves = call.hop is not None and call.hop.leaves(call.request)
    if leaves or not call.route.trusted:
        if not call.serving.warned:
            call.serving.warned = True
            call.report("resilient.config_warning", reason=_IN_THE_CLEAR)
        return
    with credential_fails(call):
        await call.signing.prepare(call.started, call.deadline)


async def _ready(call: Call) -> Signature | None:
    with credential_fails(call):
        return await call.signing.ready(call.deadline)


async def _admit(call: Call) -> Grant:
    began, timer = call.clock.now(), None
    report_wait = call.serving.service.report_wait

    def on_delay(delay: Delay) -> None:
        nonlocal timer
        if delay.seconds is None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(report_wait, call.report.delayed, delay, call.sends + 1)
        elif delay.seconds >= report_wait:
            call.report.delayed(delay, call.sends + 1)

    outcome: Grant | Refused
    try:
        lane, cost = call.lane(began), call.options.cost
        outcome = await call.admission.admit(lane, cost, call.deadline, on_delay)
    except Refused as refusal:
        outcome = refusal.with_traceback(None)  # it would hold this very call
    finally:
        call.waited += call.clock.now() - began
        if timer is not None:
            timer.cancel()
    if isinstance(outcome, Refused):
        call.fail(call.ending.refused(outcome), call.ending.cause)
    return outcome


async def _sign(call: Call, signature: Signature | None, grant: Grant) -> None:
    """Put the credential on."""
    try:
        with credential_fails(call):
            await call.signing.put_on(signature)
    except BaseException:
        grant.cancel()
        raise


async def _read(call: Call, response: ClientResponse, grant: Grant) -> reading.Answer:
    longest = min(reading.LONGEST, max(0.0, call.deadline - call.clock.now()))
    try:
        return await reading.read(response, call.serving.service.catalog, longest)
    except BaseException as error:
        # Its head is an answer: what the status says is recorded all the same.
        call.judge.heard(reading.Answer(response), grant)
        _tell_cut_short(call, error)
        raise
