"""Bodies: what stands at dotted paths, written as JSON or XML; and a vendor's sample filled in."""

import json
from html import escape
from string import Template
from typing import Any

import attrs

from resilient.catalog import Envelope, Format

CONTENT_TYPES: dict[Format, str] = {
    "json": "application/json; charset=utf-8",
    "xml": "text/xml; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
"""How each format is announced."""

_PAGE = (
    "<html><head><title>$status $name</title></head>"
    "<body><h1>$status $name</h1><p>$message</p></body></html>"
)
_PLACEHOLDERS = ("code", "value", "reason")


@attrs.frozen(kw_only=True)
class Words:
    """What an error's body says.

    Attributes:
        code: The parts of the code; none where none is reported.
        name: The vendor's name for it.
        message: What is written for people.
        status: The HTTP status.
    """

    code: tuple[str, ...] = ()
    name: str = ""
    message: str = ""
    status: int


def error_body(envelope: Envelope, words: Words) -> bytes:
    """Return a body that says `words` in the shape of an envelope."""
    if envelope.sample is not None:
        return _filled(envelope.sample, envelope.format, words).encode()
    if envelope.format == "html":
        return _filled(_PAGE, "html", words).encode()
    if envelope.format == "text":
        return words.message.encode()
    return written(_laid_out(envelope, words), envelope.format)


def page(words: Words) -> bytes:
    """Return a page as a web server writes it."""
    return _filled(_PAGE, "html", words).encode()


def written(document: Any, form: Format) -> bytes:
    """Return a document of mappings, lists and text as JSON or XML."""
    if form == "xml":
        return _element("response", document).encode()
    return json.dumps(document, ensure_ascii=False).encode()


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a dotted path; what stands there already, or on the way, is left alone."""
    *way, last = path.split(".")
    node: Any = document
    for step in way:
        name, many = step.removesuffix("[]"), step.endswith("[]")
        node = node.setdefault(name, [{}] if many else {})
        node = node[0] if isinstance(node, list) else node
        if not isinstance(node, dict):
            return
    name, many = last.removesuffix("[]"), last.endswith("[]")
    node.setdefault(name, [value] if many else value)


def _filled(sample: str, form: Format, words: Words) -> str:
    parts = dict(zip(_PLACEHOLDERS, words.code, strict=False))
    values = {
        **dict.fromkeys(_PLACEHOLDERS, ""),
        **parts,
        "name": words.name,
        "message": words.message,
        "status": str(words.status),
    }
    escaped = {key: _escaped(value, form) for key, value in values.items()}
    return Template(sample).safe_substitute(escaped)


def _escaped(text: str, form: Format) -> str:
    if form == "json":
        return json.dumps(text, ensure_ascii=False)[1:-1]
    # Quotes are escaped for attributes of XML only: readers of a page do not undo entities.
    return text if form == "text" else escape(text, quote=form == "xml")


def _laid_out(envelope: Envelope, words: Words) -> Any:
    document: dict[str, Any] = {}
    for path, part in zip(envelope.code, words.code, strict=False):
        put(document, path, part)
    for path in envelope.message[:1]:
        put(document, path, words.message)
    if envelope.when is not None:
        put(document, envelope.when, "true")
    # A path that begins with `[]` has no name to stand under.
    return document.get("", document)


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    inner = (
        "".join(_element(key, each) for key, each in value.items())
        if isinstance(value, dict)
        else escape(str(value))
    )
    return f"<{name}>{inner}</{name}>"
