"""Events to structlog; to the stdlib logger `resilient` unless structlog is configured.

Never to stdout. A stdlib record has the keys in its message and as attributes, `name` as
`error_name`: a record has a name of its own. When identical failures storm, lines are sampled
and the next one says, in `suppressed`, exactly how many were left out; of a storm that is over
its last line does, at the end. Listeners always hear everything.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from resilient.events import Event

if TYPE_CHECKING:
    from structlog.typing import WrappedLogger

WINDOW = 1.0
"""Seconds within which identical lines are counted together."""

PER_WINDOW = 10
"""Lines of one kind that are written in any window."""

_KINDS = 1024
_ALWAYS = frozenset({"resilient.started", "resilient.block_warning", "resilient.scope_blocked"})


def logger() -> "WrappedLogger":
    """Return where lines go: the configured structlog, else the stdlib logger `resilient`."""
    import structlog  # noqa: PLC0415 - see Log

    if structlog.is_configured():
        return structlog.get_logger("resilient")
    return structlog.wrap_logger(
        logging.getLogger("resilient"),
        processors=[structlog.stdlib.filter_by_level, _as_record],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _as_record(
    logger: object, method: str, keys: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    from structlog.processors import LogfmtRenderer  # noqa: PLC0415 - see Log

    event = keys.pop("event")
    extra = {"event": event, **_for_stdlib(keys)}
    return {"msg": f"{event} {LogfmtRenderer()(logger, method, keys)}", "extra": extra}


def _for_stdlib(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys that a record can have: one with a `name` of ours is refused, and lost."""
    return {"error_name" if key == "name" else key: each for key, each in keys.items()}


def _short(value: object) -> object:
    """Return a duration to the microsecond: more digits say nothing to a reader."""
    return round(value, 6) if isinstance(value, float) else value


@attrs.define(eq=False)
class _Storm:
    written: deque[float] = attrs.field(factory=lambda: deque(maxlen=PER_WINDOW))
    suppressed: int = 0
    last: Event | None = None


@attrs.define(eq=False)
class Log:
    """The listener that writes.

    structlog brings rich along where that is installed: it is loaded when a client is made,
    neither by `import resilient` nor between two calls.

    Attributes:
        now: Returns monotonic seconds.
    """

    now: Callable[[], float]
    _storms: dict[tuple[object, ...], _Storm] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        import structlog  # noqa: F401, PLC0415

    def __call__(self, event: Event) -> None:
        """Write the event, unless many like it were written just now."""
        left_out = self._left_out(event)
        if left_out is not None:
            self._write(event, left_out)

    @staticmethod
    def _write(event: Event, left_out: int) -> None:
        line = {key: _short(value) for key, value in event.asdict().items()}
        if left_out:
            line["suppressed"] = left_out
        write, text = getattr(logger(), event.level), line.pop("event")
        try:
            write(text, **line)
        except KeyError:
            # A structlog that hands the keys to the stdlib.
            write(text, **_for_stdlib(line))

    def _left_out(self, event: Event) -> int | None:
        """Return how many lines like this were left out before it; None leaves it out, too."""
        if event.name in _ALWAYS:
            return 0
        kind = (
            event.name,
            event.service,
            event.credential,
            event.endpoint,
            event.status,
            event.code,
            event.scope,
            event.reason,
        )
        now = self.now()
        storm = self._storms.get(kind)
        if storm is None:
            self._forget(now)
            storm = self._storms[kind] = _Storm()
        if len(storm.written) == PER_WINDOW and now - storm.written[0] < WINDOW:
            storm.suppressed += 1
            storm.last = event
            return None
        left_out, storm.suppressed = storm.suppressed, 0
        storm.written.append(now)
        return left_out

    def _forget(self, now: float) -> None:
        if len(self._storms) < _KINDS:
            return
        # What is over, and if that is not enough the older half: the server chooses the codes.
        over = [kind for kind, each in self._storms.items() if now - each.written[-1] >= WINDOW]
        for kind in over or list(self._storms)[: _KINDS // 2]:
            self._end(self._storms.pop(kind))

    def _end(self, storm: _Storm) -> None:
        if storm.suppressed and storm.last is not None:
            self._write(storm.last, storm.suppressed - 1)

    def flush(self) -> None:
        """Write the last line of every storm: nothing may follow that would tell of the rest."""
        storms, self._storms = self._storms, {}
        for storm in storms.values():
            with suppress(Exception):  # as with any listener
                self._end(storm)
