"""The scopes of this process, made when first needed and forgotten when idle."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from typing import Final, Protocol
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, ref

import attrs
from aiohttp import BaseConnector

from resilient.catalog import ScopeKind
from resilient.config.service import Service
from resilient.model import Scope
from resilient.state.adaptive import gauge
from resilient.state.gate import Gate
from resilient.state.gates import LimitGate, PoolGate, ScopeGate
from resilient.state.gauge import Gauge
from resilient.state.lane import Lane
from resilient.state.needs import ELSEWHERE, Names, Needs, needs
from resilient.state.scope import ScopeState

FEW = 512
"""So many ways there may be before idle ones are looked for."""

MANY: Final = 8192
"""With more ways than these the longest known go though they are in use: their scopes stay, and
to make a lane anew costs less than to keep half a KiB for each scope."""

PIECE: Final = 6
"""How many are looked at for each new one: what a call costs does not depend on how many there
are, and yet an idle one is found before there are a quarter more."""

Way = tuple[str, str, str | None, str, str, "ReferenceType[BaseConnector] | None", bool]
"""What is known of a call before its scopes are named: its service, its credential, its endpoint,
its address, its host, its connector, and whether it is urgent.

A dead reference is equal to none but itself: no connector is taken for one that is gone.
"""


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
        lanes: By their gates, and whether they are urgent.
        ways: Those that lead to them.
        pools: The connections of each connector: those to one host, and all by an empty name.
        needs: What calls have to pass, by service, then by endpoint.
    """

    maker: Maker | None = None
    scopes: dict[Scope, ScopeGate] = attrs.field(factory=dict)
    limits: dict[str, dict[Scope, LimitGate]] = attrs.field(factory=dict)
    lanes: dict[tuple[Gate | None, ...], Lane] = attrs.field(factory=dict)
    ways: dict[Way, Lane] = attrs.field(factory=dict)
    pools: "WeakKeyDictionary[BaseConnector, WeakValueDictionary[str, PoolGate]]" = attrs.field(
        factory=WeakKeyDictionary
    )
    needs: dict[str, dict[str | None, Needs]] = attrs.field(factory=dict)
    _round: deque[Way] = attrs.field(factory=deque, init=False)
    _lone: OrderedDict[ScopeGate, None] = attrs.field(factory=OrderedDict, init=False)
    _within: dict[LimitGate, tuple[ScopeGate, ...]] = attrs.field(factory=dict, init=False)

    def lane_of(  # noqa: PLR0917 - by position, for speed
        self,
        service: Service,
        credential: str,
        endpoint: str | None,
        ip: str,
        host: str,
        connector: BaseConnector | None,
        urgent: bool,
        now: float,
    ) -> Lane:
        """Return the lane of a call."""
        room = None if connector is None else ref(connector)
        way = (service.name, credential, endpoint, ip, host, room, urgent)
        lane = self.ways.get(way)
        if lane is None:
            self.sweep(now)
            names = Names(credential, ip, host, endpoint or ELSEWHERE)
            lane = self.ways[way] = self._lane(service, names, connector, urgent, now)
            lane.ways += 1
            self._round.append(way)
        return lane

    def _lane(
        self,
        service: Service,
        names: Names,
        connector: BaseConnector | None,
        urgent: bool,
        now: float,
    ) -> Lane:
        needed = self._needed(service, names.endpoint)
        scopes = {kind: self._scope(service, kind, names.of(kind)) for kind in needed.kinds}
        limits = tuple(self._limits(service, needed, names, scopes, now))
        rooms = () if connector is None else self._pools(connector, names.host)
        gates = (*scopes.values(), *limits, *rooms)
        lane = self.lanes.get(_key(gates, urgent=urgent))
        if lane is None:
            lane = Lane(
                scopes=tuple(scopes.values()),
                limits=limits,
                pools=rooms,
                max_queue=service.max_queue,
                urgent=urgent,
                shared=self._maker(service) is not None,
            )
            self.lanes[_key(lane.gates, urgent=urgent)] = lane
            for gate in lane.gates:
                gate.lanes_here += 1
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
                    fresh = gauge(limit.pace, limit.most, now, adaptive=service.adaptive)
                    make = maker.limit if maker else LimitGate
                    gate = gates[scope] = make(limit.name, scope, fresh)
                    for each in within:
                        each.limits += (gate,)
                    if len(within) > 1:
                        self._within[gate] = tuple(within)
                yield gate

    def _pools(self, connector: BaseConnector, host: str) -> tuple[PoolGate, ...]:
        gates = self.pools.get(connector)
        if gates is None:
            gates = self.pools[connector] = WeakValueDictionary()
        found = (("", connector.limit), (host, connector.limit_per_host))
        return tuple(_pool(gates, key, room) for key, room in found if room)

    def sweep(self, now: float) -> None:
        """Forget what would be no different if it were new: of all there is, a small part."""
        if len(self.ways) + len(self._lone) < FEW:
            return
        for _ in range(min(PIECE, len(self._round))):
            way = self._round.popleft()
            if not self._forget_way(way, now):
                self._round.append(way)
        for _ in range(min(PIECE, len(self._lone))):
            scope, _none = self._lone.popitem(last=False)
            self._forget_scope(scope, now)

    def _forget_way(self, way: Way, now: float) -> bool:
        """Forget a way if nobody waits there, and it leads to what is idle, or there are many."""
        lane = self.ways[way]
        if lane.live or lane.asks:
            return False
        if len(self.ways) <= MANY and not _is_idle(lane, way[5], now):
            return False
        del self.ways[way]
        lane.ways -= 1
        if not lane.ways:
            self._forget_lane(lane, now)
        return True

    def _forget_lane(self, lane: Lane, now: float) -> None:
        """Forget a lane, and the scopes that no other lane leads to: a lane is only a way."""
        del self.lanes[_key(lane.gates, urgent=lane.urgent)]
        for gate in lane.gates:
            gate.lanes_here -= 1
        for scope in lane.scopes:
            self._forget_scope(scope, now)

    def _forget_scope(self, gate: ScopeGate, now: float) -> None:
        """Forget a scope if it is idle, else look at it again later, unless a lane leads to it."""
        if gate.lanes_here:
            return
        if not gate.idle(now):
            self._lone[gate] = None
            return
        self._lone.pop(gate, None)
        del self.scopes[gate.state.scope]
        for limit in gate.limits:
            self.limits[limit.name].pop(limit.scope, None)
            for other in self._within.pop(limit, ()):
                other.limits = tuple(each for each in other.limits if each is not limit)

    def gates(self) -> Iterator[Gate]:
        """Yield all of them."""
        yield from self.scopes.values()
        for limits in self.limits.values():
            yield from limits.values()
        for pools in self.pools.values():
            yield from pools.values()


def _pool(gates: "WeakValueDictionary[str, PoolGate]", host: str, room: int) -> PoolGate:
    gate = gates.get(host)
    if gate is None:
        gate = gates[host] = PoolGate(room, host)
    return gate


def _key(gates: tuple[Gate, ...], *, urgent: bool) -> tuple[Gate | None, ...]:
    return (None, *gates) if urgent else gates


def _is_idle(lane: Lane, connector: "ReferenceType[BaseConnector] | None", now: float) -> bool:
    """Tell whether a lane's connector is gone, or what it alone leads to is idle."""
    if connector is not None and connector() is None:
        return True
    # What most lanes have in common may be idle or not: that is no reason to forget them.
    own = min((*lane.scopes, *lane.pools), key=_lanes_here)
    return own.idle(now)


def _lanes_here(gate: Gate) -> int:
    return gate.lanes_here


def _scope_of(within: "list[ScopeGate]", names: Names) -> Scope:
    scopes = [gate.state.scope for gate in within]
    if len(scopes) == 1:
        return scopes[0]
    kind = "+".join(scope.kind for scope in scopes)
    return Scope(scopes[0].service, kind, names.of(kind))
