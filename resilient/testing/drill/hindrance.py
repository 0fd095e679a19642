"""What an emulated vendor does to a load: an error now and then, and a wait for everybody."""

import asyncio
from collections.abc import Iterator

import attrs

from resilient.catalog import Entry
from resilient.clock import Clock
from resilient.config.service import Service
from resilient.testing.drill.subject import hiccups, is_plain
from resilient.testing.emulator import Emulator

LONG = 12.0
"""Seconds from which on a load is long enough for two long waits."""

APART = 1.3
"""Seconds between errors: not those between attempts, or one call would meet them all."""

_UNAVAILABLE, _TOO_MANY = 503, 429


@attrs.frozen(kw_only=True)
class Hindrance:
    """What happens, and when.

    Attributes:
        errors: Seconds after the beginning at which the next request meets an error.
        waits: Seconds after the beginning at which the next one is told to wait.
        length: Seconds that it is told to wait.
    """

    errors: tuple[float, ...]
    waits: tuple[float, ...]
    length: float

    @classmethod
    def of(cls, seconds: float) -> "Hindrance":
        """Return what fits a load of so many seconds."""
        long = seconds >= LONG
        waits = (seconds / 3, seconds * 2 / 3) if long else (seconds / 2,)
        errors = tuple(0.5 + each * APART for each in range(int(seconds / APART)))
        return cls(errors=errors, waits=waits, length=2.0 if long else 1.0)

    async def happen(self, service: Service, emulator: Emulator) -> None:
        """Let it happen."""
        began = asyncio.get_running_loop().time()
        kinds: list[Entry | int] = [*hiccups(service.catalog)] or [_UNAVAILABLE]
        wait = wait_of(service)
        for number, (at, is_wait) in enumerate(self._moments()):
            await Clock.sleep(max(0.0, began + at - asyncio.get_running_loop().time()))
            if is_wait:
                emulator.script(wait, retry_after=self.length)
            else:
                emulator.script(kinds[number % len(kinds)])

    def _moments(self) -> Iterator[tuple[float, bool]]:
        yield from sorted([(at, False) for at in self.errors] + [(at, True) for at in self.waits])


def wait_of(service: Service) -> Entry | int:
    """Return what the vendor says to who shall wait: for all calls, not for one endpoint's."""
    for entry in service.catalog.entries:
        if (
            is_plain(entry)
            and asks_to_wait(service, entry)
            and service.catalog.scope_of(entry) != "endpoint"
        ):
            return entry
    return _TOO_MANY


def asks_to_wait(service: Service, entry: Entry) -> bool:
    """Tell whether an answer pauses its scope."""
    policy = service.policies.get(entry.policy)  # `none` is in no set of policies
    return policy is not None and policy.action == "back_off"
