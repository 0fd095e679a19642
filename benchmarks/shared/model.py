"""What is asked of a contender, and what came of it."""

import attrs


@attrs.frozen
class Limit:
    """So many calls in each period of whole seconds."""

    calls: int
    seconds: int


PLENTY = Limit(1_000_000, 1)
"""Holds nobody up: to keep count is what is measured."""


@attrs.frozen
class Pace:
    """How many ask at a time."""

    processes: int
    tasks: int

    def __str__(self) -> str:
        return f"{self.processes} x {self.tasks}"


@attrs.frozen
class Job:
    """What each process of a run does.

    Attributes:
        tasks: How many ask at a time.
        seconds: For how long.
        logged: Whether each grant is noted in Redis.
    """

    contender: str
    limits: tuple[Limit, ...]
    tasks: int
    seconds: float
    logged: bool = False


@attrs.frozen
class Done:
    """What a process did: its grants, in how long, with how much processor time."""

    grants: int
    seconds: float
    cpu: float
