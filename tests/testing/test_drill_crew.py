import socket
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisServer

from resilient.config.build import one_service
from resilient.config.service import Config, SharedStore
from resilient.errors import ConfigError
from resilient.state.redis.link import ErrorReply, Unreachable
from resilient.testing.drill import crew as crews
from resilient.testing.drill import stores
from resilient.testing.drill.crew import CrewFailed, crew
from resilient.testing.drill.own_redis import own_redis
from resilient.testing.drill.stores import Desk, opened
from resilient.testing.drill.task import Task
from resilient.testing.drill.together import drill_together

pytestmark = pytest.mark.real_time

TASK = Task(number=1, config=Config(services=()), tokens={}, seconds=1.0, callers=1)
READY = "import sys, time; print('ready', flush=True); "


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let processes run this instead of what they should."""
    return lambda text: monkeypatch.setattr(crews, "_PROGRAM", ("-c", text))


async def work() -> None:
    """Let a crew work."""
    async with crew([TASK]) as found:
        await found.work(0.0)


async def test_a_process_that_does_not_start(program: Any) -> None:
    """A process that ends before it is ready is said."""
    program("pass")
    with pytest.raises(CrewFailed, match="process 1 did not start"):
        await work()


async def test_a_process_that_starts_too_slowly(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is not ready in time is said, and ended."""
    program("import sys; sys.stdin.buffer.read()")
    monkeypatch.setattr(crews, "START", 0.01)
    with pytest.raises(CrewFailed, match="did not start within"):
        await work()


async def test_a_process_that_ends_early(program: Any) -> None:
    """A process that does not say what it did is said."""
    program(READY)
    with pytest.raises(CrewFailed, match="process 1 ended early"):
        await work()


async def test_a_process_that_does_not_end(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that neither ends nor leaves is killed."""
    program(f"{READY} time.sleep(600)")
    monkeypatch.setattr(crews, "LATE", 0.01)
    monkeypatch.setattr(crews, "FAREWELL", 0.01)
    with pytest.raises(CrewFailed, match="did not end"):
        await work()


async def test_a_crew_that_fails_fails_the_drill(program: Any) -> None:
    """What a crew could not do is a fault of the drill."""
    program("pass")
    drill = await drill_together([one_service("hh")], store=None, processes=1, seconds=2)
    assert ("process 1 did not start",) == drill.faults
    assert not drill.passed


@pytest.mark.slow
async def test_a_process_that_is_not_needed_leaves() -> None:
    """A process that is never told to begin leaves by itself when the drill goes."""
    async with crew([TASK]) as found:
        (member,) = found.members
    assert 0 == member._process.returncode


def test_a_redis_of_its_own() -> None:
    """The drill's own redis-server is there while it is needed, and its folder goes with it."""
    with own_redis() as url:
        place = Path(url.removeprefix("unix://"))
        assert place.is_socket()
    assert not place.parent.exists()


def test_a_redis_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redis-server that ends at once is said."""
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ConfigError, match="does not start"), own_redis():
        pass


async def test_only_what_is_its_own_is_removed(redis_server: RedisServer) -> None:
    """A drill has a prefix of its own, and removes what begins with it."""
    redis_server.command("SET", "resilient:1:{hh}:seen", "mine")
    async with opened(SharedStore(url=redis_server.url), ["hh"]) as desk:
        own = f"{desk.rules.prefix}:1:{{hh}}:"
        for number in range(300):
            redis_server.command("SET", f"{own}scope:ip:{number}", "drill")
    assert ["resilient:1:{hh}:seen"] == redis_server.command("KEYS", "*")


async def test_a_store_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that accepts a connection and does not answer is out of reach."""
    monkeypatch.setattr(stores, "CONNECT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no connection within"):
            async with opened(SharedStore(url=url), ["hh"]):
                pass


@pytest.mark.parametrize("form", ["redis", "redis+cluster"])
async def test_a_store_that_does_not_tell(form: str) -> None:
    """Where Redis may not say what it does, or each node would say its part, nothing is said."""

    class Refusing:
        async def run(self, commands: object) -> list[Any]:
            return [ErrorReply("NOPERM this user has no permissions")]

    link: Any = Refusing()
    desk = Desk(SharedStore(url=f"{form}://there.example"), ["hh"], link)
    assert await desk.scripts() is None
