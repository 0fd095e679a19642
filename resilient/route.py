"""What is the same for all calls to one endpoint of a service with one credential."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import ref

import attrs
from aiohttp import ClientRequest, ClientSession

from resilient.catalog import Endpoint
from resilient.state.lane import Lane
from resilient.state.memory import Memory

if TYPE_CHECKING:
    from resilient.serving import Serving


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
    servings: "tuple[Serving, ...]"
    trusted: "tuple[Serving, ...]"
    only: "Serving | None" = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        only = self.servings[0] if len(self.servings) == 1 else None
        object.__setattr__(self, "only", only)


def _nobody() -> None:
    return None


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

    serving: "Serving"
    origin: Origin
    endpoint: Endpoint | None
    credential: str
    signs: bool
    urgent: bool = False
    free: bool = False
    trusted: bool = attrs.field(init=False)
    key: str | int = attrs.field(init=False)
    _lane: Lane | None = attrs.field(default=None, init=False)
    _session: Callable[[], ClientSession | None] = attrs.field(default=_nobody, init=False)
    _generation: int = attrs.field(default=-1, init=False)

    def __attrs_post_init__(self) -> None:
        self.trusted = self.serving in self.origin.trusted
        self.key = self.serving.wallet.key(self.credential)

    def lane(self, request: ClientRequest, memory: Memory, now: float) -> Lane:
        """Return the queue for the scopes of a call."""
        session, lane = request.session, self._lane
        known = self._generation == memory.generation and self._session() is session
        if lane is not None and known:
            return lane
        self._lane = lane = memory.lane_of(
            self.serving.service,
            self.credential,
            None if self.endpoint is None else self.endpoint.name,
            self.serving.egress,
            self.origin.host,
            session.connector,
            self.urgent,
            now,
        )
        # Weak: a route outlives the sessions that take it.
        self._session = ref(session)
        self._generation = memory.generation
        return lane
