"""`mode: observe`: send at once, change nothing, and say what would have been done."""

from typing import TYPE_CHECKING

from resilient import reading
from resilient.core.decide import decide_no_answer
from resilient.model import Raise, Resend, Verdict

if TYPE_CHECKING:
    from aiohttp import ClientResponse

    from resilient.call import Call


async def observe(call: "Call") -> "ClientResponse":
    """Send a request as it is, and report what enforcing would have made of it."""
    call.report.mode = "observe"
    lane, cost = call.lane(), call.options.cost
    delay = call.admission.foresee_delay(lane, cost)
    if delay is not None and (delay.seconds or 0.0) >= call.serving.service.report_wait:
        call.report.delayed(delay, 1)
    grant = call.admission.pretend(lane, cost)
    call.sends = 1
    try:
        response = await call.handler(call.request)
    except Exception as error:
        failure = reading.no_answer(error)
        grant.lost()
        policy = call.serving.service.policies["retry"]
        _tell_verdict(call, decide_no_answer(failure, policy, call.attempt(), 0.5))
        call.report.no_answer(failure, 1, None)
        raise
    except BaseException:
        grant.unsent()
        raise
    grant.disconnected()
    answer = await reading.read(response, call.serving.service.catalog)
    failure_found, changes = call.judge(answer, grant)
    if failure_found is not None:
        verdict = call.verdict(failure_found, changes)
        call.tell(failure_found, verdict, changes)
        _tell_verdict(call, verdict)
    return response


def _tell_verdict(call: "Call", verdict: Verdict) -> None:
    if isinstance(verdict, Resend):
        call.report("resilient.retry_scheduled", attempt=1, delay=verdict.delay)
    elif not isinstance(verdict, Raise):
        call.report("resilient.reauthenticated", attempt=1)
