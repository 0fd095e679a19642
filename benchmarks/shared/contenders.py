"""Who takes part."""

from importlib.util import find_spec

import attrs

from benchmarks.shared import ours, peers
from benchmarks.shared.peers import Open

PING = "PING"


@attrs.frozen
class Contender:
    """One way to ask Redis whether a call may be sent.

    Attributes:
        name: What the tables call it.
        package: What has to be installed for it, as Python imports it.
        distribution: The same, as pip calls it.
    """

    name: str
    package: str
    distribution: str
    open: Open


ALL = (
    Contender(PING, "redis", "redis", peers.ping),
    Contender("resilient", "resilient", "resilient-aiohttp", ours.resilient_admission),
    Contender("limits, moving window", "limits", "limits", peers.limits_moving_window),
    Contender("throttled-py, GCRA", "throttled", "throttled-py", peers.throttled),
    Contender("steindamm", "steindamm", "steindamm", peers.steindamm),
    Contender(
        "pyrate-limiter, RedisBucket",
        "pyrate_limiter",
        "pyrate-limiter",
        peers.pyrate(peers.sorted_set),
    ),
    Contender("pyrate-limiter, GCRA", "pyrate_limiter", "pyrate-limiter", peers.pyrate(peers.gcra)),
)

BY_NAME = {each.name: each for each in ALL}


def installed(words: list[str]) -> tuple[list[Contender], list[Contender]]:
    """Return who can take part, PING first, and who is not installed.

    Args:
        words: Only those in whose names one of these occurs; none: all.
    """
    wanted = [
        each
        for each in ALL
        if each.name == PING or not words or any(word in each.name for word in words)
    ]
    found = [each for each in wanted if find_spec(each.package) is not None]
    return found, [each for each in wanted if each not in found]
