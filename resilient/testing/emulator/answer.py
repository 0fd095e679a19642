"""What the vendor says to one request, before it is put on the wire."""

from collections.abc import Mapping

import attrs

from resilient.catalog import Entry, Format
from resilient.core.envelope import BODILESS
from resilient.testing.emulator.conditions import Range
from resilient.testing.emulator.document import CONTENT_TYPES
from resilient.testing.emulator.faults import Fault


@attrs.frozen(kw_only=True)
class Answer:
    """A response.

    Attributes:
        form: How the body is written.
        entry: What it says; None for a success.
        envelope: The name of the envelope; None for a body of no envelope.
        why: What made the emulator answer so.
        retry_after: The header's value, or None.
        hints: Headers that say how the limits stand.
        latency: Between which seconds it is sent; None: as always.
        fault: What happens to it on the wire, or None.
    """

    status: int
    form: Format
    body: bytes
    entry: Entry | None = None
    envelope: str | None = None
    why: str = ""
    retry_after: str | None = None
    hints: Mapping[str, str] = attrs.field(factory=dict)
    latency: Range | None = None
    fault: Fault | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The response's headers."""
        fields = {"Content-Type": CONTENT_TYPES[self.form]} if self.body else {}
        waits = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return {**fields, **self.hints, **waits}


def bare(status: int, entry: Entry | None = None) -> Answer:
    """Return an answer that says its status and no more."""
    if status in BODILESS:
        return Answer(status=status, form="text", body=b"", entry=entry)
    name = entry.name if entry else "Error"
    return Answer(status=status, form="text", body=f"{status} {name}".encode(), entry=entry)
