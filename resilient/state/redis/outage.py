"""Whether the store answers, and with what calls go on if it does not."""

from typing import Final, Literal

import attrs

from resilient.config.service import StoreMode

UNSEEN: Final = 10
"""How many instances there are taken to be by one that the store has never answered."""


@attrs.define(eq=False)
class Outage:
    """What all gates of one middleware know of their store.

    Attributes:
        mode: With what calls go on while the store is down.
        up: Whether it answered last.
        instances: How many share it, by service, as last seen; this one included.
    """

    mode: StoreMode
    up: bool = True
    instances: dict[str, int] = attrs.field(factory=dict)

    @property
    def rule(self) -> Literal["here", "store", "nobody"]:
        """Who lets calls go."""
        if self.up:
            return "store"
        return "nobody" if self.mode == "fail_closed" else "here"

    def weight(self, service: str) -> int:
        """Return for how many instances each call of this one counts in its own mirror.

        Each charges every call to the whole limit as often as there are instances: together
        they then stay within it, and none has to know what the others do.
        """
        if self.up or self.mode == "fail_open":
            return 1
        return max(1, self.instances.get(service, UNSEEN))
