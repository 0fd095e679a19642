"""The method that requests are scripted for."""

import re

from resilient.config.spelling import is_a_slip
from resilient.testing.emulator.arguments import wrong_type, wrong_value

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_USUAL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
_TAKES = "a method, such as 'GET', or None for all"


def method_of(name: str) -> str:
    """Return a method in upper case, as aiohttp sends it.

    Raises:
        TypeError: It is no text.
        ValueError: No request has such a method, or it is a slip of the pen for a usual one.
    """
    if not isinstance(name, str):
        raise wrong_type("method", name, _TAKES)
    if not _TOKEN.fullmatch(name):
        raise wrong_value("method", name, _TAKES)
    upper = name.upper()
    meant = next((each for each in _USUAL if is_a_slip(upper, each)), upper)
    if upper not in _USUAL and meant != upper:
        raise ValueError(f"there is no method {name!r}; did you mean {meant!r}?")
    return upper
