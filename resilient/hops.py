"""Redirect hops: what one hop of a call leaves to the next.

aiohttp runs the middlewares once a hop, each with a new request. It takes Authorization and
Cookie off on the way to another origin, but no other header, and it sends the body along.
"""

from collections.abc import Callable
from contextvars import ContextVar

import attrs
from aiohttp import ClientRequest, ClientResponse, ClientSession, hdrs
from yarl import URL

from resilient.reading import timer_of
from resilient.serving import Serving

STATUSES = frozenset({301, 302, 303, 307, 308})
"""Those of a redirect that aiohttp follows."""

_SOON = 1.0
"""Seconds: aiohttp follows at once; what comes later is a request of the caller's own."""


@attrs.frozen(kw_only=True)
class Hop:
    """A redirect that was handed on.

    Attributes:
        run: What all hops of one run of aiohttp have in common; None: that cannot be seen.
        target: Where it leads.
        session: Whose it is.
        serving: The service that answered with it.
        was_secure: Whether the request that it answered was encrypted.
        call: The call's identifier.
        deadline: When the call ends.
        sends: How often it was sent until now.
        resends: How often of these again.
        refreshed: Whether the credential was renewed for it.
        at: When it was handed on.
        before: The hop before it, if it is not the first.
    """

    run: object
    target: URL = attrs.field(repr=False)
    session: ClientSession = attrs.field(repr=False)
    serving: Serving
    was_secure: bool
    call: str
    deadline: float
    sends: int
    resends: int
    refreshed: bool
    at: float
    before: "Hop | None" = attrs.field(default=None, repr=False)

    def leaves(self, request: ClientRequest) -> bool:
        """Tell whether the hop leads where a credential may not go."""
        downgraded = self.was_secure and request.url.scheme != "https"
        return downgraded or not self.serving.may_sign(request.url)


_last: ContextVar[Hop | None] = ContextVar("resilient_hop", default=None)


def _target(request: ClientRequest, response: ClientResponse) -> URL | None:
    """Return where a redirect leads, or None."""
    location = response.headers.get(hdrs.LOCATION) or response.headers.get(hdrs.URI)
    if not location:
        return None
    try:
        return request.original_url.join(URL(location))
    except ValueError:
        return None


def pass_on(
    request: ClientRequest,
    response: ClientResponse,
    *,
    serving: Serving,
    call: str,
    deadline: float,
    sends: int,
    resends: int,
    refreshed: bool,
    at: float,
) -> None:
    """Remember a redirect for the requests that follow it, those by way of other servers too.

    The arguments are as in `Hop`; a response that is no redirect leaves nothing behind.
    """
    leads = _target(request, response)
    if leads is None:
        return
    last, run = _last.get(), timer_of(request)
    follows = last is not None and run is not None and last.run is run
    hop = Hop(
        run=run,
        target=leads,
        session=request.session,
        serving=serving,
        was_secure=request.url.scheme == "https",
        before=last if follows else None,
        call=call,
        deadline=deadline,
        sends=sends,
        resends=resends,
        refreshed=refreshed,
        at=at,
    )
    _last.set(hop)


last = _last.get
"""Returns the redirect that was handed on last in this context, or None."""


def trail(request: ClientRequest, now: Callable[[], float]) -> tuple[Hop, ...]:
    """Return the hops that lead to a request, the last one first."""
    hop = _last.get()
    if hop is None or not _follows(hop, request, now()):
        return ()
    if hop.run is None:
        _last.set(None)
    found = []
    while hop is not None:
        found.append(hop)
        hop = hop.before
    return tuple(found)


def _follows(hop: Hop, request: ClientRequest, now: float) -> bool:
    run = timer_of(request)
    if run is not None:
        return run is hop.run
    same = hop.session is request.session and now - hop.at < _SOON
    return same and _origin(hop.target) == _origin(request.url)


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port
