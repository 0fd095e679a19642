"""The catalogs and policy sets that are shipped."""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

Kind = Literal["catalogs", "policies"]

_CHECKOUT = Path(__file__).resolve().parents[2]


def builtin(kind: Kind) -> Traversable:
    """Return the directory of what is shipped: in the package, else beside it in a checkout.

    Raises:
        FileNotFoundError: It is in neither place: the installation is broken.
    """
    for place in (files("resilient").joinpath(kind), _CHECKOUT / kind):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the built-in {kind} are missing from this installation of resilient")


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """Return the names of what is shipped, sorted."""
    files_ = (each.name for each in builtin(kind).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files_ if name.endswith(".yaml")))
