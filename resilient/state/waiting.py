"""What a call that cannot go at once is told: how long it waits, or why it is refused."""

from collections.abc import Callable
from typing import Literal

import attrs

from resilient.model import Scope
from resilient.state.gate import Reason

Why = Literal["blocked", "queue", "deadline", "closed", "store"]
"""Why a call is refused."""


class Refused(Exception):
    """A call is not admitted.

    Attributes:
        why: The reason.
        wait: Seconds after which it might be, or None.
        scope: The scope that refuses, or None.
    """

    def __init__(self, why: Why, wait: float | None, scope: Scope | None = None) -> None:
        super().__init__(why)
        self.why, self.wait, self.scope = why, wait, scope


@attrs.frozen(kw_only=True)
class Delay:
    """A call has to wait.

    Attributes:
        seconds: At least so long; None where only an event can tell.
        position: Its place in the queue, 1-based.
        reason: What it waits for.
        limit: The limit's name, or None.
        scope: The scope, or None.
    """

    seconds: float | None
    position: int
    reason: Reason
    limit: str | None = None
    scope: str | None = None


OnDelay = Callable[[Delay], None]
"""Is told when a call has to wait."""
