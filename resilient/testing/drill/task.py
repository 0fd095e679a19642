"""What the processes of a drill are told to do, and what they tell when it is done."""

from collections.abc import Mapping
from typing import Any

import attrs

from resilient.config.service import Config

PROCESS = "X-Drill-Process"
"""The request header with the number of the process that sends it."""


@attrs.frozen(kw_only=True)
class Task:
    """What one process does.

    Attributes:
        number: Its own, from 1.
        config: Services that are sent to emulators, and the store.
        tokens: By service, the pair that signs its calls; empty where it needs none.
        seconds: For how long it calls.
        callers: How many calls it makes at a time, of each kind.
    """

    number: int
    config: Config
    tokens: Mapping[str, dict[str, Any]] = attrs.field(repr=False)
    seconds: float
    callers: int


@attrs.define(kw_only=True)
class Work:
    """What one process did with one service.

    Attributes:
        calls: Calls that were answered well.
        waited: Seconds that these took together: nearly all of it waiting for their turn.
        retried: Attempts after the first.
        failures: Why calls failed.
    """

    calls: int = 0
    waited: float = 0.0
    retried: int = 0
    failures: list[str] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class Done:
    """What one process did.

    Attributes:
        work: By service.
        without_store: Why it went on without the store, each time.
    """

    work: dict[str, Work]
    without_store: list[str] = attrs.field(factory=list)
