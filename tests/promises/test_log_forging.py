"""What a server says can neither break a log line, nor begin another, nor hide one."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import attrs
import pytest
import raw_server
import structlog
from acme import Connect
from promises.conftest import Figure
from raw_server import RawServer

import resilient

EVIL = {
    "CR LF": "a\r\n2026-11-21 ERROR forged",
    "LF": 'a\n{"event": "forged"}',
    "CR": "a\rforged",
    "ESC": "a\x1b[2J\x1b[31mforged",
    "NUL": "a\x00forged",
    "BEL and BS": "a\x07\x08forged",
    "C1": "a\x85\x9bforged",
    "bidi": "a\u202eforged\u2066\u2069",
    "line separators": "a\u2028forged\u2029",
    "lone surrogates": "a\ud800forged\udfff",
    "zero width": "a\u200bforged\ufeff",
    "quotes": 'a" level=info event="forged',
    "format": "a %s %(name)s {event} {0.__class__} forged",
    "long": "x" * 20_000,
}
BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST = 4096
"""Characters that a line may have: of a server's text at most 500 are kept."""


@attrs.define(eq=False)
class Lines:
    """What was written, line by line, by each of the two ways."""

    plain: list[str] = attrs.field(factory=list)
    structured: list[str] = attrs.field(factory=list)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log, as the standard library's formatter and structlog's JSON write it."""
    found = Lines()
    handler = logging.Handler()
    handler.emit = lambda record: found.plain.append(  # type: ignore[method-assign]
        logging.Formatter("%(asctime)s %(levelname)s %(message)s").format(record)
    )
    root = logging.getLogger("resilient")
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.setLevel(logging.NOTSET)
    root.removeHandler(handler)
    structlog.reset_defaults()


def _to_json(lines: Lines) -> None:
    """Let structlog write JSON from now on."""

    class Kept:
        def _keep(self, line: str) -> None:
            lines.structured.append(line)

        info = warning = error = _keep

    structlog.configure(
        processors=[structlog.processors.JSONRenderer(ensure_ascii=False)],
        logger_factory=lambda *_: Kept(),
    )


def _check(written: list[str], events: int) -> None:
    """Hold what was written to its promise: one line an event, short, and of nothing else."""
    assert events == len(written)
    assert [] == [line for line in written if BREAKS.search(line)]
    assert LONGEST > max(map(len, written))


def _answers(text: str) -> Iterator[bytes]:
    """Yield what a server may put a text into."""
    code = json.dumps({"errors": [{"code": text, "text": text}]}).encode()
    raw = re.sub(r"[\r\n\0]", " ", text).encode("utf-8", "surrogatepass")
    yield raw_server.whole("400 Bad", code)
    yield raw_server.whole("200 OK", code)
    yield raw_server.whole("503 Bad", text.encode("utf-8", "surrogatepass"), "Retry-After: 0")
    short = raw[:4000]
    yield b"HTTP/1.1 400 " + short + b"\r\nContent-Length: 2\r\n\r\n{}"
    head = b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\nRetry-After: "
    yield head + short + b"\r\nX-Error: " + short + b"\r\n\r\n{}"
    yield b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /a?q=" + short + b"\r\n\r\n"
    yield short + b"\r\n\r\n"


@pytest.mark.parametrize("structured", [False, True], ids=["logging", "structlog"])
@pytest.mark.parametrize("evil", EVIL)
async def test_one_line_an_event(
    raw: RawServer, reach: Connect, lines: Lines, evil: str, *, structured: bool, figure: Figure
) -> None:
    """The log has as many lines as there are events, whatever the server calls its errors."""
    if structured:
        _to_json(lines)
    events: list[resilient.Event] = []
    said: list[str] = []
    policies = {
        name: {"action": name, "attempts": 2, "delay": {"base": "1ms", "cap": "1ms"}}
        for name in ("retry", "back_off")
    }
    for answer in _answers(EVIL[evil]):
        raw.default = raw_server.reply(answer, keep=False)
        async with reach(credentials=None, policies=policies) as api:
            with resilient.options(timeout=30):
                try:
                    await api.get(
                        params={"q": EVIL[evil].replace("\ud800", "").replace("\udfff", "")}
                    )
                except resilient.ResilientError as error:
                    said.append(str(error))
                except aiohttp.ClientError:
                    pass  # aiohttp's own, where it follows redirects
            events += api.events
    written = lines.structured if structured else lines.plain
    _check(written, len(events))
    _check(said, len(said))
    if structured:
        assert [each.name for each in events] == [json.loads(line)["event"] for line in written]
    figure("J2", f"lines beyond the events ({evil})", len(written) - len(events), of=len(events))


async def test_naive(raw: RawServer, lines: Lines) -> None:
    """A client that logs the server's words as they came writes more lines than it has events."""
    raw.default = raw_server.reply(next(_answers(EVIL["CR LF"])))
    async with aiohttp.ClientSession() as http, http.get(raw.url) as response:
        code: Any = (await response.json())["errors"][0]["code"]
    logging.getLogger("resilient").error("failed with %s", code)
    with pytest.raises(AssertionError):
        _check(lines.plain, 1)
