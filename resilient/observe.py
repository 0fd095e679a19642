"""`mode: observe`: send at once, change nothing, and say what would have been done."""

from typing import TYPE_CHECKING

from resilient import reading
from resilient.model import Failure, Raise, Resend, Verdict
from resilient.raising import BY_ACTION
from resilient.report import about

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from resilient.call import Call
    from resilient.state.lane import Lane


async def observe(call: "Call") -> "ClientResponse":
    """Send a request as it is, and report what enforcing would have made of it."""
    call.report.mode = "observe"
    call.task = None
    lane, cost = call.lane(call.started), call.options.cost
    refused = _tell_delay(call, lane)
    grant = call.admission.pretend(lane, cost)
    call.sends = 1
    try:
        response = await call.handler(call.request)
    except Exception as error:
        failure = reading.no_answer(error)
        grant.lost()
        verdict = call.judge.verdict_of_none(failure, call.attempt())
        call.report.no_answer(failure, 1, verdict.skipped if isinstance(verdict, Raise) else None)
        _tell_resend(call, verdict, 0.0)
        if isinstance(verdict, Raise) and not refused:
            call.report("resilient.call_failed", attempt=1, reason=type(error).__name__)
        raise
    except BaseException:
        grant.unsent()
        raise
    grant.disconnected()
    try:
        answer = await reading.read(response, call.serving.service.catalog)
    except BaseException:
        call.judge.heard(reading.Answer(response), grant)
        raise
    failure_found, changes = call.judge.heard(answer, grant)
    if failure_found is not None:
        verdict = call.judge.verdict(failure_found, call.attempt(changes))
        call.tell(failure_found, verdict, changes)
        _tell_resend(call, verdict, max((each.seconds for each in changes), default=0.0))
        if isinstance(verdict, Raise) and not refused:
            _tell_failed(call, failure_found)
    return response


def _tell_delay(call: "Call", lane: "Lane") -> bool:
    """Say how long the call would wait; tell whether it would be refused."""
    delay = call.admission.foresee_delay(lane, call.options.cost)
    if delay is None:
        return False
    if delay.reason == "blocked":
        until = call.report.at(delay.seconds)
        call.report("resilient.call_failed", reason="ScopeBlocked", retry_at=until)
        return True
    if (delay.seconds or 0.0) >= call.serving.service.report_wait:
        call.report.delayed(delay, 1)
    return False


def _tell_resend(call: "Call", verdict: Verdict, pause: float) -> None:
    if isinstance(verdict, Resend):
        delay = max(verdict.delay, pause)
        until = call.report.at(delay)
        call.report("resilient.retry_scheduled", attempt=1, delay=delay, retry_at=until)


def _tell_failed(call: "Call", failure: Failure) -> None:
    action = call.serving.service.policies[failure.entry.policy].action
    kind = BY_ACTION[action].__name__
    call.report("resilient.call_failed", attempt=1, reason=kind, **about(failure))
