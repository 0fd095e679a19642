from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from typer.testing import Result as Ended

from resilient.config.service import Service, SharedStore
from resilient.testing.drill import together
from resilient.testing.drill.result import LimitUse
from resilient.testing.drill.shared import PauseSeen, ProcessUse, SharedDrill, SharedResult

Cli = Callable[..., Ended]

MINE = """\
store: {url: redis://there.example, mode: fail_closed}
services: {api: {catalog: http, hosts: [example.org]}}
"""

KEPT = LimitUse(name="calls", scope="ip:here", calls=21, period=2.0, most=20, refused=0, used=0.98)
TOLD = PauseSeen(process=2, at=1.0, seconds=1.0, last=0.0, late=0, silent=1.05)
USES = tuple(
    ProcessUse(number=n, calls=9, sent=10, refused=0, retried=1, failed=0, waited=0.25, share=0.5)
    for n in (1, 2)
)
RESULT = SharedResult(
    service="api", catalog="http", processes=USES, limits=(KEPT,), pauses=(TOLD,), bans=0, faults=()
)
DRILL = SharedDrill(
    store="redis://there.example:6379/0", processes=2, seconds=2.0, services=(RESULT,), scripts=1.5
)


@attrs.define
class Asked:
    """What the command asked for."""

    services: tuple[str, ...] = ()
    store: SharedStore | None = None
    processes: int = 0
    seconds: float = 0.0


@pytest.fixture
def asked() -> Asked:
    """What the command asks for."""
    return Asked()


@pytest.fixture
def ending(cli: Cli, monkeypatch: pytest.MonkeyPatch, asked: Asked) -> Callable[..., Ended]:
    """Run the command with a drill that ends in a way."""

    def run(drill: SharedDrill, *args: str) -> Ended:
        async def ended(services: list[Service], **how: Any) -> SharedDrill:
            how.pop("progress")(1, 2, "calling")
            asked.services = tuple(each.name for each in services)
            asked.store, asked.processes = how["store"], how["processes"]
            asked.seconds = how["seconds"]
            return drill

        monkeypatch.setattr(together, "drill_together", ended)
        return cli("drill", *(args or ("--processes", "2")))

    return run


def limits(drill: SharedDrill, **changes: Any) -> SharedDrill:
    """Return a drill with another limit."""
    result = attrs.evolve(drill.services[0], limits=(attrs.evolve(KEPT, **changes),))
    return attrs.evolve(drill, services=(result,))


def paused(**changes: Any) -> SharedDrill:
    """Return a drill with another pause."""
    result = attrs.evolve(RESULT, pauses=(attrs.evolve(TOLD, **changes),))
    return attrs.evolve(DRILL, services=(result,))


def test_the_processes_stand_side_by_side(ending: Callable[..., Ended]) -> None:
    """Each process has a row, all together have one, and a verdict follows."""
    found = ending(DRILL)
    assert 0 == found.exit_code
    lines = [line.split() for line in found.stdout.splitlines()]
    assert (
        "api: 2 processes calling for 2 s, with the limits in redis://there.example:6379/0"
        in found.stdout
    )
    assert ["1", "9", "10", "0", "1", "0", "250", "ms", "50.0%"] in lines
    assert ["2", "9", "10", "0", "1", "0", "250", "ms", "50.0%"] in lines
    assert ["together", "18", "20", "0", "2", "0", "250", "ms", "100.0%"] in lines
    assert "calls per ip  20 / 21 in 2 s  98.0%" in found.stdout
    last = "passed: 20 requests of 2 processes, 0 refused, 0 bans, 1.50 script calls a request"
    assert last == found.stdout.splitlines()[-1]


def test_columns_are_aligned(ending: Callable[..., Ended]) -> None:
    """Every row begins its cells where the header does."""
    head, *rows = ending(DRILL).stdout.splitlines()[1:5]
    for name in ("calls", "sent", "refused", "retried", "failed", "share"):
        at = head.index(name)
        assert {" "} == {row[at - 1] for row in rows}
        assert " " not in {row[at] for row in rows}


def test_a_limit_that_was_exceeded_fails(ending: Callable[..., Ended]) -> None:
    """A limit that did not hold is named, and the exit status is 1."""
    found = ending(limits(DRILL, most=40))
    assert 1 == found.exit_code
    assert "api: limit calls of ip:here was exceeded: 40 calls in 2 s, 0 refused" in found.stdout
    assert "FAILED: 20 requests of 2 processes" in found.stdout


@pytest.mark.parametrize(("late", "told"), [(0.3, True), (0.01, False)])
def test_a_busy_machine_is_named(ending: Callable[..., Ended], late: float, told: bool) -> None:
    """Where a drill fails on a machine that was late itself, it says so."""
    found = ending(attrs.evolve(limits(DRILL, most=40), late=late))
    assert told == ("this machine is busy: the emulator was up to 300 ms late" in found.stdout)


