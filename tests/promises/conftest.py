"""What the promises are tested with: sizes, and figures."""

from collections.abc import Callable
from typing import Protocol

import pytest


class Scale(Protocol):
    """Chooses a size: small in every run, large under `--soak`."""

    def __call__(self, quick: int, soak: int) -> int:
        """Return one of the two."""
        ...


class Figure(Protocol):
    """Notes a measured figure of a promise, for the table at the end of a soak run."""

    def __call__(self, row: str, what: str, value: object, *, of: object = "") -> None:
        """Note that `what` of a row of docs/guarantees.md was `value`, among `of`."""
        ...


@pytest.fixture
def scale(request: pytest.FixtureRequest) -> Scale:
    """Return the size to use: `scale(quick, soak)`."""
    soaking = bool(request.config.getoption("--soak"))

    def choose(quick: int, soak: int) -> int:
        return soak if soaking else quick

    return choose


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Return what notes a figure: `figure("A1", "windows over N", 0, of=steps)`."""

    def note(row: str, what: str, value: object, *, of: object = "") -> None:
        among = f" of {_shown(of)}" if of != "" else ""
        record_property("figure", f"{row}\t{what}: {_shown(value)}{among}")

    return note


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
