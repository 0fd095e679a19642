"""What is the same for all calls to one endpoint of a service with one credential."""

from typing import Final

import attrs
from aiohttp import ClientRequest

from resilient.catalog import Endpoint
from resilient.credentials import renewal
from resilient.options import Options
from resilient.serving import Serving
from resilient.state.lane import Lane
from resilient.state.memory import Memory

PLACES: Final = 1024
"""Methods and paths that are known before all are looked up anew."""

ROUTES: Final = 65_536
"""Routes to them, by credential."""

_LONGEST: Final = 256
"""Characters of a path that is remembered."""


@attrs.frozen(eq=False)
class Origin:
    """A scheme, host and port.

    Attributes:
        host: What the `host` scope is called.
        servings: The services that they belong to.
        only: The service, if it is one.
        trusted: Those of the services whose credential may be sent there.
    """

    host: str
    servings: tuple[Serving, ...]
    trusted: tuple[Serving, ...]
    only: Serving | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        only = self.servings[0] if len(self.servings) == 1 else None
        object.__setattr__(self, "only", only)


@attrs.define(eq=False, repr=False)
class Route:
    """The way to an endpoint, looked up once for many calls.

    Attributes:
        endpoint: The catalog's, or None.
        credential: The credential's name.
        signs: Whether it is ours to put on the request.
        urgent: Whether the calls renew a credential: then they go before all others.
        free: Whether the requests have no field of the credential in them, nor a body for it.
        trusted: Whether the credential may be sent there.
        key: What the wallet keeps it by, once it is in use.
    """

    serving: Serving
    origin: Origin
    endpoint: Endpoint | None
    credential: str
    signs: bool
    urgent: bool = False
    free: bool = False
    trusted: bool = attrs.field(init=False)
    key: str | int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.trusted = self.serving in self.origin.trusted
        self.key = self.serving.wallet.key(self.credential)

    def lane(self, request: ClientRequest, memory: Memory, now: float) -> Lane:
        """Return the queue for the scopes of a call."""
        # Not kept: a lane holds its scopes, and is forgotten with them.
        return memory.lane_of(
            self.serving.service,
            self.credential,
            None if self.endpoint is None else self.endpoint.name,
            self.serving.egress,
            self.origin.host,
            request.session.connector,
            self.urgent,
            now,
        )


@attrs.define(eq=False, repr=False)
class Routes:
    """The routes of one middleware."""

    _known: dict[tuple[Serving, Origin, str, str], dict[str | None, Route]] = attrs.field(
        factory=dict, init=False
    )
    _kept: int = attrs.field(default=0, init=False)

    def find(
        self, serving: Serving, origin: Origin, request: ClientRequest, options: Options
    ) -> Route:
        """Return the route of a request: one for all that are alike.

        Raises:
            ConfigError: It is not said which credential is meant, or there is none of the name.
        """
        within = renewal.under_way()
        if within is not None and not within.over and within.service == serving.service.name:
            endpoint = serving.endpoint(request)
            return Route(serving, origin, endpoint, within.name, signs=False, urgent=True)
        head = serving.head
        if serving.rule is not None and (head is None or not head.is_free(request)):
            name, signs = serving.name(request, options)
            return Route(serving, origin, serving.endpoint(request), name, signs)
        place = (serving, origin, request.method, request.url.raw_path)
        routes = self._known.get(place)
        route = None if routes is None else routes.get(options.credential)
        return route or self._new(place, request, options)

    def _new(
        self, place: tuple[Serving, Origin, str, str], request: ClientRequest, options: Options
    ) -> Route:
        serving, origin, _, path = place
        name, signs = serving.name(request, options)
        route = Route(serving, origin, serving.endpoint(request), name, signs, free=True)
        self._kept += 1
        if len(self._known) >= PLACES or self._kept >= ROUTES:
            self._known.clear()
            self._kept = 1
        if len(path) <= _LONGEST:
            self._known.setdefault(place, {})[options.credential] = route
        return route
