"""What every test can use: a virtual-time loop, a scripted server, and captured events."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from acme import Connect, connecting
from hypothesis import settings
from raw_server import RawServer, raw_serving
from redis_server import RedisServer
from server import Server, serving

# The same examples on every machine, and none fails because the machine is slow.
settings.register_profile("ours", deadline=None, derandomize=True, database=None)
settings.load_profile("ours")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--soak`: the promises are tested at full size, which takes minutes."""
    parser.addoption("--soak", action="store_true", help="test the promises at full size")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only a soak run has the time for."""
    if not config.getoption("--soak"):
        only = pytest.mark.skip(reason="runs under --soak")
        for item in items:
            if item.get_closest_marker("soak") is not None:
                item.add_marker(only)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that the promises' tests have measured."""
    if terminalreporter.config.getoption("--soak"):
        reports = [each for found in terminalreporter.stats.values() for each in found]
        figures = sorted(
            {
                str(value)
                for report in reports
                for key, value in getattr(report, "user_properties", ())
                if key == "figure"
            }
        )
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Run every test in virtual time, except those marked `real_time`."""
    session.add_marker("virtual_time")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A scripted server on loopback."""
    async with serving() as found:
        yield found


@pytest.fixture
def connect(server: Server, tmp_path: Path) -> Connect:
    """Open a client of the scripted server; its arguments are those of `acme.connecting`."""
    return connecting(server, tmp_path)


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[RawServer]:
    """A server that answers with bytes."""
    async with raw_serving() as found:
        yield found


@pytest.fixture
def reach(raw: RawServer, tmp_path: Path) -> Connect:
    """Open a client of the server of bytes, as `connect` does of the scripted one."""
    return connecting(raw, tmp_path)


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    """Run one redis-server for all tests of this process."""
    with RedisServer() as found:
        yield found


@pytest.fixture
def redis_server(_shared_redis: RedisServer) -> RedisServer:
    """A redis-server on a unix socket, as new; a test may suspend, kill and configure it."""
    _shared_redis.reset()
    return _shared_redis
