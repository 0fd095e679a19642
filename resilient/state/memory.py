"""The scopes of this process, made when first needed and forgotten when idle."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import attrs
from aiohttp import BaseConnector

from resilient.catalog import Catalog, Limit, ScopeKind
from resilient.config.service import Service
from resilient.core.pacing import pace
from resilient.model import Scope
from resilient.state.gates import LimitGate, PoolGate, ScopeGate
from resilient.state.gauge import gauge
from resilient.state.lane import Lane
from resilient.state.scope import ScopeState

SWEPT_AT = 512
"""How many scopes there are before idle ones are looked for; then twice what is left."""


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


@attrs.define(eq=False, repr=False)
class Memory:
    """All scopes, limits and lanes of one middleware."""

    scopes: dict[Scope, ScopeGate] = attrs.field(factory=dict)
    limits: dict[tuple[Scope, str], LimitGate] = attrs.field(factory=dict)
    lanes: dict[tuple[object, ...], Lane] = attrs.field(factory=dict)
    pools: "WeakKeyDictionary[BaseConnector, dict[str, PoolGate]]" = attrs.field(
        factory=WeakKeyDictionary
    )
    kinds: dict[str, tuple[ScopeKind, ...]] = attrs.field(factory=dict)
    sweep_at: int = SWEPT_AT

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
        applying = tuple(
            limit
            for limit in service.catalog.limits
            if limit.endpoint is None or limit.endpoint == names.endpoint
        )
        kinds = self._kinds(service)
        scoped = tuple(names.of(kind) for kind in kinds)
        pools = () if connector is None else self._pools(connector, names.host)
        # Pool gates live as long as their connector, and the lane that is found holds them.
        key = (service.name, scoped, tuple(limit.name for limit in applying), pools, urgent)
        lane = self.lanes.get(key)
        if lane is None:
            self.sweep(now)
            scopes: dict[str, ScopeGate] = {
                kind: self._scope(service, kind, name)
                for kind, name in zip(kinds, scoped, strict=True)
            }
            limits = tuple(self._limits(service, applying, names, scopes, now))
            lane = self.lanes[key] = Lane(scopes, limits, pools, service.max_queue, urgent)
        return lane

    def _kinds(self, service: Service) -> tuple[ScopeKind, ...]:
        found = self.kinds.get(service.name)
        if found is None:
            found = self.kinds[service.name] = scope_kinds(service.catalog, service.generic)
        return found

    def _scope(self, service: Service, kind: str, name: str) -> ScopeGate:
        scope = Scope(service.name, kind, name)
        gate = self.scopes.get(scope)
        if gate is None:
            # An endpoint's refusals are its own: a vendor bans keys, addresses and accounts.
            ban = None if kind == "endpoint" else service.catalog.ban
            limited = any(kind in per for limit in service.catalog.limits for per in limit.per)
            guarded = limited or ban is not None
            gate = self.scopes[scope] = ScopeGate(ScopeState(scope, guarded, ban))
        return gate

    def _limits(
        self,
        service: Service,
        applying: tuple[Limit, ...],
        names: Names,
        scopes: Mapping[str, ScopeGate],
        now: float,
    ) -> "list[LimitGate]":
        found = []
        for limit in applying:
            for per in limit.per:
                key = (_scope_of(service, per, names, scopes), limit.name)
                gate = self.limits.get(key)
                if gate is None:
                    most = max(1, int(limit.calls * service.share))
                    new = gauge(pace(limit, service.share), most, now)
                    parents = tuple(scopes[each].state for each in per)
                    gate = self.limits[key] = LimitGate(limit.name, new, parents)
                    for parent in parents:
                        parent.gauges.append(new)
                found.append(gate)
        return found

    def _pools(self, connector: BaseConnector, host: str) -> tuple[PoolGate, ...]:
        gates = self.pools.setdefault(connector, {})
        rooms = (("", connector.limit), (host, connector.limit_per_host))
        return tuple(gates.setdefault(key, PoolGate(room)) for key, room in rooms if room)

    def rates(self, state: ScopeState) -> dict[str, float]:
        """Return the calls a second that the limits of a scope allow, by their names."""
        return {
            gate.name: gate.gauge.rate for gate in self.limits.values() if state in gate.parents
        }

    def sweep(self, now: float) -> None:
        """Forget what would be no different if it were new; a lane is only a way to it."""
        if max(len(self.scopes), len(self.lanes)) < self.sweep_at:
            return
        self.lanes = {key: lane for key, lane in self.lanes.items() if lane.live}
        for scope in [s for s, gate in self.scopes.items() if gate.state.idle(now)]:
            del self.scopes[scope]
        queued = {id(gate) for lane in self.lanes.values() for gate in lane.limits}
        for key, gate in list(self.limits.items()):
            if gate.gauge.idle(now) and id(gate) not in queued:
                del self.limits[key]
                for parent in gate.parents:
                    parent.gauges.remove(gate.gauge)
        self.sweep_at = max(SWEPT_AT, 2 * len(self.scopes), 2 * len(self.lanes))


def _scope_of(
    service: Service, per: tuple[ScopeKind, ...], names: Names, scopes: Mapping[str, ScopeGate]
) -> Scope:
    if len(per) == 1:
        return scopes[per[0]].state.scope
    kind = "+".join(per)
    return Scope(service.name, kind, names.of(kind))
