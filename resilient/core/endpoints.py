"""Which of a catalog's endpoints is this request, and is this host one of the service's?

No regular expression meets a URL here: matching takes time linear in the path.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import unquote

import attrs

from resilient.catalog import Endpoint
from resilient.core.text import printable

LONGEST_NAME = 100
"""Characters of an endpoint's name, which may come from the URL."""

_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_REST = "**"


@attrs.frozen
class _Segment:
    """One segment of a template: `pieces` are spelt out, and between each two is a hole."""

    pieces: tuple[str, ...]
    holes: tuple[str, ...] = attrs.field(eq=False)

    def bind(self, text: str) -> tuple[str, ...] | None:
        """Return what is in the holes, or None if it does not fit. No hole is empty."""
        first, last = self.pieces[0], self.pieces[-1]
        if not text.startswith(first) or not text.endswith(last):
            return None
        # The leftmost place of each piece will do: it leaves the most to those behind.
        end, start, bound = len(text) - len(last), len(first), []
        for piece in self.pieces[1:-1]:
            at = text.find(piece, start + 1, end)
            if at < 0:
                return None
            bound.append(text[start:at])
            start = at + len(piece)
        return (*bound, text[start:end]) if start < end else None


@attrs.frozen
class _Template:
    endpoint: Endpoint
    segments: tuple[_Segment, ...]
    rest: bool
    named: bool

    @property
    def rank(self) -> tuple[int, ...]:
        """Return how specific it is: whole literal segments come before all else."""
        literal = sum(not each.holes for each in self.segments)
        partly = sum(any(each.pieces) for each in self.segments if each.holes)
        method = self.endpoint.method is not None
        return literal, method, not self.rest, partly, len(self.segments)

    def resolved(self, segments: list[str]) -> Endpoint:
        """Return the endpoint, its name filled in from segments that fit."""
        if not self.named:
            return self.endpoint
        bound: dict[str, str] = {}
        for mine, its in zip(self.segments, segments, strict=False):
            if mine.holes:
                bound.update(zip(mine.holes, mine.bind(its) or (), strict=False))
        name = _HOLE.sub(lambda hole: bound.get(hole[1], hole[0]), self.endpoint.name)
        return attrs.evolve(self.endpoint, name=printable(name)[:LONGEST_NAME])


def _compiled(endpoint: Endpoint) -> _Template:
    segments = _split(endpoint.template)
    rest = segments[-1:] == [_REST]
    return _Template(
        endpoint=endpoint,
        segments=tuple(_segment(each) for each in (segments[:-1] if rest else segments)),
        rest=rest,
        named=_HOLE.search(endpoint.name) is not None,
    )


def _segment(text: str) -> _Segment:
    parts = _HOLE.split(text)
    return _Segment(pieces=tuple(parts[::2]), holes=tuple(parts[1::2]))


def _split(path: str) -> list[str]:
    """Return the segments of a path, decoded one by one: `%2F` divides nothing."""
    bare = path.strip("/")
    segments = bare.split("/") if bare else []
    return [unquote(each, errors="replace") for each in segments] if "%" in bare else segments


@attrs.frozen
class _Node:
    """Where templates that begin alike divide: a path meets each node at most once.

    Attributes:
        ends: Templates that end here, with their place in the order of preference.
        rests: The same, of templates that take any rest.
        literal: What follows, by the segment as it stands.
        holed: What follows, by a segment with holes.
    """

    ends: tuple[tuple[int, _Template], ...]
    rests: tuple[tuple[int, _Template], ...]
    literal: Mapping[str, "_Node"]
    holed: tuple[tuple[_Segment, "_Node"], ...]

    def follow(self, segment: str) -> Iterator["_Node"]:
        """Yield the nodes that a segment leads to."""
        if segment in self.literal:
            yield self.literal[segment]
        for each, node in self.holed:
            if each.bind(segment) is not None:
                yield node


def _tree(endpoints: Iterable[Endpoint]) -> _Node:
    # Sorting keeps the order of the file where templates are equally specific.
    templates = sorted(map(_compiled, endpoints), key=lambda each: each.rank, reverse=True)
    return _node(tuple(enumerate(templates)), 0)


