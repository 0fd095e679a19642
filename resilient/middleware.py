"""The middleware: which calls are ours, and what an operator can see and do."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import attrs
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from resilient import hops
from resilient.call import Call, Common
from resilient.clock import Clock
from resilient.config import load
from resilient.config.service import Config, Mode
from resilient.core.pacing import Bucket, pace
from resilient.core.redact import url as redacted
from resilient.credentials import place
from resilient.directory import Directory
from resilient.enforce import enforce
from resilient.errors import ConfigError, TransportError
from resilient.events import Event, Listener, overhearing, tell
from resilient.log import Log
from resilient.model import Scope
from resilient.observe import observe
from resilient.options import current
from resilient.route import Routes
from resilient.serving import Serving
from resilient.state.admission import Admission
from resilient.state.gates import ScopeGate
from resilient.state.store import InProcess, Store
from resilient.wallet import Credentials
from resilient.watch import is_under_way


@attrs.frozen(kw_only=True)
class ScopeReport:
    """What a scope is doing at the moment. Times are aware UTC.

    Attributes:
        service: The service.
        scope: Its name, as `kind:name`.
        waiting: Calls that wait for it.
        in_flight: Calls that were sent and not answered yet.
        paused_until: Nothing goes before; None: it is not paused.
        blocked_since: When it was latched; None: it is not.
        blocked_until: When a probe may go; None while blocked: when somebody releases it.
        reason: Why it is blocked.
        refusals: How many refusals in a row were heard.
        rates: Calls a second that its limits allow, by their names.
    """

    service: str
    scope: str
    waiting: int
    in_flight: int
    paused_until: datetime | None
    blocked_since: datetime | None
    blocked_until: datetime | None
    reason: str | None
    refusals: int
    rates: Mapping[str, float]


class Middleware:
    """An aiohttp client middleware that applies a configuration.

    One object may serve many sessions, and all of them share its limits, pauses, blocks and
    credentials. It works in one event loop at a time.

    Attributes:
        config: The checked configuration.
    """

    def __init__(
        self,
        config: Config | str | Path | Mapping[str, Any],
        *,
        credentials: Mapping[str, Credentials] | None = None,
        listeners: Sequence[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        """Make a middleware.

        Args:
            config: What `resilient.load` returned, or what it would take.
            credentials: What signs the calls, by service.
            listeners: Are told every event.
            clock: Time and chance, for tests.

        Raises:
            ConfigError: The configuration or a credential is wrong, or an extra is missing.
        """
        self.config = _with_mode(_loaded(config), os.environ.get("RESILIENT_MODE"))
        self._directory = Directory.of(self.config, credentials or {})
        self._routes = Routes()
        self._clock = clock or Clock()
        self._log = Log(self._clock.now)
        also = (each for each in overhearing.get() if each not in listeners)
        self._listeners: tuple[Listener, ...] = (*listeners, *also, self._log)
        self._store = _store(self.config, self._clock, partial(tell, listeners=self._listeners))
        self._admission = Admission(self._clock.now, self._store)
        for serving in self._directory:
            serving.store = self._store
        self._common = Common(self._admission, self._listeners, self._clock)
        self._asks = self.config.store is not None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()
        self._adopting = threading.Lock()

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send a request the resilient way; one that is no service's is sent as it is.

        So is one that another Middleware of the session sends already: attempts of two layers
        would multiply, and one request would be counted twice.
        """
        if is_under_way(request):
            return await handler(request)
        trail = () if hops.last() is None else self._followed(request)
        options, url = current(), request.url
        origin = self._directory.origins.get((url.scheme, url.host, url.port))
        if origin is None:
            origin = self._directory.origin(url)
        del url  # a traceback shows the variables of its frames
        serving = origin.only
        if serving is None or options.service is not None:
            serving = self._directory.find(origin, options)
        if serving is None or serving.service.mode == "off":
            return await handler(request)
        loop = asyncio.get_running_loop()
        if not serving.started or self._loop is not loop:
            self._begin(serving, request)
        if self._asks:
            await self._store.ready()
        before = next((hop for hop in trail if hop.serving is serving), None) if trail else None
        route = self._routes.find(serving, origin, request, options)
        call = Call(self._common, route, options, request, handler, before)
        return await (observe(call) if serving.service.mode == "observe" else enforce(call))

    def _followed(self, request: ClientRequest) -> tuple[hops.Hop, ...]:
        """Return the redirects that lead to a request, having taken off what may not go along."""
        trail = hops.trail(request, self._clock.now)
        for hop in trail:
            if hop.leaves(request):
                _disarm(request, hop)
        return trail

    def __repr__(self) -> str:
        names = ", ".join(service.name for service in self.config.services)
        return f"<resilient.Middleware for {names or 'no service'}>"

    def _begin(self, serving: Serving, request: ClientRequest) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            with self._adopting:  # threads may come at the same time
                self._adopt(loop)
        if not serving.started:
            serving.started = True
            self._say_started(serving)
            self._warn_of_total(serving, request)

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_over():
            raise ConfigError(
                "this Middleware works in another event loop already: its "
                "limits hold for one loop, so make one for each"
            )
        self._forget_loop()
        self._loop = loop

    def _is_over(self) -> bool:
        """Tell whether there is no loop, or it has ended, or it is the one of a fork's parent."""
        return self._loop is None or self._loop.is_closed() or self._process != os.getpid()

    def _forget_loop(self) -> None:
        """Let go of what was under way in a loop that has ended."""
        if self._loop is not None and self._is_over():
            self._process = os.getpid()
            self._admission.forget_timers()
            for serving in self._directory:
                serving.forget_tasks()

    def _say_started(self, serving: Serving) -> None:
        service = serving.service
        limits = {
            limit.name: _shown(pace(limit, service.share)) for limit in service.catalog.limits
        }
        alone = self.config.store is None or service.mode != "enforce"
        reason = "what was spent before the start is unknown: the first call goes alone"
        tell(
            Event(
                name="resilient.started",
                service=service.name,
                catalog=service.catalog.name,
                reason=reason if limits and alone else None,
                mode=None if service.mode == "enforce" else service.mode,
                detail={"store": self._store.name, "share": str(service.share), "limits": limits},
            ),
            self._listeners,
        )

    def _warn_of_total(self, serving: Serving, request: ClientRequest) -> None:
        total = request.session.timeout.total
        waits = {
            p.name: p.max_wait
            for p in serving.service.policies.values()
            if p.action in ("retry", "back_off")
        }
        over = sorted(name for name, wait in waits.items() if total and wait > total)
        if over:
            tell(
                Event(
                    name="resilient.config_warning",
                    service=serving.service.name,
                    reason=f"the session's total of {total:g}s ends a call before max_wait "
                    f"of {', '.join(over)} does",
                ),
                self._listeners,
            )

    def state(self) -> dict[str, ScopeReport]:
        """Return what every scope in use is doing, by `service/kind:name`."""
        now = self._admission.now()
        scopes = self._admission.memory.scopes
        return {
            f"{scope.service}/{scope}": self._scope_report(scope, gate, now)
            for scope, gate in scopes.items()
        }

    def _scope_report(self, scope: Scope, gate: ScopeGate, now: float) -> ScopeReport:
        state, blocked = gate.state, gate.state.blocked
        return ScopeReport(
            service=scope.service,
            scope=str(scope),
            waiting=state.waiting,
            in_flight=state.in_flight,
            paused_until=self._clock.at(state.paused_until - now)
            if state.paused_until > now
            else None,
            blocked_since=self._clock.at(blocked.since - now) if blocked else None,
            blocked_until=self._clock.at(blocked.until - now)
            if blocked and blocked.until != float("inf")
            else None,
            reason=blocked.reason if blocked else None,
            refusals=state.row(now),
            rates=gate.rates(now),
        )

    async def release(self, service: str, *, credential: str | None = None) -> list[str]:
        """Lift the pauses and blocks of a service, or of one credential of it.

        A credential whose renewals did not help is renewed at once when next it is needed.
        The first call that follows goes alone, as a probe.

        Returns:
            The scopes that were released.

        Raises:
            ConfigError: There is no such service.
        """
        self.config[service]

        def wanted(scope: Scope) -> bool:
            mine = scope.kind == "credential" and scope.name == credential
            within = scope.kind == "endpoint" and scope.name.endswith(f"@{credential}")
            return scope.service == service and (credential is None or mine or within)

        self._directory.servings[service].wallet.forgive(credential)
        # For all first: whoever waits here asks as soon as it is released here.
        everywhere = await self._store.release(service, wanted)
        here = [each.scope for each in self._admission.release(wanted)]
        scopes = [str(scope) for scope in dict.fromkeys((*here, *everywhere))]
        for scope in scopes:
            name = "resilient.scope_released"
            tell(Event(name=name, service=service, scope=scope, reason="by hand"), self._listeners)
        return scopes

    async def aclose(self) -> None:
        """End it: whoever waits raises `NotSent`, and so does whoever comes."""
        self._forget_loop()
        self._admission.close()
        for serving in self._directory:
            await serving.aclose()
        await self._store.aclose()
        await self._clock.sleep(0)  # whoever waited says now how it ended
        self._log.flush()


