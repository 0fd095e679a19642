"""What a drill has seen, counted from events and from the emulator's own log."""

from collections import Counter
from typing import Any

import attrs

from resilient.events import Event


@attrs.frozen(kw_only=True)
class LimitUse:
    """What one limit saw of one scope.

    Attributes:
        most: The most calls in any window.
        used: Share of the limit that the saturating load reached, or None if it was too short.
    """

    name: str
    scope: str
    calls: int
    period: float
    most: int
    refused: int
    used: float | None

    @property
    def holds(self) -> bool:
        """Whether no window held more than the limit allows, and no call was refused for it."""
        return self.most <= self.calls and not self.refused


@attrs.frozen(kw_only=True)
class Result:
    """The drill of one service.

    Attributes:
        entries: Documented errors of the catalog.
        exercised: Of these, how many were answered at least once.
        policies: How many errors each policy reacted to.
        calls: Calls made by the drill.
        attempts: Requests that reached the emulator.
        blocks_avoided: Bans foreseen: sending stopped one refusal before.
        bans: Bans that the emulator pronounced.
        faults: What was not as it should be, each a sentence.
    """

    service: str
    catalog: str
    entries: int
    exercised: int
    policies: dict[str, int]
    calls: int
    attempts: int
    retries: int
    reauths: int
    pauses: int
    blocks: int
    blocks_avoided: int
    bans: int
    virtual_seconds: float
    limits: tuple[LimitUse, ...]
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every error got its reaction, and every limit was kept."""
        return not self.faults and all(limit.holds for limit in self.limits)

    def asdict(self) -> dict[str, Any]:
        """Return it as plain data."""
        limits = [{**attrs.asdict(limit), "holds": limit.holds} for limit in self.limits]
        return {**attrs.asdict(self), "limits": limits, "passed": self.passed}


@attrs.define(eq=False)
class Tale:
    """The listener that counts."""

    counts: Counter[str] = attrs.field(factory=Counter)

    def __call__(self, event: Event) -> None:
        """Count an event; of a block that was foreseen, the warning alone."""
        self.counts[event.name] += 1
        if event.name == "resilient.block_warning" and "in a row" in (event.reason or ""):
            self.counts["foreseen"] += 1
