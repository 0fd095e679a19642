"""Fields inside a request's body: which are there, and a body with more of them.

Bodies are never written anew: text is put into a gap, and every other byte stays as it was.
"""

import codecs
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote_plus, unquote_plus

import attrs

from resilient.credentials.protocol import CannotSign

Kind = Literal["form", "json", "xml"]
"""Bodies that fields can be put into."""

LARGEST = 1024 * 1024
"""Bytes of a JSON or XML body that are looked into."""

_FORM = "application/x-www-form-urlencoded"
_XML_TYPES = ("application/xml", "text/xml")
# What aiohttp calls a body whose kind nobody named.
_UNNAMED = ("", "application/octet-stream", "text/plain")
_CHARSET = re.compile(r"charset\s*+=\s*+\"?([^\s;\"]++)", re.IGNORECASE)
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:(?:<\?.*?\?>|<!--.*?-->)\s*+)*+", re.DOTALL)
_START_TAG = re.compile(rb"<([^\s/>]++)(?:[^>\"']|\"[^\"]*\"|'[^']*')*+>")


@attrs.frozen(kw_only=True)
class Body:
    """A body with a gap that fields can be put into.

    Attributes:
        kind: How it is written.
        fields: Those of the fields asked for that are there, with their text.
        before: What comes before the gap.
        after: What comes after it.
    """

    kind: Kind
    fields: Mapping[str, str] = attrs.field(repr=False)
    before: bytes = attrs.field(repr=False)
    after: bytes = attrs.field(default=b"", repr=False)

    def filled(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        """Return the body with further fields, at least one."""
        return self.before + _WRITE[self.kind](pairs) + self.after


def kind_of(content_type: str, start: bytes = b"") -> Kind | None:
    """Return how a body is written, or None if fields cannot be put into it.

    Args:
        content_type: The header.
        start: The body, to look at if its type says nothing: many send `json.dumps(…)` as text.
    """
    name = content_type.partition(";")[0].strip().lower()
    if name == _FORM:
        return "form"
    if name == "application/json" or name.endswith("+json"):
        return "json"
    if name in _XML_TYPES or name.endswith("+xml"):
        return "xml"
    if name in _UNNAMED:
        first = start.lstrip()[:1]
        return "json" if first == b"{" else "xml" if first == b"<" else None
    return None


def read(kind: Kind, content: bytes, content_type: str, names: Collection[str]) -> Body:
    """Return a body with its gap and those of `names` that are there.

    Raises:
        CannotSign: It is not what its type says, so there is no gap.
    """
    if kind == "form":
        return _form(content, names)
    if len(content) > LARGEST:
        raise CannotSign(f"The request's body is longer than the {LARGEST} bytes looked into.")
    charset = _charset(content, content_type)
    return (_json if kind == "json" else _xml)(content, charset, names)


def _charset(content: bytes, content_type: str) -> str | None:
    """Return the charset named, if a gap can be found by bytes at all."""
    found = _CHARSET.search(content_type)
    charset = found[1] if found else None
    try:
        plain = "{<&>}".encode(charset or "utf-8") == b"{<&>}"
    except LookupError:
        plain = False
    if not plain or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CannotSign("The request's body is in a charset that nothing can be put into.")
    return charset


def _form(content: bytes, names: Collection[str]) -> Body:
    pairs = (pair.partition("=") for pair in _pairs(content, names))
    fields = {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}
    separator = b"&" if content and not content.endswith(b"&") else b""
    return Body(kind="form", fields=fields, before=content + separator)


def _pairs(content: bytes, names: Collection[str]) -> list[str]:
    # Values may be megabytes of an attachment: only the wanted ones are decoded.
    return [
        pair.decode("latin-1")
        for pair in content.split(b"&")
        if unquote_plus(pair.partition(b"=")[0].decode("latin-1")) in names
    ]


def _json(content: bytes, charset: str | None, names: Collection[str]) -> Body:
    try:
        # Numbers are not looked at, and thousands of digits are slow to convert.
        found = json.loads(
            content.decode(charset) if charset else content,
            parse_int=str,
            parse_float=str,
            parse_constant=str,
        )
    except (ValueError, RecursionError):
        raise CannotSign("The request's body is called JSON and is none.") from None
    if not isinstance(found, dict):
        raise CannotSign("The request's JSON body is no object, so no field fits in.")
    gap = content.index(b"{") + 1
    after = content[gap:]
    return Body(
        kind="json",
        fields={name: _text(found[name]) for name in names if name in found},
        before=content[:gap],
        after=b"," + after if found else after,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _xml(content: bytes, charset: str | None, names: Collection[str]) -> Body:
    root = _root(content, charset)
    prolog = _PROLOG.match(content)
    tag = _START_TAG.match(content, prolog.end() if prolog else 0)
    if root is None or tag is None:
        raise CannotSign("The request's body is called XML and is none, or has a DTD.")
    local = {child.tag.rpartition("}")[2]: child.text or "" for child in reversed(root)}
    fields = {name: local[name] for name in names if name in local}
    before, after = content[: tag.end()], content[tag.end() :]
    if before.endswith(b"/>"):
        before, after = before[:-2] + b">", b"</" + tag[1] + b">" + after
    return Body(kind="xml", fields=fields, before=before, after=after)


def _root(content: bytes, charset: str | None) -> Any:
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415 - only for XML vendors

    from defusedxml import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import DefusedXMLParser  # noqa: PLC0415

    parser = DefusedXMLParser(encoding=charset, forbid_dtd=True)
    try:
        parser.feed(content)
        return parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None


def _write_form(pairs: Sequence[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in pairs).encode()


def _write_json(pairs: Sequence[tuple[str, str]]) -> bytes:
    return ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in pairs).encode()


def _write_xml(pairs: Sequence[tuple[str, str]]) -> bytes:
    from xml.sax.saxutils import escape  # noqa: PLC0415 - only for XML vendors

    text = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in pairs)
    return text.encode("ascii", "xmlcharrefreplace")


_WRITE: dict[Kind, Callable[[Sequence[tuple[str, str]]], bytes]] = {
    "form": _write_form,
    "json": _write_json,
    "xml": _write_xml,
}
