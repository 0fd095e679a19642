"""Policies: named reactions with parameters. Which error gets which is the catalog's."""

from collections.abc import Mapping
from typing import Literal

import attrs
from attrs.validators import ge, gt

Action = Literal["retry", "back_off", "reauth", "fail_fast", "block_warning"]
"""The five things that can be done about an error."""


@attrs.frozen(kw_only=True)
class Backoff:
    """An exponential delay: `base` seconds, doubled each time, up to `cap`."""

    base: float = attrs.field(validator=gt(0))
    cap: float = attrs.field(validator=gt(0))

    def __attrs_post_init__(self) -> None:
        if self.base > self.cap:
            raise ValueError(f"base {self.base:g}s is above cap {self.cap:g}s")


@attrs.frozen(kw_only=True)
class Policy:
    """A reaction.

    Attributes:
        name: What catalogs call it.
        action: What is done.
        attempts: Sends of one call at most, the first included.
        delay: Before a resend, or of a pause; for `retry` and `back_off`.
        max_wait: Seconds that a call may be told to wait; more is raised at once.
        cool_down: How long a block lasts; None: until somebody releases it.
    """

    name: str
    action: Action
    attempts: int = attrs.field(default=1, validator=ge(1))
    delay: Backoff = Backoff(base=0.2, cap=20.0)
    max_wait: float = attrs.field(default=120.0, validator=ge(0))
    cool_down: Backoff | None = Backoff(base=300.0, cap=21600.0)


@attrs.frozen(kw_only=True)
class RetryBudget:
    """In any ten seconds: at most `floor` retries, and `ratio` of the successes more."""

    ratio: float = 0.1
    floor: int = 10


Policies = Mapping[str, Policy]
"""A policy set, by name."""
