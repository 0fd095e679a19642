"""Texts with a unit or a form: durations, rates, shares, hosts, words, methods."""

import math
import re
from fractions import Fraction

from resilient.config.schema import Rate

_DURATION = re.compile(r"((?:0|[1-9]\d{0,8})(?:\.\d{1,6})?)\s*+(ms|s|m|h|d)?", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
_RATE = re.compile(
    r"([1-9]\d{0,8})\s*+/\s*+([1-9]\d{0,5})?\s*+(ms|sec|s|min|m|hour|h|day|d)",
    re.ASCII | re.IGNORECASE,
)
_PERIODS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_PERIODS |= {"hour": 3600.0, "d": 86400.0, "day": 86400.0}
_LABEL = r"[a-z0-9_][a-z0-9_-]{0,62}"
_HOST = re.compile(
    rf"(?:(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:.]{{2,45}}\])(?::([1-9]\d{{0,4}}))?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST_HOST = 253 + len("*.:65535")
_SHARE = re.compile(r"[1-9]\d{0,5}/[1-9]\d{0,5}|(?:0|1)(?:\.\d{1,9})?", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)
_METHOD = re.compile(r"[A-Z]{1,20}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,63}", re.ASCII)
_INTEGER = re.compile(r"0|-?[1-9]\d{0,11}", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,11})(?:\.\d{1,9})?", re.ASCII)
_STATUS_CLASS = re.compile(r"[1-5](?:xx|\d\d)", re.ASCII)

MOST = 10**12
"""What whole numbers stay below."""

LONGEST = 1e9
"""Seconds: the longest duration, over 30 years; dates further off cannot be counted on."""


def integer(text: str) -> int | None:
    """Return `600` as a number; `012`, `1_000` and `6e2` are none."""
    return int(text) if _INTEGER.fullmatch(text) else None


def number(text: str) -> float | None:
    """Return `0.5` as a number; `.5`, `1e3`, `nan` and `012` are none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def seconds(text: str) -> float | None:
    """Return `1.5h` in seconds, or None."""
    match = _DURATION.fullmatch(text.strip())
    found = float(match[1]) * _SECONDS[match[2]] if match else LONGEST + 1
    return found if found <= LONGEST else None


def rate(text: str) -> Rate | None:
    """Return `200/10s` as calls and seconds, or None."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        return None
    return Rate(calls=int(match[1]), period=int(match[2] or 1) * _PERIODS[match[3].lower()])


def share(text: str) -> Fraction | None:
    """Return `1/4` or `0.25` as a fraction in (0, 1], or None."""
    part = Fraction(text) if _SHARE.fullmatch(text) else Fraction(0)
    return part if 0 < part <= 1 else None


def host(text: str) -> str | None:
    """Return a host pattern in lower case, or None."""
    match = _HOST.fullmatch(text) if len(text) <= _LONGEST_HOST else None
    port = match and match[1]
    return text.lower() if match and (not port or int(port) < 65536) else None  # noqa: PLR2004


def word(text: str) -> str | None:
    """Return a short plain word, or None."""
    return text if _WORD.fullmatch(text) else None


def method(text: str) -> str | None:
    """Return an HTTP method, or None."""
    return text if _METHOD.fullmatch(text) else None


def header(text: str) -> str | None:
    """Return a header's name, or None."""
    return text if _HEADER.fullmatch(text) else None


def status_class(text: str) -> str | None:
    """Return `404` or `4xx`, or None."""
    return text.lower() if _STATUS_CLASS.fullmatch(text.lower()) else None


def is_finite(value: float) -> bool:
    """Tell whether a number is one that can be counted with."""
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False
