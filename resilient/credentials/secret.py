"""Which text may be a secret's value: none that could end a header and begin another."""

import re
from typing import Any

# Controls, and halves of surrogate pairs, which cannot be encoded.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Concealed(dict[str, Any]):
    """Secrets by name, which error reports that show local variables do not show."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


class ConcealedBytes(bytes):
    """Secrets as bytes, which such reports do not show either."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


def checked(value: object, what: str) -> str:
    """Return `value` if it is text that can be sent; the value is never in the message.

    Raises:
        ValueError: It is no text, empty, or has control characters.
    """
    if not isinstance(value, str):
        raise ValueError(f"{what} is {type(value).__name__}, expected text")  # noqa: TRY004
    if not value.strip():
        raise ValueError(f"{what} is empty")
    if _FORBIDDEN.search(value):
        raise ValueError(f"{what} has control characters, perhaps a line break at its end")
    return value
