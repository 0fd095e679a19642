"""The situations in which work has to be done."""

import attrs

from benchmarks.goodput.vendor import Rules

CALLS = 12_000
TASKS = 200


@attrs.frozen(kw_only=True)
class Situation:
    """What is met by those who work.

    Attributes:
        key: Its place in the list, in the names of figures.
        letter: The same in the tables.
        name: What it is.
        rules: How the vendor counts, and who else is there.
        latency: The least and the most seconds that a call, or its answer, is on its way.
        strict: Whether this library is told to keep few calls in flight, for what is under way
            when the first refusal is heard cannot be called back.
    """

    key: str
    letter: str = attrs.field(default=attrs.Factory(lambda self: self.key, takes_self=True))
    name: str
    rules: Rules
    latency: tuple[float, float] = (0.01, 0.06)
    strict: bool = False


SITUATIONS = (
    Situation(key="a", name="alone, and the window is fresh", rules=Rules()),
    Situation(key="b", name="the window is full at the start", rules=Rules(before=1200)),
    Situation(
        key="b2", letter="b'", name="latency of 10 to 300 ms", rules=Rules(), latency=(0.01, 0.3)
    ),
    Situation(
        key="c", name="a neighbour takes 120 a minute", rules=Rules(neighbour=120), strict=True
    ),
    Situation(
        key="d", name="the limit is halved after 5 minutes", rules=Rules(cut_at=300.0), strict=True
    ),
)