def _node(templates: tuple[tuple[int, _Template], ...], depth: int) -> _Node:
    here = tuple(each for each in templates if len(each[1].segments) == depth)
    further: dict[_Segment, list[tuple[int, _Template]]] = {}
    for place, template in templates:
        if len(template.segments) > depth:
            further.setdefault(template.segments[depth], []).append((place, template))
    nodes = [(segment, _node(tuple(each), depth + 1)) for segment, each in further.items()]
    return _Node(
        ends=tuple(each for each in here if not each[1].rest),
        rests=tuple(each for each in here if each[1].rest),
        literal={segment.pieces[0]: node for segment, node in nodes if not segment.holes},
        holed=tuple((segment, node) for segment, node in nodes if segment.holes),
    )


@attrs.frozen
class Endpoints:
    """A catalog's endpoints, made ready once: `Endpoints(catalog.endpoints)`.

    Attributes:
        endpoints: In the order of the file.
    """

    endpoints: tuple[Endpoint, ...]
    _root: _Node = attrs.field(
        init=False,
        repr=False,
        eq=False,
        default=attrs.Factory(lambda self: _tree(self.endpoints), takes_self=True),
    )

    def fitting(self, segments: list[str]) -> list[tuple[int, _Template]]:
        """Return the templates that fit, each with its place in the order of preference."""
        nodes, found = [self._root], list(self._root.rests)
        for segment in segments:
            nodes = [after for node in nodes for after in node.follow(segment)]
            if not nodes:
                break
            for node in nodes:
                found += node.rests
        return found + [each for node in nodes for each in node.ends]


def match_endpoint(endpoints: Endpoints, method: str, path: str) -> Endpoint | None:
    """Return the endpoint of a request, its name filled in, or None.

    The most specific template wins: most segments spelt out, then one with a method, then
    one without `**`, then most segments spelt out in part, then the longer, then the first.

    Args:
        endpoints: The catalog's.
        method: In capitals.
        path: The request's path without the query, percent-encoded or not; slashes at its end
            make no difference.
    """
    segments = _split(path)
    fitting = endpoints.fitting(segments)
    mine = [each for each in fitting if each[1].endpoint.method in (None, method)]
    return min(mine, key=lambda each: each[0])[1].resolved(segments) if mine else None


def match_host(patterns: Collection[str], host: str, port: int | None = None) -> bool:
    """Tell whether a host is one of those meant.

    Args:
        patterns: Names, `*.domain` for its subdomains but not itself, addresses (IPv6 in
            brackets); with a port, only that one is meant.
        host: The request's, with or without brackets; case and a dot at the end are ignored.
        port: The request's.
    """
    name = _plain(host)
    return any(
        (wanted is None or wanted == port) and _names(meant, name)
        for meant, wanted in map(_host_and_port, patterns)
    )


def shared_hosts(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    """Return the patterns of either by which a request could be meant for both."""
    ways = ((one, other), (other, one))
    found = (mine for a, b in ways for mine in a if any(_covers(each, mine) for each in b))
    return tuple(dict.fromkeys(found))


def _covers(wide: str, narrow: str) -> bool:
    (meant, wanted), (name, port) = _host_and_port(wide), _host_and_port(narrow)
    return _names(meant, name) and (None in (wanted, port) or wanted == port)


def _names(meant: str, name: str) -> bool:
    return name == meant or (meant.startswith("*.") and _is_below(name, meant[1:]))


def _is_below(name: str, domain: str) -> bool:
    return name.endswith(domain) and len(name) > len(domain)


@lru_cache(maxsize=512)
def _host_and_port(pattern: str) -> tuple[str, int | None]:
    host, colon, port = pattern.rpartition(":")
    if colon and port.isdecimal() and (host.endswith("]") or ":" not in host):
        return _plain(host), int(port)
    return _plain(pattern), None


def _plain(host: str) -> str:
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    return bare.lower().removesuffix(".")
