"""What the calls of a service need: which scopes they are in, and which limits they pass."""

from typing import Final

import attrs

from resilient.catalog import Catalog, ScopeKind
from resilient.config.service import Service
from resilient.core.pacing import Pace, pace, part

ELSEWHERE: Final = "other"
"""What the endpoint scope is called where no template matches."""


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
