"""Single values: what a plain scalar, or a value that is typed already, must look like."""

from collections.abc import Callable, Mapping
from typing import Any

from resilient.config import schema, units
from resilient.config.spelling import did_you_mean
from resilient.config.yaml_source import Plain
from resilient.core.redact import without_user


class Mismatch(ValueError):
    """A value that is not what the schema wants; or a key, as `of` says."""

    of = "value"

    def __init__(self, found: object, expected: str) -> None:
        super().__init__(f"found {show(found)}, expected {expected}")


def show(value: object) -> str:
    """Return a found value as a person would name it, never more than a line of it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    quoted = isinstance(value, str) and not isinstance(value, Plain)
    text = without_user(str(value))
    text = text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004
    return f"the text {text!r}" if quoted else repr(text) if isinstance(value, str) else text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch(value, "text")
    return str(value)


def _filled(value: Any) -> str:
    if not _text(value).strip():
        raise Mismatch(value, "text that is not empty")
    return str(value)


def _integer(value: Any) -> int:
    found = units.integer(value) if isinstance(value, Plain) else value
    if type(found) is not int or abs(found) >= units.MOST:
        raise Mismatch(value, "a whole number")
    return found


def _float(value: Any) -> float:
    found: Any = units.number(value) if isinstance(value, Plain) else value
    if type(found) not in (int, float) or not units.is_finite(found):
        raise Mismatch(value, "a number")
    return float(found)


def _bool(value: Any) -> bool:
    words = {"true": True, "false": False}
    found = words.get(value) if isinstance(value, Plain) else value
    if type(found) is not bool:
        raise Mismatch(value, "true or false")
    return found


def _seconds(value: Any) -> float:
    if type(value) in (int, float) and 0 <= value <= units.LONGEST:
        return float(value)
    found = units.seconds(value) if isinstance(value, str) else None
    if found is None or _is_quoted_number(value):
        raise Mismatch(value, "a duration such as 200ms, 30s, 5m, 1h, 1d or a number of seconds")
    return found


def _is_quoted_number(value: Any) -> bool:
    # It is text; one with its unit can be meant in one way only.
    return type(value) is str and units.number(value.strip()) is not None


def _form(read: Callable[[str], Any], expected: str) -> Callable[[Any], Any]:
    def structure(value: Any) -> Any:
        found = read(value) if isinstance(value, str) and not _is_quoted_number(value) else None
        if found is None:
            raise Mismatch(value, expected)
        return found

    return structure


def _status(value: Any) -> int:
    found = units.integer(value) if isinstance(value, Plain) else value
    if type(found) is not int or not 100 <= found <= 599:  # noqa: PLR2004 - RFC 9110 section 15
        raise Mismatch(value, "an HTTP status, 100 to 599")
    return found


def _status_class(value: Any) -> Any:
    return _form(units.status_class, "a status such as 404, or a class such as 4xx")(
        Plain(value) if type(value) is int else value
    )


def _share(value: Any) -> Any:
    number = type(value) in (int, float) and units.is_finite(value)
    return str(
        _form(units.share, "a share such as 1/4, above 0 and at most 1")(
            Plain(value) if number else value
        )
    )


_SCOPES = ("credential", "ip", "host")


def _per_scope(value: Any) -> str:
    text = _text(value)
    for part in text.split("+"):
        if part not in _SCOPES:
            hint = did_you_mean(part, _SCOPES)
            raise Mismatch(value, f"{', '.join(_SCOPES)}, or several with + between{hint}")
    return text


SCALARS: dict[Any, tuple[Callable[[Any], Any], Any]] = {
    str: (_text, ""),
    int: (_integer, 1),
    float: (_float, 1.0),
    bool: (_bool, False),
    schema.Text: (_filled, "unread"),
    schema.PolicyName: (_filled, "none"),
    schema.Seconds: (_seconds, 1.0),
    schema.Status: (_status, 400),
    schema.StatusClass: (_status_class, "4xx"),
    schema.Share: (_share, "1"),
    schema.Host: (
        _form(units.host, "a host name, *.domain for its subdomains, maybe with :port"),
        "unread",
    ),
    schema.PerScope: (_per_scope, "credential"),
    schema.Word: (
        _form(units.word, "a short plain word: letters, digits, _ . and -"),
        "unread",
    ),
    schema.Method: (_form(units.method, "an HTTP method in capitals"), "GET"),
    schema.HeaderName: (
        _form(units.header, "a header's name, such as X-RateLimit-Remaining"),
        "unread",
    ),
    schema.Rate: (
        _form(units.rate, "a rate such as 7/s, 200/10s, 1200/min, 1600/h or 8000/day"),
        schema.Rate(calls=1_000_000_000, period=1.0),
    ),
}
"""How a value of each type is read, and what stands in for one that is faulty."""
