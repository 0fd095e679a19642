"""Putting a credential's fields on a request, taking them off, and finding the caller's own.

Which requests may carry them is not decided here.
"""

import warnings
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_plus

import aiohttp
import attrs
from aiohttp import BytesPayload, hdrs
from yarl import URL

from resilient.catalog import CredentialRule, Field, Place
from resilient.credentials import bodies
from resilient.credentials.protocol import CannotSign, Values
from resilient.credentials.secret import checked

IN_BODY = ("form", "json", "xml")
"""The places that are in a body."""

OUTSIDE = frozenset({"header", "query"})
"""The places that are not."""


@attrs.frozen(kw_only=True)
class Plan:
    """Where the fields of one call go. Attempts start from it, each anew.

    Attributes:
        spots: The fields that the caller has not put there himself, each with its place.
        url: As the caller gave it.
        body: As the caller gave it, with a gap for fields; None if no field goes there.
        content: The same as bytes.
    """

    spots: tuple[tuple[Field, Place], ...]
    url: URL = attrs.field(repr=False)
    body: bodies.Body | None = attrs.field(default=None, repr=False)
    content: bytes = attrs.field(default=b"", repr=False)


def carried(request: aiohttp.ClientRequest, rule: CredentialRule) -> dict[str, str]:
    """Return the fields that the caller has put there himself, in the order of the rule.

    A body is looked into only if it is in memory, and no longer than a megabyte.
    """
    found = {}
    inside: dict[str, str] | None = None
    for field in rule.fields:
        value = _in_head(request, field)
        if value is None and not OUTSIDE.issuperset(field.places):
            inside = _fields_in(request, _in_memory(request), rule) if inside is None else inside
            value = inside.get(field.name)
        if value is not None:
            found[field.name] = value
    return found


async def plan(request: aiohttp.ClientRequest, rule: CredentialRule) -> Plan:
    """Decide, once a call, where the fields go: into the body if its kind is listed.

    Raises:
        CannotSign: A field has no place in this request.
    """
    missing = [field for field in rule.fields if _in_head(request, field) is None]
    content, kind = b"", None
    if any(place in IN_BODY for field in missing for place in field.places):
        content = await _content(request)
        kind = _kind(request, content)
    body = _body(request, kind, content, missing)
    if body is None:
        kind = None
    else:
        missing = [field for field in missing if field.name not in body.fields]
    spots = tuple((field, _place(request, field, kind)) for field in missing)
    into_body = any(place in IN_BODY for _, place in spots)
    return Plan(
        spots=spots,
        url=request.url,
        body=body if into_body else None,
        content=content if into_body else b"",
    )


async def apply(plan: Plan, request: aiohttp.ClientRequest, values: Values) -> None:
    """Put values on a request, in place of those of an earlier attempt.

    It never suspends: aiohttp's `update_body` awaits nothing but the old body's `close`, which
    must finish at once. So nothing can happen between this and the send. A field without a
    value is left out.

    Raises:
        CannotSign: A value cannot be sent; then nothing is put there.
    """
    texts = {field.name: value_of(field, values) for field, _ in plan.spots}
    query: list[tuple[str, str]] = []
    inside: list[tuple[str, str]] = []
    for field, place in plan.spots:
        text = texts[field.name]
        if place == "header":
            _set_header(request, field.name, text)
        elif text is not None:
            (query if place == "query" else inside).append((field.name, text))
    if any(place == "query" for _, place in plan.spots):
        request.url = plan.url.extend_query(query)
    if plan.body is not None:
        await _set_body(request, plan.body.filled(inside) if inside else plan.content)


async def restore(plan: Plan, request: aiohttp.ClientRequest) -> None:
    """Take off what was put there, without suspending.

    aiohttp sends the body again on its own, also to where a redirect leads.
    """
    await apply(plan, request, {})


def strip(request: aiohttp.ClientRequest, rule: CredentialRule) -> bool:
    """Take the fields off a request that goes elsewhere, also those the caller put there.

    Returns:
        Whether its body carries a field, or may carry one: then it must not be sent.
    """
    for field in rule.fields:
        if "header" in field.places:
            request.headers.popall(field.name, None)
    in_query = {field.name for field in rule.fields if "query" in field.places}
    request.url = _without(request.url, in_query)
    return _may_carry(request, rule)


def _in_head(request: aiohttp.ClientRequest, field: Field) -> str | None:
    if "header" in field.places and field.name in request.headers:
        return request.headers[field.name]
    if "query" in field.places and field.name in request.url.query:
        return request.url.query[field.name]
    return None


