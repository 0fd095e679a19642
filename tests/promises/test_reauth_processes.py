"""Re-authentication across processes: one renews at a time, and a dead one costs no more."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import acme
import attrs
import pytest
from authority import Authority, presiding
from promises.conftest import Figure, Scale
from redis_server import RedisServer
from server import serving

import resilient
from resilient.credentials import FileTokens, RedisTokens, TokenPair, TokenStore

pytestmark = pytest.mark.real_time

Kind = Literal["file", "redis"]
KINDS: tuple[Kind, ...] = ("file", "redis")

STEPS = ("refused", "locked", "noted", "sold", "answered", "stored", "renewed")
"""Where a process is killed; from `sold` to `answered` the new pair is its alone."""

LOST = ("sold", "answered")

NAMES = ("one", "two", "three", "four")

ROOT = Path(resilient.__file__).parents[1]
WORKER = (sys.executable, "-W", "error", str(Path(__file__).with_name("reauth_worker.py")))


@attrs.define(eq=False)
class Family:
    """A token that four processes share, and the authorization server that renews it.

    Attributes:
        authority: The server.
        tokens: Where the token is.
        folder: Where the processes write down what they have to tell.
        task: What they are told.
    """

    authority: Authority
    tokens: TokenStore
    folder: Path
    task: dict[str, Any]

    def told(self) -> list[dict[str, Any]]:
        """Return what the processes have written down."""
        logs = [each.read_text() for each in self.folder.glob("*.jsonl")]
        return [json.loads(line) for log in logs for line in log.splitlines()]

    @property
    def failures(self) -> list[str]:
        """How calls failed."""
        return [each["failure"] for each in self.told() if "failure" in each]

    @property
    def worked(self) -> int:
        """How many processes ended with a token that worked."""
        return sum(each.get("worked", False) for each in self.told())

    def leave(self, *names: str) -> None:
        """Let the others go on without these."""
        self.authority.party -= set(names)
        self.authority.look_round()

    def stop(self) -> None:
        """Let the processes end in order."""
        (self.folder / "stop").touch()
        self.leave(*NAMES)

    async def until_sold(self, more: int, bound: float = 30.0) -> None:
        """Wait until so many more pairs were bought, or the family was revoked."""
        authority, count = self.authority, self.authority.sold + more
        await _until(lambda: authority.sold >= count or authority.dead, bound)


async def _until(holds: Callable[[], bool], bound: float = 30.0) -> None:
    async with asyncio.timeout(bound):
        while not holds():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.01)


@attrs.frozen
class Begin:
    """Begins families.

    Attributes:
        kind: How the processes share their tokens.
        folder: Where.
        redis: Or where.
        stack: Closes the servers.
    """

    kind: Kind
    folder: Path
    redis: RedisServer
    stack: AsyncExitStack

    async def __call__(self, number: int = 0, *, lasts: float = 10.0) -> Family:
        """Return a family of which only the first pair was sold."""
        folder = self.folder / str(number)
        folder.mkdir()
        authority = presiding(await self.stack.enter_async_context(serving()))
        authority.party = set(NAMES)
        tokens, place = self._store(folder, number)
        await tokens.save(TokenPair("a0", "r0"))
        rule = {"kind": "oauth2", "fields": [acme.FIELD]}
        task = {
            "folder": str(folder),
            "catalog": acme.write(folder, credential=rule),
            "url": authority.url,
            "host": authority.url.removeprefix("http://"),
            "lasts": lasts,
        }
        return Family(authority, tokens, folder, {**task, **place})

    def _store(self, folder: Path, number: int) -> tuple[TokenStore, dict[str, Any]]:
        if self.kind == "file":
            path = str(folder / "tokens.json")
            return FileTokens(path), {"file": path}
        url, account = self.redis.url, f"account-{number}"
        return RedisTokens(url, name=account), {"redis": url, "account": account}


@pytest.fixture(params=KINDS)
async def begin(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> AsyncIterator[Begin]:
    """What begins families whose processes share a file, or a Redis."""
    async with AsyncExitStack() as stack:
        yield Begin(request.param, tmp_path, redis_server, stack)


@attrs.define(eq=False)
class Nursery:
    """Forks processes off a program of its own, which is quicker than to start each one."""

    program: "subprocess.Popen[str]"
    pids: dict[str, int] = attrs.field(factory=dict)

    @asynccontextmanager
    async def full(
        self, families: list[Family], end: str | None = None, *, locked: bool = True
    ) -> AsyncIterator[None]:
        """Run four processes for the length of a block; `end` kills the first one at a step."""
        try:
            for name in NAMES:
                own = {"name": name, "locked": locked, "end": end if name == NAMES[0] else None}
                self.pids[name] = self._fork([{**each.task, **own} for each in families])
            yield
            for each in families:
                each.stop()
            await _until(lambda: not any(map(self.has, NAMES)))
        finally:
            for name in filter(self.has, NAMES):
                self.kill(name)

    def has(self, name: str) -> bool:
        """Tell whether a process is still there."""
        try:
            os.kill(self.pids[name], 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self, name: str) -> None:
        """Kill a process."""
        os.kill(self.pids[name], signal.SIGKILL)

    def _fork(self, tasks: list[dict[str, Any]]) -> int:
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(json.dumps(tasks) + "\n")
        self.program.stdin.flush()
        return int(self.program.stdout.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """What the processes come from."""
    with subprocess.Popen(
        WORKER,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        yield Nursery(program)
        program.kill()


def _check(families: list[Family]) -> None:
    """Hold all that was bought to its promise."""
    assert 0 == sum(each.authority.revoked for each in families)
    for each in families:
        assert len(each.authority.asked) == len(set(each.authority.asked))
        assert ([], len(NAMES)) == (each.failures, each.worked)


async def test_races(begin: Begin, nursery: Nursery, scale: Scale, figure: Figure) -> None:
    """Processes that are refused at the same moment buy one pair, and all go on with it."""
    count = scale(16, 850) if begin.kind == "file" else scale(8, 400)
    families = [await begin(number) for number in range(8)]
    async with nursery.full(families):
        await asyncio.gather(*[each.until_sold(count, bound=900) for each in families])
    _check(families)
    raced = sum(each.authority.sold for each in families)
    assert 8 * count <= raced
    figure("G2", f"families revoked, tokens in {begin.kind}", 0, of=f"{raced:,} races of 4")


async def test_races_naively(begin: Begin, nursery: Nursery, figure: Figure) -> None:
    """Without the lock the same processes send a refresh token twice, and lose the family."""
    family = await begin()
    async with nursery.full([family], locked=False):
        await family.until_sold(50)
    with pytest.raises(AssertionError):
        _check([family])
    revoked, raced = family.authority.revoked, family.authority.sold
    of = f"1, after {raced} races"
    figure("G2", f"families revoked without the lock, tokens in {begin.kind}", revoked, of=of)


@pytest.mark.parametrize("step", STEPS)
async def test_killed(
    begin: Begin, nursery: Nursery, step: str, scale: Scale, figure: Figure
) -> None:
    """Killed at any step, a process costs a login only if it had the pair alone; it is told."""
    lasts = scale(3, 10)
    family, victim, logins = await begin(lasts=lasts), NAMES[0], 0
    authority = family.authority
    if step == "sold":
        authority.selling = lambda who: nursery.kill(who) if who == victim else None
    async with nursery.full([family], step):
        await _until(lambda: not nursery.has(victim))
        died = time.monotonic()
        family.leave(victim)
        await family.until_sold(1, bound=60)
        if authority.dead:
            await _until(lambda: len(family.failures) >= 3)
            await family.tokens.save(authority.log_in())
            logins = 1
        waited = time.monotonic() - died
        await family.until_sold(3)
    assert lasts + 20 > waited
    assert (step in LOST) == logins == authority.revoked
    assert bool(logins) == bool(family.failures)
    assert all("died between the vendor's answer and the store" in each for each in family.failures)
    assert 3 == family.worked
    figure(
        "G2",
        f"others went on after a kill ({begin.kind}, {step})",
        waited,
        of=f"a lock of {lasts} s",
    )
