"""How one request is responded to: read, answered, kept, delivered."""

from collections.abc import Callable

import attrs
from aiohttp import web

from resilient.clock import Clock
from resilient.core.endpoints import Endpoints, match_endpoint
from resilient.testing.emulator.arrival import Arrival
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.conditions import Conditions
from resilient.testing.emulator.delivery import deliver
from resilient.testing.emulator.faults import is_early
from resilient.testing.emulator.received import Log, asked_in, no_answer
from resilient.testing.emulator.reply import reply_to
from resilient.testing.emulator.vendor import Vendor
from resilient.testing.emulator.wire import arrival_of

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@attrs.frozen(eq=False, kw_only=True)
class Responder:
    """Lets a vendor answer what comes over the wire.

    Attributes:
        vendor: Says what the answer is.
        conditions: Says how long it takes, and what goes wrong with it.
        log: Keeps it.
        now: The clock.
        wall: The wall clock.
    """

    vendor: Vendor
    conditions: Conditions
    log: Log
    now: Callable[[], float]
    wall: Callable[[], float]
    _endpoints: Endpoints = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: Endpoints(self.vendor.catalog.endpoints), takes_self=True
        ),
    )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        arrival = arrival_of(request)
        asked, drawn = self._asked(request), self.conditions.fault()
        early = self.vendor.cuts_off(asked) or drawn
        if is_early(early):
            answer = no_answer("fault", fault=early)
            self.log.keep(asked, arrival, answer)
        else:
            asked = await self._read(request, asked, arrival)
            answer = self.vendor.answer(asked)
            if drawn is not None and answer.fault is None:
                answer = attrs.evolve(answer, fault=drawn)
            self.log.keep(asked, arrival, answer)
            if (delay := self.conditions.delay(answer.latency)) > 0:
                await Clock.sleep(delay)
        reply = reply_to(answer, answer.fault, method=asked.method, wall=asked.wall)
        return await deliver(request, reply, answer.fault)

    def unanswered(self, arrival: Arrival) -> None:
        """Keep a request that was broken off before its turn, or is no HTTP."""
        self.log.keep(asked_in(arrival.raw, self.now()), arrival, no_answer("unanswered"))

    async def _read(self, request: web.BaseRequest, asked: Asked, arrival: Arrival) -> Asked:
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(_CONTINUE)
        try:
            body = await request.read()
        except BaseException as error:
            large = isinstance(error, web.HTTPRequestEntityTooLarge)
            why, status = ("too large", 413) if large else ("unanswered", 0)
            self.log.keep(asked, arrival, no_answer(why, status=status))
            raise
        return attrs.evolve(asked, body=body, time=self.now(), wall=self.wall())

    def _asked(self, request: web.BaseRequest) -> Asked:
        path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
        endpoint = match_endpoint(self._endpoints, request.method, path)
        return Asked(
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            peer=request.remote or "",
            endpoint=endpoint.name if endpoint else None,
            time=self.now(),
            wall=self.wall(),
            rule=self.vendor.catalog.credential,
        )
