"""A name that has to be one of those that there are."""

from collections.abc import Collection
from typing import TypeVar

from resilient.config.spelling import did_you_mean
from resilient.testing.emulator.arguments import wrong_type

Name = TypeVar("Name", bound=str)


def one_of(known: Collection[Name], name: str, what: str) -> Name:
    """Return the known name that equals `name`.

    Args:
        known: The names that there are.
        name: What was given.
        what: What they are names of.

    Raises:
        TypeError: It is no text.
        ValueError: It is none of them; it says which there are, and which one was meant.
    """
    listing = ", ".join(known)
    if not isinstance(name, str):
        raise wrong_type(what, name, f"one of {listing}")
    for each in known:
        if each == name:
            return each
    hint = did_you_mean(name, known)
    there = f"{' There' if hint else '; there'} are {listing}"
    raise ValueError(f"there is no {what} {name!r}{hint}{there}")
