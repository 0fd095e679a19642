"""A process with two loops, each with a Middleware of its own, that call as often as they may.

It is given its task as JSON, says `ready`, begins with the line that it then reads, and writes
down its grants, by the clock of the store that granted them: of each loop a list of (number of
the call in order of arrival, number of its grant, seconds).
"""

import asyncio
import json
import sys
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import resilient
from resilient.state.admission import Admission
from resilient.state.grant import Grant

_here = threading.local()
_admit = Admission.admit


async def _noting(self: Admission, *args: Any) -> Grant:
    arrival = next(_here.arrivals)
    grant = await _admit(self, *args)
    ticket = grant.ticket
    at = grant.at if ticket is None else ticket.at / 1e6
    _here.grants.append((arrival, len(_here.grants) if ticket is None else ticket.number, at))
    return grant


Admission.admit = _noting  # type: ignore[method-assign,assignment]


async def _call(task: dict[str, Any]) -> None:
    """Call for a while, in so many tasks; whoever waits in the end is cancelled."""

    async def keep_calling() -> None:
        while True:
            async with http.get(task["url"]):
                pass

    async with resilient.session(task["config"]) as http:
        with suppress(TimeoutError):
            async with asyncio.timeout(task["seconds"]):
                await asyncio.gather(*(keep_calling() for _ in range(task["tasks"])))


def _loop(task: dict[str, Any], begin: threading.Event, notes: list[list[Any]]) -> None:
    _here.grants, _here.arrivals = list[Any](), count()
    notes.append(_here.grants)
    begin.wait(30)
    asyncio.run(_call(task))


def main() -> None:
    """Run both loops, and write down what they were granted."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    begin, notes = threading.Event(), list[list[Any]]()
    threads = [threading.Thread(target=_loop, args=(task, begin, notes)) for _ in range(2)]
    for each in threads:
        each.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begin.set()
    for each in threads:
        each.join()
    Path(task["file"]).write_text(json.dumps(notes), "utf-8")


if __name__ == "__main__":
    main()
