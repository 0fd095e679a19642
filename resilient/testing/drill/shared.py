"""What a drill of several processes has seen, counted from the emulators' own logs."""

from typing import Any

import attrs

from resilient.testing.drill.result import LimitUse


@attrs.frozen(kw_only=True)
class ProcessUse:
    """What one process did with one service.

    Attributes:
        number: The process, from 1.
        calls: Calls that were answered well.
        sent: Requests that reached the emulator.
        refused: Of these, how many it refused for a limit or a ban.
        retried: Attempts after the first.
        failed: Calls that were given up, or not made for a block.
        waited: Seconds that a call took on average: nearly all of it waiting for its turn.
        share: Its part of all requests.
    """

    number: int
    calls: int
    sent: int
    refused: int
    retried: int
    failed: int
    waited: float
    share: float


@attrs.frozen(kw_only=True)
class PauseSeen:
    """That one process was told to wait, and what all made of it.

    Attributes:
        process: Who was told.
        at: Seconds after the beginning.
        seconds: How long to wait.
        last: Seconds after which the last call came that was on its way.
        late: Calls that came when all should have known.
        silent: Seconds until the next call; None: none came.
    """

    process: int
    at: float
    seconds: float
    last: float
    late: int
    silent: float | None


@attrs.frozen(kw_only=True)
class SharedResult:
    """The drill of one service by several processes.

    Attributes:
        limits: Where the load was shorter than a limit's window, what the load may hold.
        bans: Bans that the emulator pronounced.
        faults: What else was not as it should be, each a sentence.
    """

    service: str
    catalog: str
    processes: tuple[ProcessUse, ...]
    limits: tuple[LimitUse, ...]
    pauses: tuple[PauseSeen, ...]
    bans: int
    faults: tuple[str, ...]

    @property
    def sent(self) -> int:
        """Requests that reached the emulator."""
        return sum(each.sent for each in self.processes)

    @property
    def refused(self) -> int:
        """Requests that it refused for a limit or a ban."""
        return sum(each.refused for each in self.processes)

    @property
    def passed(self) -> bool:
        """Whether all processes together kept to what one may do."""
        kept = all(each.holds for each in self.limits) and not (self.refused or self.bans)
        return kept and not self.faults and not any(each.late for each in self.pauses)

    def asdict(self) -> dict[str, Any]:
        """Return it as plain data."""
        limits = [{**attrs.asdict(limit), "holds": limit.holds} for limit in self.limits]
        more = {"sent": self.sent, "refused": self.refused, "passed": self.passed}
        return {**attrs.asdict(self), "limits": limits, **more}


@attrs.frozen(kw_only=True)
class SharedDrill:
    """A drill of several processes.

    Attributes:
        store: Where they keep the limits together, without secrets; None: nowhere.
        processes: How many there were.
        seconds: How long they called.
        scripts: Script calls that the store ran for each request; None: it does not tell.
        late: The most seconds by which the emulators' own process was late.
        faults: What was not as it should be, for all services.
    """

    store: str | None
    processes: int
    seconds: float
    services: tuple[SharedResult, ...] = ()
    scripts: float | None = None
    late: float = 0.0
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all went as it should."""
        return bool(self.services) and not self.faults and all(x.passed for x in self.services)

    def asdict(self) -> dict[str, Any]:
        """Return it as plain data."""
        services = [each.asdict() for each in self.services]
        return {"passed": self.passed, **attrs.asdict(self), "services": services}
