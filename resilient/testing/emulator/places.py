"""Where to ask for an entry: the inverse of matching a request to an endpoint."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import attrs

from resilient.catalog import Catalog, Endpoint, Entry
from resilient.core.endpoints import Endpoints, match_endpoint

_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_EXAMPLE = "example"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@attrs.frozen
class Place:
    """A request as far as recognition knows it: its method, path and endpoint's name."""

    method: str
    path: str
    endpoint: str | None


def places(catalog: Catalog, endpoints: Endpoints, entry: Entry) -> Iterator[Place]:
    """Yield where an entry that is bound to a method or an endpoint can occur."""
    for method, path in _requests(catalog, entry):
        found = match_endpoint(endpoints, method, path)
        name = found.name if found else None
        if entry.endpoint in (None, name):
            yield Place(method, path, name)


def _requests(catalog: Catalog, entry: Entry) -> Iterator[tuple[str, str]]:
    for endpoint in catalog.endpoints:
        methods = (endpoint.method,) if endpoint.method else _METHODS
        for path in example_paths(endpoint, entry.endpoint):
            yield from ((each, path) for each in methods if entry.method in (None, each))
    if entry.endpoint is None:
        yield from ((each, "/") for each in _METHODS if entry.method in (None, each))


def example_paths(endpoint: Endpoint, name: str | None) -> Iterator[str]:
    """Yield paths that a template matches, such that the endpoint is called `name`."""
    bound = {} if name is None else _bound(endpoint.name, name)
    if bound is None:
        return
    path = _HOLE.sub(lambda hole: quote(bound.get(hole[1], _EXAMPLE), safe=""), endpoint.template)
    if path.endswith("/**"):
        yield path.removesuffix("/**") or "/"
        path = path.removesuffix("**") + _EXAMPLE
    yield path


def may_be_called(endpoint: Endpoint, name: str) -> bool:
    """Tell whether some request makes an endpoint be called `name`."""
    return _bound(endpoint.name, name) is not None


def _bound(pattern: str, name: str) -> dict[str, str] | None:
    """Return what the holes of an endpoint's name must hold for it to be `name`."""
    parts, seen = _HOLE.split(pattern), set[str]()
    regex = re.escape(parts[0])
    for hole, piece in zip(parts[1::2], parts[2::2], strict=True):
        regex += (f"(?P={hole})" if hole in seen else f"(?P<{hole}>.+?)") + re.escape(piece)
        seen.add(hole)
    match = re.fullmatch(regex, name)
    return match.groupdict() if match else None
