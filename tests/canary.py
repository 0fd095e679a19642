"""Unique secrets, and a search for them in every place where people look."""

import asyncio
import base64
import io
import logging
import pickle
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import attrs
import structlog

import resilient

PACKAGE = str(Path(resilient.__file__).parent)

AWKWARD = "/+=% '\\\"&;"
"""Characters that each way of writing a text writes in its own way."""


@attrs.frozen
class Canary:
    """A secret that occurs once in the world.

    Attributes:
        core: Letters that every way of writing it leaves together, but for base64 and hex.
        text: The secret.
    """

    core: str
    text: str = attrs.field(repr=False)

    @property
    def needles(self) -> frozenset[str]:
        """What to search for: the core, and the whole in base64, wherever it begins, and in hex."""
        raw = self.text.encode()
        shifted = (base64.b64encode(b"\0" * at + raw).decode()[4:-4] for at in range(3))
        based = {*shifted, self.core.encode().hex()}
        return frozenset({self.core, *based, *(each.replace("+", "-") for each in based)})

    def is_in(self, text: str) -> bool:
        """Tell whether it is there, in whatever form."""
        return any(needle in text for needle in self.needles)


def word(place: str) -> Canary:
    """Return a secret that only its name tells from a word."""
    core = "kanarienvogel" + "".join(filter(str.isalpha, place))
    return Canary(core, core + AWKWARD)


def token(place: str) -> Canary:
    """Return a secret that looks like a token."""
    core = f"k4n4r13nv0g3l{len(place)}" + "".join(filter(str.isalpha, place))
    return Canary(core, f"{core}-5d41402abc")


@attrs.define(eq=False)
class Sinks:
    """All that was seen, by where."""

    seen: list[tuple[str, str]] = attrs.field(factory=list, repr=False)

    def add(self, sink: str, *found: object) -> None:
        """Look at values as people do."""
        for each in found:
            self.seen += [(sink, text) for text in {str(each), repr(each)}]

    def catch(self, error: BaseException, *, variables: bool = True) -> None:
        """Look at an exception in every way, its causes as tracebacks show them.

        Args:
            error: What was raised.
            variables: Whether the local variables of our frames are looked at, too.
        """
        self.add("exception", error, error.args, error.__dict__)
        self.add("notes", getattr(error, "__notes__", ()))
        if isinstance(error, resilient.ResilientError):
            self.add("pickle", pickle.dumps(error))
            # Beyond what is printed, reporters follow the chain, and show what they find there.
            for each in (error.__cause__, error.__context__):
                self.add("cause", each, getattr(each, "__dict__", ""), getattr(each, "args", ""))
        self.add("traceback", *traceback.format_exception(error))
        if variables:
            self.seen += [("locals", text) for text in _locals(error)]

    def hits(self, *canaries: Canary) -> list[str]:
        """Return where any of them is to be seen."""
        needles = frozenset[str]().union(*(each.needles for each in canaries))
        return [
            f"{sink}: {text[:300]}"
            for sink, text in self.seen
            if any(needle in text for needle in needles)
        ]


def _locals(error: BaseException) -> Iterator[str]:
    """Yield the local variables of our own frames, also those of what an exception came from."""
    found: traceback.TracebackException | None
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    while found is not None:
        for frame in found.stack:
            if frame.filename.startswith(PACKAGE):
                yield f"{frame.filename}:{frame.lineno} {frame.locals}"
        hidden = found.__suppress_context__
        found = found.__cause__ or (None if hidden else found.__context__)


class _Handler(logging.Handler):
    def __init__(self, sinks: Sinks) -> None:
        super().__init__(logging.DEBUG)
        self.sinks = sinks

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record as formatters do."""
        self.sinks.add(f"log {record.name}", record.getMessage(), record.__dict__)
        self.sinks.add(f"log {record.name}", self.format(record))


@contextmanager
def overhearing(sinks: Sinks, *, structured: bool = False) -> Iterator[None]:
    """Hear all logs of every level, warnings, standard output and error, for a block.

    Args:
        sinks: Where it is kept.
        structured: Whether events go to structlog instead of the standard library's logging.
    """
    handler, root = _Handler(sinks), logging.getLogger()
    level, output = root.level, io.StringIO()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    if structured:
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()],
            logger_factory=lambda *_: _Kept(sinks),
        )
    try:
        with (
            warnings.catch_warnings(record=True) as warned,
            redirect_stdout(output),
            redirect_stderr(output),
        ):
            warnings.simplefilter("always")
            yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
        sinks.add("output", output.getvalue())
        sinks.add("warnings", *warned)


@attrs.define
class _Kept:
    sinks: Sinks

    def _keep(self, line: object) -> None:
        self.sinks.add("structlog", line)

    debug = info = warning = error = msg = _keep


@contextmanager
def debugging() -> Iterator[None]:
    """Let asyncio write out every callback, with its arguments."""
    loop = asyncio.get_running_loop()
    slow = loop.slow_callback_duration
    loop.set_debug(True)
    loop.slow_callback_duration = -1.0
    try:
        yield
    finally:
        loop.set_debug(False)
        loop.slow_callback_duration = slow


def look_at(sinks: Sinks, middleware: resilient.Middleware, *others: Any) -> None:
    """Look at all that a middleware shows of itself."""
    directory = middleware._directory
    sinks.add("middleware", middleware, middleware.config, middleware.state(), *others)
    for serving in directory:
        sinks.add("serving", serving, serving.wallet, *serving.wallet.keyrings.values())
        sinks.add("signature", *(ring.current for ring in serving.wallet.keyrings.values()))
