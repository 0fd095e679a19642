"""Makes an order of what a test says, or says what is wrong with it."""

from typing import Any

import attrs

from resilient.catalog import Catalog, Entry
from resilient.config.spelling import did_you_mean
from resilient.testing.emulator.arguments import header, seconds, status, wrong_type
from resilient.testing.emulator.choice import Choice
from resilient.testing.emulator.conditions import Latency, latency_of
from resilient.testing.emulator.faults import Fault, fault_of
from resilient.testing.emulator.method import method_of
from resilient.testing.emulator.places import may_be_called
from resilient.testing.emulator.retry_after import FORMS, Form, RetryAfter
from resilient.testing.emulator.scripts import Order, What


@attrs.frozen
class Ordering:
    """Makes orders for the vendor of a catalog.

    Attributes:
        catalog: The catalog.
        choice: Knows its entries.
        form: In which Retry-After is written unless told.
    """

    catalog: Catalog
    choice: Choice
    form: Form

    def __call__(
        self,
        what: What,
        *,
        endpoint: str | None,
        method: str | None,
        latency: Latency | None,
        fault: Fault | str | None,
        retry_after: float | str | RetryAfter | None,
        **counts: Any,
    ) -> Order:
        """Return an order; the arguments are those of `Emulator.script`.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: One is no such thing as it takes, or the catalog does not know it.
        """
        return Order(
            entries=self._entries(what),
            status=what if isinstance(what, int) else None,
            endpoint=self._endpoint(endpoint),
            method=None if method is None else method_of(method),
            latency=None if latency is None else latency_of(latency),
            fault=None if fault is None else fault_of(fault),
            retry_after=self._header(retry_after),
            **counts,
        )

    def _entries(self, what: What) -> tuple[Entry, ...]:
        if what is None:
            return ()
        if not isinstance(what, Entry | str):
            more = ", an entry, its key, a code, a name, or None"
            status("what", what, more=more)
        return self.choice.named(what)

    def _endpoint(self, name: str | None) -> str | None:
        if name is None:
            return None
        if not isinstance(name, str):
            raise wrong_type("endpoint", name, "a name of the catalog's, or None for all")
        known = self.catalog.endpoints
        if not any(may_be_called(each, name) for each in known):
            hint = did_you_mean(name, [each.name for each in known])
            raise ValueError(f"catalog {self.catalog.name} has no endpoint {name!r}{hint}")
        return name

    def _header(self, wait: float | str | RetryAfter | None) -> RetryAfter | str | None:
        if wait is None or isinstance(wait, RetryAfter):
            return wait
        if not isinstance(wait, str):
            return RetryAfter(seconds("retry_after", wait), self.form)
        if wait in FORMS:
            raise ValueError(f"{wait!r} needs the seconds: RetryAfter(30, {wait!r})")
        return header("retry_after", wait)