def _fields_in(
    request: aiohttp.ClientRequest, content: bytes | None, rule: CredentialRule
) -> dict[str, str]:
    """Return the fields in a body, by name; none where it cannot be read."""
    kind = _kind(request, content) if content and len(content) <= bodies.LARGEST else None
    names = [field.name for field in rule.fields if kind in field.places]
    if kind is None or not names or content is None:
        return {}
    try:
        return dict(bodies.read(kind, content, _content_type(request), names).fields)
    except CannotSign:
        return {}


def _may_carry(request: aiohttp.ClientRequest, rule: CredentialRule) -> bool:
    names = [f.name for f in rule.fields if any(place in IN_BODY for place in f.places)]
    if not names or not request.body:
        return False
    content = _in_memory(request)
    if content is None or len(content) > bodies.LARGEST or _is_packed(request):
        return True
    # A body that is not what its type says may hold the field all the same.
    return bool(_fields_in(request, content, rule)) or any(n.encode() in content for n in names)


def _in_memory(request: aiohttp.ClientRequest) -> bytes | None:
    """Return a body that can be had without waiting, else None."""
    payload: Any = request.body
    if not isinstance(payload, BytesPayload):
        return b"" if not payload else None
    try:
        # The one synchronous way to the bytes that is public; Latin-1 loses none.
        return payload.decode("latin-1").encode("latin-1")
    except AttributeError:  # over a memoryview
        return None


async def _content(request: aiohttp.ClientRequest) -> bytes:
    """Return the body, empty where there is none or it cannot be had."""
    payload: Any = request.body
    if not payload or payload.size is None:
        return b""
    if payload.size > bodies.LARGEST and not isinstance(payload, BytesPayload):
        return b""
    return bytes(await payload.as_bytes())


def _kind(request: aiohttp.ClientRequest, content: bytes | None) -> bodies.Kind | None:
    """Return what the body's kind is, None if there is none that takes fields."""
    if _is_packed(request) or content is None:
        return None
    kind = bodies.kind_of(_content_type(request), content)
    is_empty_form = kind == "form" and bool(request.body)
    return kind if content or is_empty_form else None


def _body(
    request: aiohttp.ClientRequest,
    kind: bodies.Kind | None,
    content: bytes,
    fields: Sequence[Field],
) -> bodies.Body | None:
    """Return the body to put fields into, or None if they go elsewhere."""
    named = [field for field in fields if kind in field.places]
    if kind is None or not named:
        return None
    try:
        return bodies.read(kind, content, _content_type(request), [f.name for f in named])
    except CannotSign:
        if all(OUTSIDE.intersection(field.places) for field in named):
            return None
        raise


def _is_packed(request: aiohttp.ClientRequest) -> bool:
    """Tell whether the caller compressed the body; aiohttp does so only when it sends."""
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    return coding.lower() != "identity" and not request.compress


def _content_type(request: aiohttp.ClientRequest) -> str:
    return request.headers.get(hdrs.CONTENT_TYPE, "")


def _place(request: aiohttp.ClientRequest, field: Field, kind: bodies.Kind | None) -> Place:
    if kind is not None and kind in field.places:
        return kind
    for place in field.places:
        if place in OUTSIDE:
            return place
    wanted = " or ".join(field.places)
    body = "a body of another kind" if request.body else "no body"
    raise CannotSign(
        f"The vendor wants {field.name!r} in a {wanted} body, and the {request.method} has {body}."
    )


def value_of(field: Field, values: Values) -> str | None:
    """Return what a field is to hold, or None: the credential has no value for it.

    Raises:
        CannotSign: It cannot be sent.
    """
    if field.value not in values:
        return None
    try:
        text = checked(values[field.value], f"the value of {field.name!r}")
        return checked(field.prefix + text, f"{field.name!r} with its prefix")
    except ValueError as error:
        raise CannotSign(f"The credential cannot be sent: {error}.") from None


def _set_header(request: aiohttp.ClientRequest, name: str, text: str | None) -> None:
    if text is None:
        request.headers.popall(name, None)
    else:
        request.headers[name] = text


async def _set_body(request: aiohttp.ClientRequest, content: bytes) -> None:
    with warnings.catch_warnings():
        # aiohttp advises against bodies above a megabyte; the caller has heard it already.
        warnings.simplefilter("ignore", ResourceWarning)
        payload = BytesPayload(content, content_type=_content_type(request))
    await request.update_body(payload)


def _without(url: URL, names: set[str]) -> URL:
    """Return a URL without some query fields, the others as they are written."""
    pairs = url.raw_query_string.split("&")
    kept = [pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in names]
    if len(kept) == len(pairs):
        return url
    return URL.build(
        scheme=url.scheme,
        authority=url.raw_authority,
        path=url.raw_path,
        query_string="&".join(kept),
        fragment=url.raw_fragment,
        encoded=True,
    )
