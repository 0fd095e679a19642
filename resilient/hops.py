"""Redirect hops: what one hop of a call leaves to the next.

aiohttp runs the middlewares once a hop, each with a new request. It takes Authorization and
Cookie off on the way to another origin, but no other header, and it sends the body along.
"""

from contextvars import ContextVar

import attrs
from aiohttp import ClientRequest, ClientResponse, ClientSession, hdrs
from yarl import URL

from resilient.serving import Serving

_STATUSES = frozenset({301, 302, 303, 307, 308})
_SOON = 1.0
"""Seconds: aiohttp follows at once; what comes later is a request of the caller's own."""


@attrs.frozen(kw_only=True)
class Hop:
    """A redirect that was handed on.

    Attributes:
        target: Where it leads.
        session: Whose it is.
        serving: The service that answered with it.
        was_secure: Whether the request that it answered was encrypted.
        call: The call's identifier.
        deadline: When the call ends.
        sends: How often it was sent until now.
        resends: How often of these again.
        at: When it was handed on.
    """

    target: URL
    session: ClientSession
    serving: Serving
    was_secure: bool
    call: str
    deadline: float
    sends: int
    resends: int
    at: float

    def continues(self, request: ClientRequest) -> bool:
        """Tell whether a request is the hop that follows."""
        return request.url == self.target

    def leaves(self, request: ClientRequest) -> bool:
        """Tell whether the hop leads where a credential may not go."""
        downgraded = self.was_secure and request.url.scheme != "https"
        return downgraded or not self.serving.may_sign(request.url)


_pending: ContextVar[Hop | None] = ContextVar("resilient_hop", default=None)


def target(request: ClientRequest, response: ClientResponse) -> URL | None:
    """Return where a redirect leads, or None."""
    location = response.headers.get(hdrs.LOCATION) or response.headers.get(hdrs.URI)
    if response.status not in _STATUSES or not location:
        return None
    try:
        return request.original_url.join(URL(location))
    except ValueError:
        return None


def leave(hop: Hop) -> None:
    """Remember a hop for the request that follows it."""
    _pending.set(hop)


def take(request: ClientRequest, now: float) -> Hop | None:
    """Return the hop that a request follows, or None."""
    hop = _pending.get()
    if hop is None:
        return None
    _pending.set(None)
    same = hop.session is request.session and now - hop.at < _SOON
    return hop if same and _origin(hop.target) == _origin(request.url) else None


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port