def _disarm(request: ClientRequest, hop: hops.Hop) -> None:
    """Take credentials off a redirect that leads away, also those that the caller put there."""
    rule = hop.serving.rule
    if rule is None or not place.strip(request, rule):
        return
    service = hop.serving.service.name
    shown = redacted(str(request.url), hop.serving.secret_names)
    # The hop before was sent, so this is no NotSent: that would say that a repetition is safe.
    raise TransportError(
        f"{service}: the API redirects to another origin, and the body may carry the "
        f"credential: not sent there. [{request.method} {shown}]",
        service=service,
        attempts=hop.sends,
    )


def _shown(found: object) -> str:
    if isinstance(found, Bucket):
        return f"{found.capacity} at once, {found.rate:.6g}/s"
    return f"{getattr(found, 'calls', '?')} in {getattr(found, 'period', 0):g}s"


def _store(config: Config, clock: Clock, say: Callable[[Event], None]) -> Store:
    if config.store is None:
        return InProcess()
    # Only who shares something needs the extra.
    from resilient.state.redis.link import make_link  # noqa: PLC0415
    from resilient.state.redis.store import RedisStore  # noqa: PLC0415

    # Who merely observes takes nothing from others, and is none of those who share a limit.
    sharing = (each for each in config.services if each.mode == "enforce")
    attempts = {each.name: each.attempt_timeout for each in sharing}
    return RedisStore(
        rules=config.store, attempts=attempts, link=make_link(config.store), clock=clock, tell=say
    )


def _loaded(config: Config | str | Path | Mapping[str, Any]) -> Config:
    if isinstance(config, Config):
        return config
    return load(config)


def _with_mode(config: Config, mode: str | None) -> Config:
    if not mode:
        return config
    if mode not in get_args(Mode):
        raise ConfigError(f"RESILIENT_MODE is {mode!r}, expected {', '.join(get_args(Mode))}")
    chosen = cast("Mode", mode)
    services = tuple(attrs.evolve(each, mode=chosen) for each in config.services)
    return attrs.evolve(config, services=services)
