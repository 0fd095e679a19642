"""This library: what a call awaits between its request and its sending, and then its success."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import resilient
from benchmarks.shared.model import Limit
from benchmarks.shared.peers import PATIENCE, Acquire
from resilient.clock import Clock
from resilient.config.service import Config
from resilient.model import Block
from resilient.state.admission import Admission
from resilient.state.redis.link import make_link
from resilient.state.redis.store import RedisStore

if TYPE_CHECKING:
    from resilient.events import Event

SERVICE = "measured"
NAMES = ("account", "lists", "here", "api.test")
KINDS = ("credential", "ip")
LATCH = Block(scope="credential", base=None, cap=0.0)
TIMEOUT = "5s"
"""How long Redis may take: on a machine as busy as this none of it is an outage."""

CATALOG = """
catalog: measured
source: {{document: none, read: 2026-11-22}}
credential: {{kind: api_key, fields: [{{name: Authorization, in: header, prefix: 'Bearer '}}]}}
limits: {{{limits}}}
errors: {{wrong: {{policy: fail_fast}}}}
"""


def configured(url: str, limits: Sequence[Limit]) -> Config:
    """Return a configuration with these limits, each of another scope."""
    said = ", ".join(
        f"{kind}_calls: {{rate: {limit.calls}/{limit.seconds}s, per: [{kind}]}}"
        for kind, limit in zip(KINDS, limits, strict=False)
    )
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, f"{SERVICE}.yaml")
        file.write_text(CATALOG.format(limits=said), "utf-8")
        return resilient.load(
            {
                "store": {"url": url, "timeout": TIMEOUT},
                "services": {SERVICE: {"catalog": str(file), "hosts": ["api.test"]}},
            }
        )


@asynccontextmanager
async def resilient_admission(url: str, limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
    """Open the scheduler with a store, as the middleware does."""
    config, clock = configured(url, limits), Clock()
    assert config.store is not None
    events: list[Event] = []
    store = RedisStore(
        rules=config.store,
        attempts={SERVICE: config[SERVICE].attempt_timeout},
        link=make_link(config.store),
        clock=clock,
        tell=events.append,
    )
    admission, service = Admission(clock.now, store), config[SERVICE]

    async def acquire() -> None:
        await store.ready()
        now = clock.now()
        lane = admission.memory.lane_of(service, *NAMES, None, False, now)
        grant = await admission.admit(lane, 1, now + PATIENCE)
        grant.answered((), LATCH)

    try:
        yield acquire
    finally:
        admission.close()
        await store.aclose()
    if any(event.name == "resilient.store_degraded" for event in events):
        raise RuntimeError(f"grants without Redis are not what is measured: {events}")
