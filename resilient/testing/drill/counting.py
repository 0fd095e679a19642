"""From an emulator's log to what each process did, each limit held, and each pause stopped."""

from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from resilient.config.service import Service
from resilient.core.pacing import Bucket, pace
from resilient.testing.drill.hindrance import asks_to_wait
from resilient.testing.drill.result import LimitUse
from resilient.testing.drill.shared import PauseSeen, ProcessUse, SharedResult
from resilient.testing.drill.task import PROCESS, Done
from resilient.testing.emulator import Emulator, Received, Tally

ON_ITS_WAY = 0.5
"""Seconds after which what was sent before a pause was heard has arrived on any machine."""


@attrs.frozen(kw_only=True)
class Count:
    """The log of one service's emulator, and what the processes say.

    Attributes:
        dones: Of each process, in order.
        start: When they began, on the emulator's clock.
        wait: Seconds that they were told to wait when they were.
    """

    service: Service
    emulator: Emulator
    dones: Sequence[Done]
    start: float
    wait: float

    @property
    def length(self) -> float:
        """Seconds from the beginning until the last request came: each was let go within them."""
        return max((each.time for each in self.emulator.requests), default=self.start) - self.start

    def result(self) -> SharedResult:
        """Return what it comes to."""
        processes, pauses = tuple(self._processes()), tuple(self._pauses())
        busy = self.length - sum(each.silent or 0.0 for each in pauses)
        return SharedResult(
            service=self.service.name,
            catalog=self.service.catalog.name,
            processes=processes,
            limits=tuple(self._use(each, busy) for each in self.emulator.tallies),
            pauses=pauses,
            bans=len(self.emulator.bans),
            faults=tuple(self._faults(processes)),
        )

    def _processes(self) -> Iterator[ProcessUse]:
        log = self.emulator.requests
        sent = Counter(map(_process, log))
        refused = Counter(_process(each) for each in log if each.why in ("limit", "ban"))
        for number, done in enumerate(self.dones, 1):
            work = done.work[self.service.name]
            yield ProcessUse(
                number=number,
                calls=work.calls,
                sent=sent[number],
                refused=refused[number],
                retried=work.retried,
                failed=len(work.failures),
                waited=work.waited / max(1, work.calls),
                share=sent[number] / max(1, len(log)),
            )

    def _faults(self, processes: Sequence[ProcessUse]) -> Iterator[str]:
        texts = [text for each in self.dones for text in each.work[self.service.name].failures]
        # Errors were ordered, and a policy may give up on some.
        ordered = sum(each.why == "script" for each in self.emulator.requests)
        if len(texts) > ordered:
            yield f"{len(texts)} calls failed, with {ordered} errors ordered: {texts[0]}"
        for each in processes:
            if not each.sent:
                yield f"process {each.number} never had its turn"

    def _pauses(self) -> Iterator[PauseSeen]:
        log = list(self.emulator.requests)
        for index, each in enumerate(log):
            if each.why == "script" and each.entry and asks_to_wait(self.service, each.entry):
                yield self._pause(each, [later.time - each.time for later in log[index + 1 :]])

    def _pause(self, told: Received, later: Sequence[float]) -> PauseSeen:
        on_its_way = [after for after in later if after < self.wait]
        return PauseSeen(
            process=_process(told),
            at=told.time - self.start,
            seconds=self.wait,
            last=max((after for after in on_its_way if after < ON_ITS_WAY), default=0.0),
            late=sum(after >= ON_ITS_WAY for after in on_its_way),
            silent=next((after for after in later if after >= self.wait), None),
        )

    def _use(self, tally: Tally, busy: float) -> LimitUse:
        limit, found = tally.limit, pace(tally.limit)
        calls, period, used = limit.calls, limit.period, None
        if isinstance(found, Bucket):
            came = sum(limit.endpoint in (None, each.endpoint) for each in self.emulator.requests)
            used = came / (1 + found.rate * busy)
            if period > self.length:
                # What one pace for all lets go in less than the limit's window.
                period = round(self.length, 1)
                calls = int(found.capacity + found.rate * self.length)
        return LimitUse(
            name=limit.name,
            scope=tally.scope,
            calls=calls,
            period=period,
            most=tally.most,
            refused=tally.refused,
            used=used,
        )


def _process(received: Received) -> int:
    return int(received.headers.get(PROCESS, "0"))
