"""Hypothesis strategies: responses of every kind, and headers."""

import json
from functools import cache
from typing import Any

import attrs
from hypothesis import strategies as st

from resilient.config.build_catalog import shipped
from resilient.config.resources import names
from resilient.testing import NotRenderable, Rendering, renderings


@attrs.frozen
class Response:
    """A response, and the request that it answers."""

    catalog: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    url: str
    method: str


@cache
def renderings_of(name: str) -> tuple[Rendering, ...]:
    """Return every way to say every entry of a shipped catalog."""
    found: list[Rendering] = []
    catalog = shipped(name)
    for entry in catalog.entries:
        try:
            found.extend(renderings(catalog, entry))
        except NotRenderable:  # of `http`, which has no envelope for it
            continue
    return tuple(found)


KEYS = (
    *("error", "errors", "code", "type", "value", "error_code", "response", "message", "detail"),
    *("title", "status", "validation-errors", "error_description", "description", "result", ""),
)
"""What the shipped envelopes look for, and some more."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner)
    ),
    max_leaves=12,
)
"""Documents of any shape."""


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _element(parts: tuple[str, list[bytes], str]) -> bytes:
    name, children, text = parts
    inner = b"".join(children) or text.encode("utf-8", "replace")
    return f"<{name}>".encode() + inner + f"</{name}>".encode()


xml_bodies = st.recursive(
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    lambda inner: st.tuples(
        st.sampled_from([key for key in KEYS if key]), st.lists(inner, max_size=4), st.text()
    ).map(_element),
    max_leaves=8,
)
"""Elements of any shape, mostly well formed."""

bodies = st.one_of(
    st.binary(max_size=400),
    json_values.map(_written),
    xml_bodies,
    st.tuples(json_values.map(_written), st.binary(max_size=4)).map(b"".join),
    st.tuples(json_values.map(str), st.sampled_from(["utf-16", "utf-32", "cp1251", "utf-7"])).map(
        lambda pair: pair[0].encode(pair[1], "replace")
    ),
)

content_types = st.sampled_from(
    ["application/json", "text/xml", "text/html", "text/plain", "text/event-stream", "", ";"]
)
charsets = st.sampled_from(
    ["", "; charset=utf-8", "; charset=utf-16", "; charset=utf-99", "; charset=zip", ";charset=\0"]
) | st.text(max_size=20).map(lambda text: f"; charset={text}")
waits = st.sampled_from(["1", "0", "-1", "NaN", "1e9", "٣", "soon", "9" * 400]) | st.text(
    max_size=30
)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    """Return any response to any request."""
    headers = [("Content-Type", draw(content_types) + draw(charsets))]
    headers += [("Retry-After", each) for each in draw(st.lists(waits, max_size=3))]
    headers += [("Date", draw(st.text(max_size=30)))] * draw(st.integers(0, 2))
    return Response(
        catalog=draw(st.sampled_from(names("catalogs"))),
        status=draw(st.integers(100, 599) | st.sampled_from([200, 400, 401, 403, 429, 503])),
        headers=tuple(headers),
        body=draw(bodies),
        url=draw(st.text(max_size=40) | st.sampled_from(["/vacancies", "https://x/api/v4/leads"])),
        method=draw(st.sampled_from(["GET", "POST", "HEAD", "head"]) | st.text(max_size=5)),
    )
