"""Processes that call an API whose token runs out, and are killed at a step of a renewal if asked.

The program forks one for the tasks of each line that it reads, and writes its id.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

import resilient
from resilient.credentials import (
    FileTokens,
    Intent,
    OAuth2,
    RedisTokens,
    Stored,
    TokenPair,
    TokenStore,
)


@attrs.frozen(eq=False)
class Mortal:
    """A store whose process is killed when a renewal comes to a step."""

    tokens: TokenStore
    end: str | None

    def at(self, step: str) -> None:
        """Come to a step."""
        if step == self.end:
            os.kill(os.getpid(), signal.SIGKILL)

    async def load(self) -> Stored | None:
        """Read."""
        return await self.tokens.load()

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Store."""
        self.at("answered")
        version = await self.tokens.save(pair, replaces)
        self.at("stored")
        return version

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Hold the lock."""
        self.at("refused")
        async with self.tokens.lock() as number:
            if number is not None:
                self.at("locked")
            yield number
            if number is not None:
                self.at("renewed")

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note a renewal."""
        noted = await self.tokens.note(intent, number)
        self.at("noted")
        return noted


@attrs.frozen(eq=False)
class Unlocked(Mortal):
    """A store that lets everybody renew at the same time, as most do."""

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Hold nothing."""
        yield 1

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note nothing."""
        return True


def _store(task: dict[str, Any]) -> TokenStore:
    tokens: TokenStore = (
        FileTokens(task["file"])
        if "file" in task
        else RedisTokens(task["redis"], name=task["account"], lasts=task["lasts"], timeout=10)
    )
    return (Mortal if task.get("locked", True) else Unlocked)(tokens, task.get("end"))


async def work(task: dict[str, Any]) -> None:
    """Call until there is a file `stop`, and write down each failure, and how it went."""
    folder, name = Path(task["folder"]), task["name"]
    oauth = OAuth2(name, "secret", store=_store(task), token_url="/token")
    config = {"services": {"acme": {"catalog": task["catalog"], "hosts": [task["host"]]}}}
    calls, failed, worked = 0, 0, False
    with (folder / f"{name}.jsonl").open("a") as log:
        async with resilient.session(config, credentials={"acme": oauth}) as http:
            while not (folder / "stop").exists():
                calls, worked = calls + 1, True
                try:
                    async with http.get(f"{task['url']}/things", headers={"X-Call": name}):
                        pass
                except resilient.ResilientError as error:
                    worked, failed = False, failed + 1
                    log.write(json.dumps({"failure": str(error)}) + "\n")
                    log.flush()
                    await asyncio.sleep(0.05)
        log.write(json.dumps({"calls": calls, "failed": failed, "worked": worked}) + "\n")


async def work_on_all(tasks: list[dict[str, Any]]) -> None:
    """Work on several tasks at the same time."""
    await asyncio.gather(*map(work, tasks))


def _warm_up() -> None:
    """Load what every process will need."""
    resilient.load({"services": {"any": {"catalog": "http", "hosts": ["127.0.0.1"]}}})
    RedisTokens("unix:///nowhere", name="nobody's")


def fork_for_each_line() -> None:
    """Fork a process for the tasks of each line that comes; nobody waits for it."""
    _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(work_on_all(json.loads(line)))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    fork_for_each_line()
