"""Where log lines go: the stdlib logger `resilient` unless structlog is configured."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import acme
import pytest
import structlog
from acme import Connect
from server import Server

import resilient


@pytest.fixture
def configured() -> Iterator[list[structlog.typing.EventDict]]:
    """Configure structlog to keep what it is told."""
    captured = structlog.testing.LogCapture()
    structlog.configure(processors=[captured])
    yield captured.entries
    structlog.reset_defaults()


async def fail(api: acme.Client, server: Server, times: int = 1) -> None:
    """Make calls that fail."""
    server.then(**acme.says("wrong"), times=times)
    for _ in range(times):
        with pytest.raises(resilient.ApiError):
            await api.get()


async def test_stdlib(
    server: Server,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every event is a record of the logger `resilient`, at its level, with its keys."""
    caplog.set_level("DEBUG", logger="resilient")
    async with connect() as api:
        await fail(api, server)
        names = [event.name for event in api.events]
    assert names == [record.getMessage().split()[0] for record in caplog.records]
    assert {"resilient"} == {record.name for record in caplog.records}
    levels = [logging.INFO, logging.WARNING, logging.ERROR]
    assert levels == [record.levelno for record in caplog.records]
    failed = vars(caplog.records[1])
    assert ("acme", "wrong", 1) == (failed["service"], failed["code"], failed["attempt"])


async def test_structlog(
    server: Server,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    configured: list[structlog.typing.EventDict],
) -> None:
    """Where structlog is configured, it gets the lines, with the keys of the events."""
    async with connect() as api:
        await fail(api, server)
        told = [event.asdict() for event in api.events]
    assert ["info", "warning", "error"] == [line.pop("log_level") for line in configured]
    assert told == configured
    assert [] == [record for record in caplog.records if record.name == "resilient"]


async def test_structlog_over_the_stdlib(
    server: Server, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A structlog that hands its keys to the stdlib gets them, but for `name`, taken there."""
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        async with connect() as api:
            await fail(api, server)
    finally:
        structlog.reset_defaults()
    (failed,) = [r for r in caplog.records if r.getMessage() == "resilient.attempt_failed"]
    assert ("wrong", "Wrong") == (vars(failed)["code"], vars(failed)["error_name"])


async def test_nothing_to_stdout(
    server: Server, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody configured anything, stdout stays clean."""
    async with connect() as api:
        await fail(api, server)
    assert "" == capsys.readouterr().out


async def test_storm(
    server: Server, connect: Connect, configured: list[structlog.typing.EventDict]
) -> None:
    """Identical failures are sampled, and the next line says exactly how many were left out."""
    async with connect() as api:
        await fail(api, server, times=100)
        await asyncio.sleep(1)
        await fail(api, server)
        assert 101 == len(api.told("call_failed"))
    lines = [line for line in configured if line["event"] == "resilient.call_failed"]
    assert [None] * 10 + [90] == [line.get("suppressed") for line in lines]


async def test_storms_are_told_apart(
    server: Server, connect: Connect, configured: list[structlog.typing.EventDict]
) -> None:
    """Another failure is not left out because one storms."""
    async with connect() as api:
        await fail(api, server, times=100)
        server.then(404)
        with pytest.raises(resilient.ApiError):
            await api.get()
        assert 404 in [line.get("status") for line in configured]
        assert all("suppressed" not in json.dumps(line) for line in configured)


async def test_alerts_are_never_left_out(
    server: Server, connect: Connect, configured: list[structlog.typing.EventDict]
) -> None:
    """An alert is always written."""
    server.then(**acme.says("shut_out"), times=30)
    async with connect() as api:
        for _ in range(30):
            with pytest.raises(resilient.Blocked):
                await api.get()
            await api.middleware.release("acme")
    assert 30 == [line["event"] for line in configured].count("resilient.block_warning")


def test_structlog_is_loaded_with_the_client() -> None:
    """Neither an import nor the first line between two calls pays for loading structlog."""
    code = (
        "import sys; from resilient.log import Log; seen = lambda: 'structlog' in sys.modules;"
        "before = seen(); Log(lambda: 0.0); print(before, seen())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ["False", "True"] == done.stdout.split()