@pytest.mark.parametrize(
    ("drill", "status", "told"),
    [
        (paused(), 0, "process 2 was told to wait 1 s: all stopped at once, the next after 1.05 s"),
        (paused(last=0.04), 0, "the last call came 40 ms later, the next after 1.05 s"),
        (paused(silent=None), 0, "all stopped at once, none after it"),
        (paused(late=7), 1, "process 2 was told to wait 1 s, and 7 calls came all the same"),
    ],
)
def test_a_wait_that_one_process_heard(
    ending: Callable[..., Ended], drill: SharedDrill, status: int, told: str
) -> None:
    """Whether all stopped when one was told to wait is said, and decides over the exit status."""
    found = ending(drill)
    assert status == found.exit_code
    assert told in found.stdout


@pytest.mark.parametrize(
    "faults",
    [{"bans": 1}, {"faults": ("process 2 never had its turn",)}],
    ids=["ban", "fault"],
)
def test_what_else_fails(ending: Callable[..., Ended], faults: dict[str, Any]) -> None:
    """A ban and a fault fail the drill."""
    found = ending(attrs.evolve(DRILL, services=(attrs.evolve(RESULT, **faults),)))
    assert 1 == found.exit_code


def test_a_drill_that_did_not_begin(ending: Callable[..., Ended]) -> None:
    """A store that is out of reach is a line, and a failure."""
    gone = "the store redis://there.example:6379/0 cannot be used: the connection was refused"
    found = ending(attrs.evolve(DRILL, services=(), scripts=None, faults=(gone,)))
    assert 1 == found.exit_code
    assert [gone, "FAILED: 0 requests of 2 processes, 0 refused, 0 bans"] == (
        found.stdout.splitlines()
    )


def test_what_is_told_without_a_store_or_limits(ending: Callable[..., Ended]) -> None:
    """Without a store it says that each process is on its own."""
    result = attrs.evolve(RESULT, limits=(), pauses=())
    found = ending(attrs.evolve(DRILL, store=None, services=(result,)))
    assert "each with the limits in its own memory: there is no store" in found.stdout
    assert "none documented" in found.stdout


def test_one_process(ending: Callable[..., Ended]) -> None:
    """One process is one, not `1 processes`."""
    found = ending(attrs.evolve(DRILL, processes=1), "--processes", "1")
    assert "api: 1 process calling for 2 s" in found.stdout
    assert "passed: 20 requests of 1 process, 0 refused" in found.stdout


def test_what_is_drilled_unless_told(ending: Callable[..., Ended], asked: Asked) -> None:
    """A store alone means four processes, twenty seconds and unisender."""
    ending(DRILL, "--store", "redis://there.example")
    assert Asked(("unisender",), SharedStore(url="redis://there.example"), 4, 20.0) == asked


def test_what_a_catalog_and_numbers_ask_for(ending: Callable[..., Ended], asked: Asked) -> None:
    """A shipped catalog may be named; without a store there is none."""
    ending(DRILL, "amocrm", "--processes", "3", "--seconds", "7")
    assert Asked(("amocrm",), None, 3, 7.0) == asked


@pytest.mark.parametrize(
    ("args", "store"),
    [
        ((), SharedStore(url="redis://there.example", mode="fail_closed")),
        (("--store", "unix:///here"), SharedStore(url="unix:///here")),
        (("--store", "memory"), None),
    ],
)
def test_the_store_of_a_configuration(
    ending: Callable[..., Ended],
    asked: Asked,
    tmp_path: Path,
    args: tuple[str, ...],
    store: SharedStore | None,
) -> None:
    """A configuration's own store is taken unless another, or none, is named."""
    file = tmp_path / "my.yaml"
    file.write_text(MINE)
    ending(DRILL, str(file), "--processes", "2", *args)
    assert Asked(("api",), store, 2, 20.0) == asked


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--seconds", "5"), "--seconds is for several processes"),
        (("--processes", "0"), "--processes"),
        (("--store", "redis", "--seconds", "0.5"), "--seconds"),
        (("--store", "redi://there.example"), "did you mean 'redis'?"),
        (("/nowhere/my.yaml", "--processes", "2"), "No such file"),
    ],
)
def test_wrong_arguments(cli: Cli, args: tuple[str, ...], said: str) -> None:
    """What is wrong with the arguments is one line on stderr, and exit status 2."""
    found = cli("drill", *args)
    assert 2 == found.exit_code
    complaint = found.stderr.splitlines()[-1]
    assert complaint.startswith("resilient: ")
    assert said in complaint


def test_redis_is_not_installed(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`--store redis` without a redis-server says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = cli("drill", "--store", "redis")
    assert 2 == found.exit_code
    assert "redis-server is not installed here" in found.stderr
    assert "apt install redis-server" in found.stderr
