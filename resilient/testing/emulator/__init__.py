"""A vendor's API, emulated on the loopback from its catalog."""

from resilient.testing.emulator.bans import Banned
from resilient.testing.emulator.faults import (
    FAULTS,
    Close,
    Drip,
    Endless,
    Fault,
    GzipBomb,
    HtmlPage,
    Reset,
    StalledBody,
    StalledHead,
    Truncated,
    WrongType,
)
from resilient.testing.emulator.limits import Tally
from resilient.testing.emulator.received import Received
from resilient.testing.emulator.render import (
    Answer,
    NotRenderable,
    Rendering,
    entry_key,
    renderings,
)
from resilient.testing.emulator.retry_after import RetryAfter
from resilient.testing.emulator.scripts import Script
from resilient.testing.emulator.server import Emulator

__all__ = [
    "FAULTS",
    "Answer",
    "Banned",
    "Close",
    "Drip",
    "Emulator",
    "Endless",
    "Fault",
    "GzipBomb",
    "HtmlPage",
    "NotRenderable",
    "Received",
    "Rendering",
    "Reset",
    "RetryAfter",
    "Script",
    "StalledBody",
    "StalledHead",
    "Tally",
    "Truncated",
    "WrongType",
    "entry_key",
    "renderings",
]
