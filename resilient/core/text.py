"""Bytes of any kind to text that can be searched, matched and logged without harm."""

import codecs
import re

from resilient.lookup import occur, pieces_of

LONGEST_MESSAGE = 500
"""Characters of a server's text that are kept."""

LONGEST_CODE = 200
"""Characters of a reported code that are kept."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TEXT_CODECS = re.compile(r"(?:utf-?(?:8|16|32)|windows-|cp\d|iso-?8859|latin|koi8|us-ascii|ascii)")
_SKIPPED = re.compile(r"<(script|style)\b[^<]*", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def decode(body: bytes, charset: str | None = None) -> str:
    """Return bytes as text, whatever they are: what cannot be read becomes U+FFFD.

    A byte order mark goes before the charset that the content type names; UTF-8 is assumed.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    name = (charset or "").strip().lower()
    # Only codecs of text: Python also has "zip" and "rot13", and a server names what it likes.
    if _TEXT_CODECS.match(name):
        try:
            return body.decode(name, "replace")
        except (LookupError, ValueError):  # no such codec, or no name of one at all
            pass
    return body.decode("utf-8", "replace")


def without_tags(text: str) -> str:
    """Return the words of an HTML page, tags left out, white space folded."""
    return " ".join(_TAG.sub(" ", _SKIPPED.sub(" ", text)).split())


def printable(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return text that can forge no log line: control and bidirectional marks are escaped."""
    cut = text if len(text) <= longest else text[:longest] + "…"
    return _UNPRINTABLE.sub(_escape, cut)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def contains(text: str, pattern: str) -> bool:
    """Tell whether `pattern` occurs in `text`, case left aside; `*` in it means anything.

    No regular expression: the time is linear whatever the pattern and the text.
    """
    return occur(pieces_of(pattern), text.casefold())
