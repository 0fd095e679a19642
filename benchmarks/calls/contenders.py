"""Who takes part."""

from importlib.util import find_spec

import attrs

from benchmarks.calls import ours, peers
from benchmarks.calls.peers import Open

BARE = "bare aiohttp"
USUAL = "aiolimiter + tenacity"
OURS = "resilient"
SESSION = "resilient.session"
ENVELOPE = "resilient, errors looked for in HTTP 200"


@attrs.frozen
class Contender:
    """A way to call.

    Attributes:
        name: What the tables call it.
        distributions: What has to be installed for it, as pip calls it.
    """

    name: str
    open: Open
    distributions: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether it can take part."""
        return all(find_spec(each.replace("-", "_")) for each in self.distributions)


ALL = (
    Contender("a middleware that does nothing", peers.no_op),
    Contender("hyx: retry, limiter", peers.around(peers.hyx), ("hyx",)),
    Contender("aiohttp-retry", peers.aiohttp_retry, ("aiohttp-retry",)),
    Contender("pyresilience: retry, limiter", peers.around(peers.pyresilience), ("pyresilience",)),
    Contender("stamina", peers.around(peers.stamina), ("stamina",)),
    Contender("tenacity", peers.around(peers.tenacity), ("tenacity",)),
    Contender(USUAL, peers.around(peers.aiolimiter_tenacity), ("aiolimiter", "tenacity")),
    Contender(OURS, ours.through_middleware()),
    Contender(SESSION, ours.through_session),
    Contender(ENVELOPE, ours.through_middleware("unisender")),
)
BY_NAME = {each.name: each for each in ALL}
