"""What an attempt means for one call, and what is to be done about it.

The rules are the core's. This is where they meet the request, the scopes and the clock.
"""

from collections.abc import Sequence

import attrs
from aiohttp import ClientRequest, ClientResponse

from resilient import reading
from resilient.catalog import Endpoint
from resilient.clock import Clock
from resilient.core.classify import classify
from resilient.core.decide import decide, decide_no_answer, marks
from resilient.model import Attempt, Failure, Mark, NoAnswer, Raise, Resend, Verdict
from resilient.policy import Policy
from resilient.serving import Serving
from resilient.state.grant import Changed, Grant


def succeeded(
    serving: Serving, response: ClientResponse, grant: Grant, clock: Clock, now: float
) -> list[Changed]:
    """Record a success, and what it says of limits; return what it changed."""
    serving.budget.earn(now)
    return _answered(serving, response, grant, clock, ())


def _answered(
    serving: Serving, response: ClientResponse, grant: Grant, clock: Clock, found: Sequence[Mark]
) -> list[Changed]:
    """Record what an answer leaves behind, and before anybody is let go because of it its hints."""
    hearing = serving.hearing
    if hearing is None or not hearing.concerns(response.headers):
        return grant.answered(found, serving.latch)
    hinted = grant.hinted(hearing.hints(response.headers, now=clock.wall()))
    return [*hinted, *grant.answered(found, serving.latch)]


@attrs.define(eq=False, kw_only=True, repr=False)
class Judge:
    """Judges the attempts of one call.

    Attributes:
        endpoint: The catalog's endpoint for the request, or None.
        wanted: Whether the caller says that it may be processed twice; None: he does not say.
        renews: Whether the call renews a credential: then it is never sent again.
    """

    serving: Serving
    clock: Clock
    request: ClientRequest
    endpoint: Endpoint | None
    wanted: bool | None
    renews: bool

    def heard(self, answer: reading.Answer, grant: Grant) -> tuple[Failure | None, list[Changed]]:
        """Recognise what an answer reports, and record it on every scope found."""
        service = self.serving.service
        failure = self._recognised(answer)
        if failure is None:
            now = self.clock.now()
            return None, succeeded(self.serving, answer.response, grant, self.clock, now)
        u = self.clock.chance()
        found = marks(failure, service.catalog, service.policies, u, grant.step)
        return failure, _answered(self.serving, answer.response, grant, self.clock, found)

    def _recognised(self, answer: reading.Answer) -> Failure | None:
        service = self.serving.service
        name = self.endpoint.name if self.endpoint else None
        seen = reading.exchange(answer, self.request.method, name)
        return classify(
            seen, service.catalog, service.generic, service.policies, now=self.clock.wall()
        )

    def attempt(
        self, *, number: int, refreshable: bool, refreshed: bool, remaining: float, held: float
    ) -> Attempt:
        """Return what the rules need to know of an attempt: what the call knows, and the rest."""
        service = self.serving.service
        return Attempt(
            number=number,
            idempotent=service.is_idempotent(self.request.method, self.endpoint, self.wanted),
            replayable=reading.is_replayable(self.request),
            refreshable=refreshable,
            refreshed=refreshed,
            affordable=self.serving.budget.affords(self.clock.now()),
            remaining=remaining,
            held=held,
        )

    def verdict(self, failure: Failure, attempt: Attempt) -> Verdict:
        """Say what to do about an answer that is an error, and has changed scopes."""
        if self.renews:
            return Raise(wait=failure.retry_after)
        policy = self.serving.service.policies[failure.entry.policy]
        return self._paid(policy, decide(failure, policy, attempt, self.clock.chance()))

    def verdict_of_none(self, failure: NoAnswer, attempt: Attempt) -> Verdict:
        """Say what to do where no answer came."""
        if self.renews:
            return Raise()
        policy = self.serving.service.policies["retry"]
        return self._paid(policy, decide_no_answer(failure, policy, attempt, self.clock.chance()))

    def _paid(self, policy: Policy, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Resend) and policy.action == "retry":
            self.serving.budget.spend(self.clock.now())
        return verdict
