"""For tests, ours and yours: a vendor that answers as its catalog says, and time that jumps."""

from resilient.testing.emulator import (
    Answer,
    Banned,
    Emulator,
    NotRenderable,
    Received,
    Rendering,
    Tally,
    entry_key,
    renderings,
)
from resilient.testing.events import EventCapture
from resilient.testing.loop import VirtualTimeLoop, run

__all__ = [
    "Answer",
    "Banned",
    "Emulator",
    "EventCapture",
    "NotRenderable",
    "Received",
    "Rendering",
    "Tally",
    "VirtualTimeLoop",
    "entry_key",
    "renderings",
    "run",
]
