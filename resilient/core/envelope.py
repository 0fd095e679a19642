"""From the bytes of a response to the errors that it reports.

Nothing raises here: what cannot be read reports nothing, and the HTTP status decides.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import attrs

from resilient.catalog import Envelope, Format
from resilient.core.text import LONGEST_CODE, decode, printable, without_tags

MOST_ERRORS = 100
"""How many errors of one response are read."""

MOST_NODES = 1000
"""How many objects of a response are looked into for them, at each step of a path."""

BODILESS = frozenset({204, 205, 304})
"""Statuses that come without a body."""

WRITTEN_AS: dict[Format, tuple[str, ...]] = {
    "json": ("json", "javascript", "text/plain", "text/html"),
    "xml": ("xml", "text/plain"),
    "text": ("text/plain",),
    "html": ("html",),
}
"""Words of a content type with which a body may be written so."""


@attrs.frozen
class Reported:
    """One error as the response reports it: its code, or None, and what is said about it."""

    code: str | None
    message: str = ""


@attrs.frozen
class Reading:
    """What a body says.

    Attributes:
        matched: Whether an envelope fits: then it is an error, whatever the status.
        errors: What is reported, in order.
        text: The whole body as text, where no envelope fits.
    """

    matched: bool
    errors: tuple[Reported, ...] = ()
    text: str = ""


def wants_body(
    envelopes: Iterable[Envelope], *, method: str, status: int, content_type: str
) -> bool:
    """Tell whether a body can say anything that the status does not.

    Args:
        envelopes: The catalog's: a success is looked into only where one may come with it.
        method: The request's, in capitals.
        status: The HTTP status.
        content_type: Without parameters, in small letters; empty if not known: any fits.
    """
    # 101 is another protocol from here on, and of a redirect only the status counts.
    if method == "HEAD" or status < 200 or status in BODILESS:  # noqa: PLR2004
        return False
    if content_type == "text/event-stream":
        return False
    if status >= 400:  # noqa: PLR2004 - RFC 9110 section 15.5
        return True
    words = (WRITTEN_AS[each.format] for each in envelopes if each.comes_with(status))
    return any(not content_type or word in content_type for each in words for word in each)


def read(
    envelopes: Iterable[Envelope], *, status: int, body: bytes, charset: str | None = None
) -> Reading:
    """Return what a body reports, by the first envelope that fits."""
    if not body.strip():
        return Reading(matched=False)
    text = decode(body, charset)
    written = _format(text)
    document: Any = _UNREAD
    for envelope in envelopes:
        if not envelope.comes_with(status):
            continue
        if envelope.format in ("text", "html"):
            if envelope.format == written:
                words = without_tags(text) if written == "html" else text
                return Reading(matched=True, errors=(Reported(None, printable(words)),), text=words)
        elif envelope.format == written:
            document = _parse(text, written) if document is _UNREAD else document
            if errors := _errors(envelope, document):
                return Reading(matched=True, errors=errors)
    return Reading(matched=False, text=_loose(text, written, status, document))


_UNREAD = object()

# Numbers stay text: a code is a name, and a number of 5,000 digits is an attack.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def _loose(text: str, written: str, status: int, document: Any) -> str:
    """Return the words of a body that no envelope fits.

    Those of a success in the API's own format are data: whatever they say, it is no error.
    """
    if status < 400 and written in ("json", "xml"):  # noqa: PLR2004 - RFC 9110 section 15.5
        # What only begins like XML may be the words of a program that broke off.
        document = _parse(text, written) if document is _UNREAD else document
        if written == "json" or document is not None:
            return ""
    return without_tags(text) if written == "html" else text


def _format(text: str) -> str:
    start = text.lstrip()[:256].lower()
    if start.startswith(("{", "[")):
        return "json"
    if start.startswith("<"):
        return "html" if "<html" in start or start.startswith("<!doctype html") else "xml"
    return "text"


def _parse(text: str, written: str) -> Any:
    if written == "json":
        return _json(text)
    from resilient.core import xml  # noqa: PLC0415 - only where a body is XML

    return xml.parse(text)


def _json(text: str) -> Any:
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        return None


def _errors(envelope: Envelope, document: Any) -> tuple[Reported, ...]:
    if envelope.when is not None and not any(
        map(_holds, _follow(document, steps_of(envelope.when)))
    ):
        return ()
    if not envelope.code:
        return (Reported(None, _message(envelope.message, document)),) if envelope.when else ()
    items, within = _items(envelope, document)
    prefix = steps_of(envelope.code[0])[:within]
    near = [path for path in envelope.message if steps_of(path)[:within] == prefix]
    found = (_reported(envelope, item, within, near) for item in items[:MOST_ERRORS])
    errors = tuple(each for each in found if each is not None)
    if not all(each.message for each in errors):
        # What is said of the whole response: another error's words would be about that one.
        around = _message([path for path in envelope.message if path not in near], document)
        errors = tuple(each if each.message else Reported(each.code, around) for each in errors)
    if not errors and envelope.when is not None:
        return (Reported(None, _message(envelope.message, document)),)
    return errors


def _items(envelope: Envelope, document: Any) -> tuple[list[Any], int]:
    """Return the objects that hold one error each, and how many steps lead to them."""
    steps = steps_of(envelope.code[0])
    within = max((i + 1 for i, step in enumerate(steps) if step == "[]"), default=0)
    return _follow(document, steps[:within]), within


def _reported(envelope: Envelope, item: Any, within: int, near: Iterable[str]) -> Reported | None:
    parts = [_text(item, steps_of(path)[within:]) for path in envelope.code]
    while parts and not parts[-1]:
        parts.pop()
    if not parts or not parts[0]:
        return None
    code = printable("/".join(parts), LONGEST_CODE)
    if envelope.when is None and code in _NOTHING:
        return None
    words = (_text(item, steps_of(path)[within:]) for path in near)
    return Reported(code, printable("; ".join(filter(None, words))))


def _message(paths: Iterable[str], document: Any) -> str:
    words = (_text(document, steps_of(path)) for path in paths)
    return printable("; ".join(filter(None, words)))


_NOTHING = ("", "0", "0.0", "false", "null")


def _holds(value: Any) -> bool:
    """Tell whether a value says that there is an error: `error: false` does not."""
    return bool(value) and value not in _NOTHING


@lru_cache(maxsize=512)
def steps_of(path: str) -> tuple[str, ...]:
    """Return `errors[].code` as `("errors", "[]", "code")`."""
    return tuple(step for step in path.replace("[]", ".[]").split(".") if step)


def _follow(value: Any, steps: tuple[str, ...]) -> list[Any]:
    """Return what a path leads to; a single object counts as a list of one."""
    nodes = [value]
    for step in steps:
        if step == "[]":
            lists = (each if isinstance(each, list) else (each,) for each in nodes)
            nodes = list(islice(chain.from_iterable(lists), MOST_NODES))
        else:
            nodes = [each[step] for each in nodes if isinstance(each, dict) and step in each]
    return nodes


def _text(value: Any, steps: tuple[str, ...]) -> str:
    found = next(iter(_follow(value, steps)), None)
    return found.strip() if isinstance(found, str) else ""
