"""A vendor's API, emulated on the loopback from its catalog.

The way of a request: `wire` has the sockets, and `arrival` divides the bytes that come over them.
`responder` makes it a request as the vendor sees it (`asked`), has `vendor` give the `answer`,
keeps both (`received`), and sends the answer as a `reply`, by `delivery`.
`vendor` knows `limits`, `bans`, `tokens` and the `scripts` of a test, whose words `ordering`
reads; `choice` finds it the entry of the catalog, which `render` says in an envelope, as a
`document`.
`conditions` and `faults` are what the network does to the reply.
"""

from resilient.testing.emulator.answer import Answer
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
from resilient.testing.emulator.render import NotRenderable, Rendering, entry_key, renderings
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
