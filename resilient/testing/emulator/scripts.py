"""What a test has ordered: which requests, how many of them, and what they meet."""

from collections.abc import Callable
from typing import TypeAlias

import attrs

from resilient.catalog import Entry
from resilient.testing.emulator.arguments import checked, whole
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.conditions import Latency, Range
from resilient.testing.emulator.faults import Fault
from resilient.testing.emulator.retry_after import RetryAfter

What: TypeAlias = Entry | str | int | None
"""An entry, its key, a reported code, a name, an HTTP status; None: no error of the script's."""


@attrs.frozen(kw_only=True)
class Order:
    """What is to happen to requests that match.

    Attributes:
        entries: Of these the one that fits the request is said; none: see `status`.
        status: The HTTP status that was asked for; None, and no entries: the answer is left
            as it would have been.
        endpoint: Only requests of this endpoint.
        method: Only requests with this method.
        times: How many requests; None: all.
        after: How many matching requests pass before.
        retry_after: The header, or its text.
        latency: The range of seconds before the reply; None: as always.
        fault: What happens to the reply on the wire.
    """

    entries: tuple[Entry, ...] = ()
    status: int | None = None
    endpoint: str | None = None
    method: str | None = None
    times: int | None = attrs.field(
        default=1, validator=checked(whole, or_none=True, least=1, more=", or None for all")
    )
    after: int = attrs.field(default=0, validator=checked(whole))
    retry_after: RetryAfter | str | None = None
    latency: Range | None = None
    fault: Fault | None = None

    def fits(self, asked: Asked) -> bool:
        """Tell whether it is meant for a request."""
        return self.endpoint in (None, asked.endpoint) and self.method in (None, asked.method)


@attrs.define(eq=False)
class Script:
    """What was ordered by `Emulator.script`, and how far it has got.

    Attributes:
        used: How many requests have met it.
    """

    _scripts: "Scripts" = attrs.field(repr=False)
    order: Order
    used: int = attrs.field(default=0, init=False)
    _passed: int = attrs.field(default=0, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _next: "Script | None" = attrs.field(default=None, init=False, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether no further request will meet it."""
        return self._ended or self.used == self.order.times

    def then(
        self,
        what: What,
        *,
        endpoint: str | None = None,
        method: str | None = None,
        times: int | None = 1,
        after: int = 0,
        retry_after: float | str | RetryAfter | None = None,
        latency: Latency | None = None,
        fault: Fault | str | None = None,
    ) -> "Script":
        """Order what follows when this one is used up; return that.

        The arguments are those of `Emulator.script`; endpoint and method are those of this
        one unless given.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: This one is followed already, or the catalog has no such entry.
        """
        if self._next is not None:
            raise ValueError("this script is followed already: call then() on what follows it")
        self._next = self._scripts.made(
            what,
            endpoint=endpoint or self.order.endpoint,
            method=method or self.order.method,
            times=times,
            after=after,
            retry_after=retry_after,
            latency=latency,
            fault=fault,
        )
        if self.is_over:
            self._scripts.add(self._next)
        return self._next

    def end(self) -> None:
        """Use it up, as one for all requests is not by itself; what follows begins."""
        if not self.is_over:
            self._ended = True
            self._scripts.replace(self, self._next)

    def is_due(self) -> bool:
        """Tell whether enough requests have passed."""
        return self._passed >= self.order.after

    def let_pass(self) -> None:
        """Count a matching request that did not meet it."""
        self._passed += 1

    def meet(self) -> None:
        """Count a request that meets it."""
        self.used += 1
        if self.is_over:
            self._scripts.replace(self, self._next)


class Scripts:
    """The scripts that are not used up, in the order in which they were given.

    Args:
        ordering: Makes an order of what a test says, or raises ValueError or TypeError.
    """

    def __init__(self, ordering: Callable[..., Order]) -> None:
        self._ordering = ordering
        self._current: list[Script] = []

    def made(self, what: What, **how: object) -> Script:
        """Return a script that does not run yet.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The catalog has no such entry or endpoint.
        """
        return Script(self, self._ordering(what, **how))

    def add(self, script: Script) -> Script:
        """Let a script run."""
        self._current.append(script)
        return script

    def replace(self, script: Script, by: Script | None) -> None:
        """Let what follows a script run in its place."""
        at = self._current.index(script)
        self._current[at : at + 1] = [by] if by is not None else []

    def due(self, asked: Asked) -> Script | None:
        """Return the script that a request would meet."""
        return next((each for each in self._fitting(asked) if each.is_due()), None)

    def take(self, asked: Asked) -> Order | None:
        """Return what a request meets, and count it."""
        if not self._current:
            return None
        met = self.due(asked)
        for each in self._fitting(asked):
            if each is not met:
                each.let_pass()
        if met is None:
            return None
        met.meet()
        return met.order

    def _fitting(self, asked: Asked) -> list[Script]:
        return [each for each in self._current if each.order.fits(asked)]
