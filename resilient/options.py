"""What a caller says about the calls inside a `with` block."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal

import attrs
from attrs.validators import ge, instance_of, optional


@attrs.frozen(kw_only=True)
class Options:
    """What was said, the inner block over the outer one.

    Attributes:
        deadline: The earliest end of all blocks, on the loop's clock.
    """

    idempotent: bool | None = attrs.field(default=None, validator=optional(instance_of(bool)))
    deadline: float = float("inf")
    cost: int = attrs.field(default=1, validator=[instance_of(int), ge(1)])
    credential: str | None = None
    service: str | None = None
    on_error: Literal["raise", "return"] | None = None


NONE: Final = Options()
"""What holds where nothing was said."""

_current: ContextVar[Options] = ContextVar("resilient_options", default=NONE)


current = _current.get
"""Returns what holds for a call that begins now."""


@contextmanager
def options(
    *,
    idempotent: bool | None = None,
    timeout: float | None = None,
    cost: int | None = None,
    credential: str | None = None,
    service: str | None = None,
    on_error: Literal["raise", "return"] | None = None,
) -> Iterator[None]:
    """Say something about the calls that are made inside the block.

    It holds for the current task and what it starts, so it is safe under `gather`. Blocks
    nest: what the inner one leaves out is as outside, and of two timeouts the earlier end
    counts.

    Args:
        idempotent: Whether the calls may be processed twice: it decides over the method.
        timeout: Seconds from the beginning of the block, waits included.
        cost: How many calls of the limit each counts for.
        credential: The name of the credential.
        service: The service, where several fit.
        on_error: `return` hands back the response of an error instead of raising.

    Raises:
        ValueError: A value makes no sense.
    """
    outer = _current.get()
    if on_error not in (None, "raise", "return"):
        raise ValueError(f"on_error is 'raise' or 'return', not {on_error!r}")
    inner = Options(
        idempotent=outer.idempotent if idempotent is None else idempotent,
        deadline=outer.deadline if timeout is None else min(outer.deadline, _end(timeout)),
        cost=outer.cost if cost is None else cost,
        credential=credential or outer.credential,
        service=service or outer.service,
        on_error=on_error or outer.on_error,
    )
    token = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def using(variable: ContextVar[Any], value: object) -> Iterator[None]:
    """Set a variable, and no options, for what is started inside: it is not the caller's."""
    tokens = variable.set(value), _current.set(NONE)
    try:
        yield
    finally:
        variable.reset(tokens[0])
        _current.reset(tokens[1])


def _end(timeout: float) -> float:
    if not timeout > 0:
        raise ValueError(f"a timeout of {timeout!r}: it must be above 0 seconds")
    return asyncio.get_running_loop().time() + timeout
