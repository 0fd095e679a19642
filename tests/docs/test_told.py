"""What is really told is what the page on events says."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from manual import listed, plain, table

import resilient
from resilient.credentials import Bearer
from resilient.events import LEVELS
from resilient.testing import Emulator, EventCapture

TITLES = ("event", "level", "when", "keys beside those of the call")
OF_A_CALL = {
    *("event", "service", "catalog", "credential", "call", "method", "endpoint", "url"),
    *("elapsed", "mode"),
}
OF_A_SHARED_STORE = {"resilient.store_degraded", "resilient.store_recovered"}


async def get(http: "object", url: str) -> None:
    """Make a call, and let it fail as it likes."""
    try:
        async with http.get(url):  # type: ignore[attr-defined]
            pass
    except resilient.ResilientError:
        pass


async def told(mode: str, config: dict[str, object], codes: Sequence[object]) -> EventCapture:
    """Return what is told of calls that meet errors, and of one that is released."""
    heard = EventCapture()
    numbers = iter(range(100))
    async with Emulator("amocrm") as vendor:
        keys = {"catalog": "amocrm", "hosts": [vendor.host], "mode": mode, **config}
        middleware = resilient.Middleware(
            {"services": {"crm": keys}},
            credentials={"crm": Bearer(lambda: "token-0", lambda: f"token-{next(numbers)}-new")},
            listeners=[heard],
        )
        async with resilient.session(middleware) as http:
            url = f"{vendor.url}/api/v4/leads"
            for code in codes:
                vendor.script(code)  # type: ignore[arg-type]
                await get(http, url)
            await asyncio.gather(*(get(http, url) for _ in range(40)))
            vendor.script(429, times=2)
            await get(http, url)
            vendor.script("111")
            await get(http, url)
            await get(http, url)
            await middleware.release("crm")
            await get(http, url)
        await middleware.aclose()
    return heard


@pytest.mark.parametrize("mode", ["enforce", "observe"])
async def test_no_event_has_other_keys(mode: str) -> None:
    """Every key of every event that is emitted stands in the table, or is one of the call's."""
    documented = {
        plain(row["event"]): listed(row[TITLES[3]]) for row in table("events.md", *TITLES).rows
    }
    heard = await told(mode, {}, ["110", 502, 418])
    for event in heard.events:
        assert set() == event.asdict().keys() - OF_A_CALL - documented[event.name], event.name


async def test_every_event_happens() -> None:
    """Every event of the table is emitted by some call, but for those that other tests hear."""
    heard = await told("enforce", {}, ["110", 502, 418])
    heard.events += (await told("enforce", {"timeout": 200}, [])).events
    silent = LEVELS.keys() - {event.name for event in heard.events}
    elsewhere = {"resilient.code_unmapped", "resilient.config_warning", *OF_A_SHARED_STORE}
    assert elsewhere == silent


async def test_lines_of_the_stdlib(caplog: pytest.LogCaptureFixture) -> None:
    """Without structlog a failed call's line has its keys, in the message and on the record."""
    with caplog.at_level(logging.INFO, "resilient"):
        async with Emulator("hh") as vendor:
            vendor.script("not_found")
            config = {"services": {"jobs": {"catalog": "hh", "hosts": [vendor.host]}}}
            async with resilient.session(config) as http:
                await get(http, f"{vendor.url}/vacancies/1")
    names = [record.getMessage().split()[0] for record in caplog.records]
    assert ["resilient.started", "resilient.attempt_failed", "resilient.call_failed"] == names
    failed = caplog.records[-1]
    assert ("resilient", "ERROR") == (failed.name, failed.levelname)
    assert "code=not_found name=not_found policy=fail_fast" in failed.getMessage()
    assert ("not_found", 404) == (vars(failed)["error_name"], vars(failed)["status"])
