"""What may be logged of a URL: everything but what could be a credential."""

import re
from collections.abc import Collection
from urllib.parse import quote, unquote_plus, urlsplit

from resilient.core.text import printable

REDACTED = "REDACTED"
"""What stands in a credential's place."""

_SECRET_NAME = re.compile(
    r"key|token|secret|passw|pwd|auth|sign|hash|session|sid$|credential|code$|otp|pin$|login",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_\-:.~+=%]{20,}")
# Bounded: without it a text of nothing but names would take quadratic time.
_SECRET_PAIR = re.compile(
    rf"(?:{_SECRET_NAME.pattern.replace('$', '')})[^=&;]{{0,64}}=", re.IGNORECASE
)
_USER = re.compile(r"//[^/?#\s]*@")
_LONGEST_URL = 2048


def url(text: str, secret_names: Collection[str] = ()) -> str:
    """Return a URL without user information, fragment, and what looks like a credential.

    Args:
        text: The URL.
        secret_names: Names of query fields that hold a credential, beside those whose name
            says so. Values that look like tokens are left out under any name, and in paths.
    """
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "<unreadable URL>"
    host = f"[{host}]" if ":" in host else host
    path = "/".join(_segment(segment) for segment in parts.path.split("/"))
    query = "&".join(_pair(pair, secret_names) for pair in parts.query.split("&") if pair)
    shown = f"{parts.scheme}://{host}{port}{path}" + (f"?{query}" if query else "")
    return printable(shown, _LONGEST_URL)


def without_user(text: str) -> str:
    """Return a text with the user information of any URL in it taken out."""
    return _USER.sub(f"//{REDACTED}@", text)


def _segment(segment: str) -> str:
    name, *parameters = segment.split(";")
    shown = REDACTED if _TOKEN.fullmatch(name) else name
    return ";".join((shown, *(_pair(each, ()) for each in parameters)))


def _pair(pair: str, secret_names: Collection[str]) -> str:
    name, equals, value = pair.partition("=")
    plain = unquote_plus(name)
    # A bare value may be a credential as well: nobody named it.
    if not equals:
        return REDACTED if _TOKEN.fullmatch(name) else name
    secret = plain in secret_names or _SECRET_NAME.search(plain)
    held = unquote_plus(value)
    # Base64 has slashes, which divide nothing here; and a value may be a URL, or pairs, itself.
    if secret or _TOKEN.fullmatch(held.replace("/", "")) or _SECRET_PAIR.search(held):
        value = REDACTED
    return f"{quote(plain, safe='[]')}={value}"
