"""Who takes part."""

from importlib.util import find_spec

import attrs

from benchmarks.exactness import ours, peers
from benchmarks.exactness.peers import Open


@attrs.frozen(kw_only=True)
class Contender:
    """One way to keep to a limit.

    Attributes:
        name: What the tables call it.
        distribution: What has to be installed for it, as pip calls it.
        modules: Those of its modules that read clocks; the first is the package.
        open: Opens it with some limits.
    """

    name: str
    distribution: str
    modules: tuple[str, ...]
    open: Open


OURS = Contender(
    name="resilient",
    distribution="resilient-aiohttp",
    modules=("resilient",),
    open=ours.middleware,
)

USUAL = Contender(
    name="aiolimiter(N, T)",
    distribution="aiolimiter",
    modules=("aiolimiter",),
    open=peers.opened(peers.aiolimiter),
)
"""What most people take."""

PEERS = (
    USUAL,
    Contender(
        name="aiolimiter(1, T/N)",
        distribution="aiolimiter",
        modules=("aiolimiter",),
        open=peers.opened(peers.aiolimiter_paced),
    ),
    Contender(
        name="pyrate-limiter, sliding log",
        distribution="pyrate-limiter",
        modules=("pyrate_limiter",),
        open=peers.pyrate(peers.sliding_log),
    ),
    Contender(
        name="pyrate-limiter, token bucket",
        distribution="pyrate-limiter",
        modules=("pyrate_limiter",),
        open=peers.pyrate(peers.token_bucket),
    ),
    Contender(
        name="limits, moving window",
        distribution="limits",
        modules=("limits", "limits.aio.strategies", "limits.aio.storage"),
        open=peers.opened(peers.limits_by("MovingWindowRateLimiter")),
    ),
    Contender(
        name="limits, sliding window counter",
        distribution="limits",
        modules=("limits", "limits.aio.strategies", "limits.aio.storage"),
        open=peers.opened(peers.limits_by("SlidingWindowCounterRateLimiter")),
    ),
    Contender(
        name="throttled-py, token bucket",
        distribution="throttled-py",
        modules=("throttled", "throttled.asyncio"),
        open=peers.opened(peers.throttled_by("token_bucket")),
    ),
    Contender(
        name="throttled-py, GCRA",
        distribution="throttled-py",
        modules=("throttled", "throttled.asyncio"),
        open=peers.opened(peers.throttled_by("gcra")),
    ),
    Contender(
        name="hyx, token bucket",
        distribution="hyx",
        modules=("hyx", "hyx.ratelimit"),
        open=peers.opened(peers.hyx),
    ),
)

BY_NAME = {each.name: each for each in (OURS, *PEERS)}


def installed() -> list[Contender]:
    """Return who can take part, ours first."""
    return [each for each in BY_NAME.values() if find_spec(each.modules[0]) is not None]


def missing() -> list[str]:
    """Return what is not installed, as pip calls it."""
    here = {each.distribution for each in installed()}
    return sorted({each.distribution for each in PEERS} - here)
