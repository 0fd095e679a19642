"""The scopes of this process, made when first needed and forgotten when idle."""

from collections.abc import Iterator, Mapping
from typing import Protocol
from weakref import WeakKeyDictionary

import attrs
from aiohttp import BaseConnector

from resilient.catalog import Catalog, ScopeKind
from resilient.config.service import Service
from resilient.core.pacing import Pace, pace, part
from resilient.model import Scope
from resilient.state.gates import Gate, LimitGate, PoolGate, ScopeGate
from resilient.state.gauge import Gauge, gauge
from resilient.state.lane import Lane
from resilient.state.scope import ScopeState

SCOPES = 512
"""How many scopes there are before idle ones are looked for; then a quarter above what is left."""

LANES = 1024
"""How many lanes there are before unused ones are forgotten; then twice what is left."""


@attrs.frozen
class Names:
    """What a call's scopes are called, by kind."""

    credential: str
    ip: str
    host: str
    endpoint: str

    def of(self, kind: str) -> str:
        """Return the name of a scope; an endpoint is one within a credential."""
        if kind == "endpoint":
            return f"{self.endpoint}@{self.credential}"
        if "+" not in kind:
            return str(getattr(self, kind))
        return "+".join(str(getattr(self, part)) for part in kind.split("+"))


def scope_kinds(catalog: Catalog, generic: Catalog) -> tuple[ScopeKind, ...]:
    """Return the kinds of scopes that a pause, a block or a limit of a catalog can hold."""
    marking = ("fail_fast", "none", "retry", "reauth")
    found = {catalog.default_scope}
    found |= {kind for limit in catalog.limits for per in limit.per for kind in per}
    for each in (catalog, generic):
        found |= {catalog.scope_of(e) for e in each.entries if e.policy not in marking}
    order: tuple[ScopeKind, ...] = ("credential", "ip", "host", "endpoint")
    return tuple(kind for kind in order if kind in found)


@attrs.frozen
class Paced:
    """A limit of a service: what it is called, whom it holds for, and how it is kept."""

    name: str
    per: tuple[tuple[ScopeKind, ...], ...]
    pace: Pace
    most: int


@attrs.frozen(eq=False)
class Needs:
    """What a call has to pass; the same for all calls to one endpoint of a service."""

    kinds: tuple[ScopeKind, ...]
    limits: tuple[Paced, ...]


def needs(service: Service) -> "dict[str | None, Needs]":
    """Return what the calls of a service need, by endpoint; None: those without own limits."""
    limits, share = service.catalog.limits, service.share
    kinds = scope_kinds(service.catalog, service.generic)
    paced = [
        (each.endpoint, Paced(each.name, each.per, pace(each, share), part(each, share)[0]))
        for each in limits
    ]
    return {
        endpoint: Needs(kinds, tuple(each for of, each in paced if of in (None, endpoint)))
        for endpoint in (None, *(each.endpoint for each in limits))
    }


class Maker(Protocol):
    """Makes the gates of a service whose state is shared with other processes."""

    def scope(self, state: ScopeState) -> ScopeGate:
        """Return the gate of a scope."""

    def limit(self, name: str, scope: Scope, gauge: Gauge) -> LimitGate:
        """Return the gate of a limit."""


