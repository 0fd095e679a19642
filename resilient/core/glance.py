"""Is this response certainly no error? Told from its status, or from a glance at its bytes.

Most calls succeed, and a success should cost next to nothing. What is said here is only ever
"certainly none"; all else is for `resilient.core.classify`, which has the last word.
"""

import re
from collections.abc import Iterable

import attrs

from resilient.catalog import Catalog, Envelope
from resilient.core.envelope import WRITTEN_AS, steps_of, wants_body

_SUCCESSES = range(100, 400)  # RFC 9110 section 15.5: from 400 on it is an error
_SPACE = " \t\r\n\x0b\x0c"  # of ASCII only: in Latin-1 other bytes are white space, too
_PLAIN = re.compile(r'"[A-Za-z0-9_-]+"')  # what JSON can only spell so, or with \u00..

ASCII_LIKE = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1251", "windows-1252"}
)
"""Charsets in which each ASCII character is the byte that it is in ASCII, and no other is."""


@attrs.frozen(eq=False)
class Glance:
    """What can be told at once of a catalog's responses: made ready once, for a service.

    Attributes:
        quiet: The statuses with which no error comes, unless a body says so: what is read of no
            body, or of an empty one, with a status in here is a success or an answer.
        unread: Those of them whose bodies say nothing: the status alone tells that it is none.
    """

    quiet: frozenset[int]
    unread: frozenset[int]
    _envelopes: tuple[Envelope, ...] = attrs.field(repr=False)
    _written_as: dict[int, tuple[str, ...]] = attrs.field(repr=False)
    _needs: dict[int, tuple[tuple[str, ...], ...] | None] = attrs.field(repr=False)

    @classmethod
    def of(cls, catalog: Catalog, generic: Catalog) -> "Glance":
        """Return what can be told at once of a service's responses.

        Args:
            catalog: The service's.
            generic: The catalog that stands behind every other.
        """
        quiet = frozenset(
            status for status in _SUCCESSES if not _may_fail((catalog, generic), status)
        )
        envelopes = catalog.envelopes
        written_as = {status: _written_as(envelopes, status) for status in quiet}
        return cls(
            quiet=quiet,
            unread=frozenset(status for status in quiet if not written_as[status]),
            envelopes=envelopes,
            written_as=written_as,
            needs={status: _needs(envelopes, status) for status in quiet},
        )

    def wants_body(self, status: int, content_type: str) -> bool:
        """Tell what `envelope.wants_body` does of any method but HEAD, sooner for a success."""
        words = self._written_as.get(status)
        if words is None:
            return wants_body(self._envelopes, method="", status=status, content_type=content_type)
        if not words:
            return False
        if not content_type:
            return True
        return content_type != "text/event-stream" and any(word in content_type for word in words)

    def is_silent(self, status: int, body: bytes, charset: str | None = None) -> bool:
        """Tell whether a body with this status certainly reports no error.

        A JSON body reports one only if it holds the keys that an envelope looks for. Where one
        of them does not occur in the bytes, nor any escape that could spell it, the body need
        not be parsed.

        Args:
            status: The HTTP status.
            body: What was read of it; that may be a part.
            charset: What the content type says, or None.
        """
        if status not in self.quiet:
            return False
        if not body:
            return True
        needs = self._needs[status]
        if needs is None or (charset is not None and charset.lower() not in ASCII_LIKE):
            return False
        # Of a byte each, whatever they mean: to search a str is several times as fast as bytes.
        text = body.decode("latin-1")
        if text[0] not in "{[" and not text.lstrip(_SPACE).startswith(("{", "[")):
            return False
        # An ASCII character that is escaped is written \u00.., and nothing else can spell a key.
        escaped = "\\" in text and "\\u00" in text
        return not escaped and not _holds(text, needs)


def _holds(text: str, needs: tuple[tuple[str, ...], ...]) -> bool:
    for keys in needs:
        for key in keys:
            if key not in text:
                break
        else:
            return True
    return False


def _may_fail(catalogs: Iterable[Catalog], status: int) -> bool:
    # Whatever an entry is bound to: it may fit.
    entries = (entry for each in catalogs for entry in each.statuses.get(status, ()))
    return any(entry.policy != "none" for entry in entries)


def _written_as(envelopes: Iterable[Envelope], status: int) -> tuple[str, ...]:
    """Return the words of a content type with which a body is looked into."""
    if not wants_body(envelopes, method="", status=status, content_type=""):
        return ()
    words = (WRITTEN_AS[each.format] for each in envelopes if each.comes_with(status))
    return tuple(dict.fromkeys(word for each in words for word in each))


def _needs(envelopes: Iterable[Envelope], status: int) -> tuple[tuple[str, ...], ...] | None:
    """Return what a JSON body must hold to report an error, by envelope; None: nothing certain."""
    paths = [
        each.when if each.when is not None else each.code[0]
        for each in envelopes
        if each.format == "json"
        and each.comes_with(status)
        and (each.when is not None or each.code)
    ]
    needs = [tuple(f'"{step}"' for step in steps_of(path) if step != "[]") for path in paths]
    return tuple(needs) if all(map(_is_plain, needs)) else None


def _is_plain(keys: tuple[str, ...]) -> bool:
    return bool(keys) and all(map(_PLAIN.fullmatch, keys))
