"""What arguments may be; what they may not is said with its name, and what was found.

Of the wrong type they are a TypeError, of the wrong value a ValueError.
"""

import math
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from resilient.config.units import LONGEST

if TYPE_CHECKING:
    import attrs

_LOWEST_STATUS, _HIGHEST_STATUS = 200, 599
_HIGHEST_PORT = 65535

Validator: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def checked(check: Callable[..., object], *, or_none: bool = False, **keys: Any) -> Validator:
    """Return a check of an argument as a validator of attrs."""

    def validate(_: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if value is not None or not or_none:
            check(field.name, value, **keys)

    return validate


def wrong_type(name: str, value: object, takes: str) -> TypeError:
    """Return the error of an argument that is no such thing."""
    return TypeError(_told(name, value, takes))


def wrong_value(name: str, value: object, takes: str) -> ValueError:
    """Return the error of an argument that is one, and will not do."""
    return ValueError(_told(name, value, takes))


def flag(name: str, value: object) -> bool:
    """Return a switch."""
    if not isinstance(value, bool):
        raise wrong_type(name, value, "True or False")
    return value


def whole(
    name: str, value: object, *, least: int = 0, most: float = math.inf, more: str = ""
) -> int:
    """Return a whole number that is large enough.

    Args:
        name: The argument.
        value: What was given.
        least: The smallest that will do.
        most: The largest.
        more: What else it takes, such as `, or None for all`.
    """
    above = f"{least} or more" if most == math.inf else f"{least} to {most:g}"
    takes = f"a whole number, {above}{more}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, value, takes)
    if not least <= value <= most:
        raise wrong_value(name, value, takes)
    return value


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number; True and False are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(name: str, value: object, takes: str, *, most: float = LONGEST) -> float:
    """Return a number from 0; one that is none, or not finite, is not."""
    if not is_number(value):
        raise wrong_type(name, value, takes)
    if not 0 <= value <= most:
        raise wrong_value(name, value, takes)
    return value


def seconds(name: str, value: object, *, most: float = LONGEST) -> float:
    """Return a time."""
    return number(name, value, f"a number of seconds, 0 to {most:.0f}", most=most)


def share(name: str, value: object) -> float:
    """Return a part of a whole."""
    return number(name, value, "a share from 0 to 1", most=1)


def status(name: str, value: object, *, more: str = "") -> int:
    """Return an HTTP status that can end an exchange: 1xx are interim."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, value, _statuses(more))
    if not is_status(value):
        raise wrong_value(name, value, _statuses(more))
    return value


def is_status(value: int) -> bool:
    """Tell whether a number is a status that can end an exchange."""
    return _LOWEST_STATUS <= value <= _HIGHEST_STATUS


def header(name: str, value: object) -> str:
    """Return what can be the value of a header: other text would be another header."""
    takes = "the text of a header: ASCII, without line breaks and other control characters"
    if not isinstance(value, str):
        raise wrong_type(name, value, takes)
    if not value.isascii() or not value.replace("\t", " ").isprintable():
        raise wrong_value(name, value, takes)
    return value


def port_number(name: str, value: object) -> int:
    """Return a port, 0 for a free one."""
    return whole(name, value, most=_HIGHEST_PORT)


def loopback(name: str, value: object) -> str:
    """Return an address of this machine that no other machine reaches."""
    if not isinstance(value, str):
        raise wrong_type(name, value, "an address of the loopback, such as '127.0.0.1'")
    if value != "localhost" and not _is_loopback(value):
        raise ValueError(
            f"{name} is {value!r}, which is not the loopback: an emulator is for this machine, "
            "such as '127.0.0.1'"
        )
    return value


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _statuses(more: str) -> str:
    return f"an HTTP status from {_LOWEST_STATUS} to {_HIGHEST_STATUS}{more}"


def _told(name: str, value: object, takes: str) -> str:
    return f"{name} is {value!r}: it takes {takes}"
