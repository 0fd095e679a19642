"""A vendor's API, emulated on the loopback from its catalog."""

from resilient.testing.emulator.bans import Banned
from resilient.testing.emulator.limits import Tally
from resilient.testing.emulator.render import (
    Answer,
    NotRenderable,
    Rendering,
    entry_key,
    renderings,
)
from resilient.testing.emulator.server import Emulator, Received

__all__ = [
    "Answer",
    "Banned",
    "Emulator",
    "NotRenderable",
    "Received",
    "Rendering",
    "Tally",
    "entry_key",
    "renderings",
]
