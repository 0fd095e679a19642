"""A vendor's API on the loopback: speaks as the catalog says, and keeps what it was asked."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from resilient.catalog import Catalog
from resilient.clock import Clock
from resilient.config.build_catalog import load_catalog
from resilient.testing.emulator.arguments import loopback, port_number, whole, wrong_type
from resilient.testing.emulator.bans import LENGTH, Banned
from resilient.testing.emulator.conditions import Conditions, Latency, Shares
from resilient.testing.emulator.faults import Fault
from resilient.testing.emulator.limits import Tally
from resilient.testing.emulator.received import Log, Received
from resilient.testing.emulator.responder import Responder
from resilient.testing.emulator.retry_after import FORMS, Form, RetryAfter, form_of
from resilient.testing.emulator.scripts import Script, What
from resilient.testing.emulator.tokens import LIFETIME, Rotation
from resilient.testing.emulator.vendor import Rules, Vendor
from resilient.testing.emulator.wire import Wires

KEPT = 10_000
"""How many requests are kept unless told."""

KEPT_BYTES = 64 * 1024
"""How many bytes of each request are kept unless told."""

_NOT_STARTED = "not started: use `async with Emulator(…) as emulator`, or await start()"

_NO_FAULTS: Shares = MappingProxyType({})


class Emulator:
    """An HTTP server that behaves as a catalog says: `async with Emulator("hh") as hh: …`.

    Every success is a small neutral body. A request with the header `X-Emulate: KEY` is
    answered with the entry of that key (see `entry_key`; `KEY#envelope` chooses the envelope),
    whatever the limits say. Else, in this order: a ban, a documented limit, what was ordered
    by `script`, the token endpoint or the login, an expired credential, success.

    Args:
        catalog: A shipped one by name, a path, a mapping of the same shape, or a catalog.
        limits: Whether calls over a documented limit are refused; they are measured anyway.
        count_refused: Whether a refused call counts towards the limit.
        retry_after: Whether a refusal says in Retry-After when there will be room, and in which
            form; True: in seconds.
        hints: Whether each answer says how the limits stand: in `RateLimit` and
            `RateLimit-Policy`, and in the headers that the catalog declares.
        ban_length: Seconds that a ban lasts.
        token_lifetime: Seconds that an access token or a session lives.
        rotation: What becomes of a refresh token that was exchanged: `none`, `single_use` or
            `family`.
        latency: Seconds before each reply, or the ends of a range that they are drawn from.
        faults: The share of all requests that meets each fault, by the fault or its name; what
            a script says goes first.
        seed: Of what is drawn.
        host: An address of the loopback: other machines do not reach it.
        port: 0 for a free one.
        keep: How many requests `requests` holds; `total` counts on.
        keep_bytes: How many bytes of each request `Received.raw` holds.
        now: The clock; None for the loop's, which may be virtual.
        wall: The wall clock, for Date and Retry-After: seconds since the epoch; None for one
            that runs with `now`, and is right when the emulator starts.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument will not do; the message says which, and what it takes.
        ConfigError: There is no such catalog, or it has faults.
    """

    def __init__(
        self,
        catalog: str | Path | Mapping[str, Any] | Catalog,
        *,
        limits: bool = True,
        count_refused: bool = False,
        retry_after: bool | Form = False,
        hints: bool = False,
        ban_length: float = LENGTH,
        token_lifetime: float = LIFETIME,
        rotation: Rotation = "single_use",
        latency: Latency = 0.0,
        faults: Shares = _NO_FAULTS,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: int = KEPT,
        keep_bytes: int = KEPT_BYTES,
        now: Callable[[], float] | None = None,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self.catalog = _catalog(catalog)
        rules = Rules(
            limits=limits,
            count_refused=count_refused,
            retry_after=_form(retry_after),
            hints=hints,
            ban_length=ban_length,
            token_lifetime=token_lifetime,
            rotation=rotation,
        )
        self._vendor = Vendor(self.catalog, rules)
        self._log = Log(whole("keep", keep))
        self._host, self._port = loopback("host", host), port_number("port", port)
        self._now, self._epoch = _clock("now", now) or Clock.now, 0.0
        responder = Responder(
            vendor=self._vendor,
            conditions=Conditions(latency=latency, faults=faults, seed=seed),
            log=self._log,
            now=self._now,
            wall=_clock("wall", wall) or (lambda: self._epoch + self._now()),
        )
        most = whole("keep_bytes", keep_bytes)
        self._wires = Wires(responder.answer, responder.unanswered, most=most)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: It listens already.
            OSError: The port is taken.
        """
        if self._wires.is_listening:
            raise RuntimeError(f"started already: it listens on {self.url}")
        self._port = await self._wires.start(self._host, self._port)
        self._epoch = self._epoch or Clock().wall() - self._now()

    async def stop(self) -> None:
        """Close every connection and the port; what was stalled ends."""
        await self._wires.stop()

    @property
    def port(self) -> int:
        """The port it listens on; RuntimeError as long as it has none."""
        if not self._port:
            raise RuntimeError(_NOT_STARTED)
        return self._port

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def host(self) -> str:
        """Where it listens, as a service's `hosts` wants it: `127.0.0.1:PORT`."""
        return self.url.removeprefix("http://")

    @property
    def requests(self) -> deque[Received]:
        """The latest requests, oldest first."""
        return self._log.requests

    @property
    def total(self) -> int:
        """How many requests came, broken off or not."""
        return self._log.total

    @property
    def sends(self) -> int:
        """How many heads of requests arrived on the wire, whatever became of them."""
        return self._wires.heads

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What each limit saw of each scope: the most in any window, and refusals."""
        return self._vendor.limits.tallies

    @property
    def bans(self) -> tuple[Banned, ...]:
        """The bans that were pronounced."""
        return tuple(self._vendor.bans.pronounced)

    @property
    def refreshes(self) -> int:
        """How many refresh tokens were exchanged."""
        return self._vendor.tokens.exchanged

    @property
    def families_revoked(self) -> int:
        """How many logins were undone because a spent refresh token came again."""
        return self._vendor.tokens.families_revoked

    def lift_bans(self) -> None:
        """End all bans, as a vendor's support would."""
        self._vendor.bans.lift()

    def script(
        self,
        what: What,
        *,
        endpoint: str | None = None,
        method: str | None = None,
        times: int | None = 1,
        after: int = 0,
        retry_after: float | str | RetryAfter | None = None,
        latency: Latency | None = None,
        fault: Fault | str | None = None,
    ) -> Script:
        """Say what the next matching requests meet; scripts are used in order.

        Args:
            what: An entry, its key, a reported code, a name, or an HTTP status, 200 for a
                success; None leaves the answer as it would have been.
            endpoint: Only requests of this endpoint.
            method: Only requests with this method.
            times: How many requests; None: all, until `Script.end`.
            after: How many matching requests pass before.
            retry_after: Seconds, the header's text, or `RetryAfter(seconds, form)`.
            latency: Seconds before the reply, or a range; None: as for every reply.
            fault: What goes wrong on the wire: a fault, or its name.

        Returns:
            The script: its `then` says what follows.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The catalog has no such entry or endpoint, or there is no such fault.
        """
        return self._vendor.script(
            what,
            endpoint=endpoint,
            method=method,
            times=times,
            after=after,
            retry_after=retry_after,
            latency=latency,
            fault=fault,
        )

    def issue_tokens(self) -> dict[str, Any]:
        """Return the first pair of a login, as the token endpoint gives it."""
        return self._vendor.tokens.issue(self._now())

    def expire_credential(self, value: str) -> None:
        """Refuse a credential from now on: requests with it are to renew it.

        Args:
            value: An access token, a session or a key, without a prefix such as `Bearer`; any
                value will do, not only those issued here: a client may bring its own.
        """
        self._vendor.tokens.expire(value)

    def clear(self) -> None:
        """Forget the requests that were kept."""
        self.requests.clear()


def _catalog(told: str | Path | Mapping[str, Any] | Catalog) -> Catalog:
    if isinstance(told, Catalog):
        return told
    if not isinstance(told, str | Path | Mapping):
        raise wrong_type("catalog", told, "a shipped catalog's name, a path, a mapping, a Catalog")
    return load_catalog(told)


def _form(told: bool | Form) -> Form | None:
    if isinstance(told, bool):
        return "seconds" if told else None
    if not isinstance(told, str):
        raise wrong_type("retry_after", told, f"True, False, or a form: {', '.join(FORMS)}")
    return form_of(told)


def _clock(name: str, told: Callable[[], float] | None) -> Callable[[], float] | None:
    if told is not None and not callable(told):
        raise wrong_type(name, told, "a function that returns seconds, or None")
    return told