@attrs.define(eq=False, repr=False)
class Memory:
    """All scopes, limits and lanes of one middleware.

    Attributes:
        maker: Makes what is shared with other processes; None: nothing is.
        limits: By their names, then by their scopes.
        needs: What calls have to pass, by service, then by endpoint.
    """

    maker: Maker | None = None
    scopes: dict[Scope, ScopeGate] = attrs.field(factory=dict)
    limits: dict[str, dict[Scope, LimitGate]] = attrs.field(factory=dict)
    lanes: dict[tuple[object, ...], Lane] = attrs.field(factory=dict)
    pools: "WeakKeyDictionary[BaseConnector, dict[str, PoolGate]]" = attrs.field(
        factory=WeakKeyDictionary
    )
    needs: dict[str, dict[str | None, Needs]] = attrs.field(factory=dict)
    sweep_scopes_at: int = SCOPES
    sweep_lanes_at: int = LANES

    def lane(
        self,
        service: Service,
        names: Names,
        connector: BaseConnector | None,
        *,
        urgent: bool,
        now: float,
    ) -> Lane:
        """Return the lane of a call."""
        self.sweep(now)
        needed = self._needed(service, names.endpoint)
        rooms = () if connector is None else self._pools(connector, names.host)
        key = (needed, urgent, *rooms, *(names.of(kind) for kind in needed.kinds))
        lane = self.lanes.get(key)
        if lane is None:
            scopes = {kind: self._scope(service, kind, names.of(kind)) for kind in needed.kinds}
            limits = tuple(self._limits(service, needed, names, scopes, now))
            lane = self.lanes[key] = Lane(
                scopes=tuple(scopes.values()),
                limits=limits,
                pools=rooms,
                max_queue=service.max_queue,
                urgent=urgent,
                shared=self._maker(service) is not None,
            )
        return lane

    def _maker(self, service: Service) -> Maker | None:
        """Return who makes a service's gates; who merely observes takes nothing from others."""
        return self.maker if service.mode == "enforce" else None

    def _needed(self, service: Service, endpoint: str) -> Needs:
        found = self.needs.get(service.name)
        if found is None:
            found = self.needs[service.name] = needs(service)
        return found.get(endpoint) or found[None]

    def _scope(self, service: Service, kind: str, name: str) -> ScopeGate:
        scope = Scope(service.name, kind, name)
        gate = self.scopes.get(scope)
        if gate is None:
            # An endpoint's refusals are its own: a vendor bans keys, addresses and accounts.
            ban = None if kind == "endpoint" else service.catalog.ban
            limited = any(kind in per for limit in service.catalog.limits for per in limit.per)
            guarded = limited or ban is not None
            state, maker = ScopeState(scope, guarded, ban), self._maker(service)
            gate = self.scopes[scope] = maker.scope(state) if maker else ScopeGate(state)
        return gate

    def _limits(
        self,
        service: Service,
        needed: Needs,
        names: Names,
        scopes: Mapping[ScopeKind, ScopeGate],
        now: float,
    ) -> Iterator[LimitGate]:
        maker = self._maker(service)
        for limit in needed.limits:
            gates = self.limits.setdefault(limit.name, {})
            for per in limit.per:
                within = [scopes[kind] for kind in per]
                scope = _scope_of(within, names)
                gate = gates.get(scope)
                if gate is None:
                    fresh = gauge(limit.pace, limit.most, now)
                    make = maker.limit if maker else LimitGate
                    gate = gates[scope] = make(limit.name, scope, fresh)
                    for each in within:
                        each.limits += (gate,)
                yield gate

    def _pools(self, connector: BaseConnector, host: str) -> tuple[PoolGate, ...]:
        gates = self.pools.get(connector)
        if gates is None:
            gates = self.pools[connector] = {}
        rooms = (("", connector.limit), (host, connector.limit_per_host))
        return tuple(gates.get(key) or _room(gates, key, room) for key, room in rooms if room)

    def sweep(self, now: float) -> None:
        """Forget what would be no different if it were new."""
        many_scopes = len(self.scopes) >= self.sweep_scopes_at
        if many_scopes or len(self.lanes) >= self.sweep_lanes_at:
            self._sweep_lanes()
        if many_scopes:
            # After the lanes: one that stayed would lead to gates that are forgotten.
            self._sweep_scopes(now)

    def _sweep_lanes(self) -> None:
        """Forget those in which nobody waits: a lane is only a way to its gates."""
        self.lanes = {key: lane for key, lane in self.lanes.items() if lane.live}
        needed = self._needed_gates()
        for connector, pools in self.pools.items():
            self.pools[connector] = {
                host: pool for host, pool in pools.items() if pool.used or pool in needed
            }
        self.sweep_lanes_at = max(LANES, 2 * len(self.lanes))

    def _sweep_scopes(self, now: float) -> None:
        needed = self._needed_gates()

        def is_kept(limit: LimitGate) -> bool:
            return not limit.gauge.idle(now) or limit in needed

        self.scopes = {scope: gate for scope, gate in self.scopes.items() if not gate.idle(now)}
        for name, limits in self.limits.items():
            self.limits[name] = {scope: gate for scope, gate in limits.items() if is_kept(gate)}
        for gate in self.scopes.values():
            gate.limits = tuple(filter(is_kept, gate.limits))
        self.sweep_scopes_at = max(SCOPES, len(self.scopes) * 5 // 4)

    def _needed_gates(self) -> set[Gate]:
        return {gate for lane in self.lanes.values() if lane.live for gate in lane.gates}

    def gates(self) -> Iterator[Gate]:
        """Yield all of them."""
        yield from self.scopes.values()
        for limits in self.limits.values():
            yield from limits.values()
        for pools in self.pools.values():
            yield from pools.values()


def _room(gates: dict[str, PoolGate], host: str, room: int) -> PoolGate:
    gate = gates[host] = PoolGate(room)
    return gate


def _scope_of(within: "list[ScopeGate]", names: Names) -> Scope:
    scopes = [gate.state.scope for gate in within]
    if len(scopes) == 1:
        return scopes[0]
    kind = "+".join(scope.kind for scope in scopes)
    return Scope(scopes[0].service, kind, names.of(kind))
