"""The one redis-server that all contenders use, and what it says of its work."""

import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NotYet
from redis.retry import Retry

OPTIONS = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning")
A_WHILE = Retry(ConstantBackoff(0.01), 500, supported_errors=(NotYet,))
SCRIPTS = ("evalsha", "eval", "fcall")
LOG = "grants"


@attrs.frozen
class Work:
    """What the server did up to now.

    Attributes:
        reads: Requests it read; commands that were sent together are one.
        calls: Script calls.
        median: The median of their times in microseconds, None for none.
    """

    reads: int
    calls: int
    median: float | None


@attrs.frozen
class Server:
    """A redis-server of our own, listening on a port of the loopback."""

    port: int
    redis: Any  # its commands are typed for both kinds of client at once

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}"

    def clear(self) -> None:
        """Forget every key and every figure; scripts stay."""
        self.redis.flushall()
        self.redis.config_resetstat()

    def work(self) -> Work:
        """Return what it did since the last `clear`."""
        found = self.redis.info("everything")
        calls = {name: found.get(f"cmdstat_{name}", {}).get("calls", 0) for name in SCRIPTS}
        most = max(calls, key=lambda name: calls[name])
        times = found.get(f"latency_percentiles_usec_{most}", {})
        return Work(found["total_reads_processed"], sum(calls.values()), times.get("p50"))

    def bytes(self) -> int:
        """Return what all keys take but the log."""
        keys = [key for key in self.redis.scan_iter(count=1000) if key != LOG.encode()]
        return sum(self.redis.memory_usage(key, samples=0) or 0 for key in keys)

    def log(self) -> list[tuple[float, int]]:
        """Return every grant that was logged: the server's own time, and the process."""
        entries = self.redis.xrange(LOG)
        return [(int(at.split(b"-")[0]) / 1000, int(of[b"by"])) for at, of in entries]


@contextmanager
def serving() -> Iterator[Server]:
    """Run a redis-server."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        tempfile.TemporaryDirectory(prefix="resilient-redis-") as place,
        subprocess.Popen(
            ["redis-server", "--port", str(port), "--dir", place, *OPTIONS],
            stdout=subprocess.DEVNULL,
        ) as child,
    ):
        try:
            with Redis(port=port, retry=A_WHILE) as redis:
                redis.ping()
                yield Server(port, redis)
        finally:
            child.terminate()


def most_within(log: list[tuple[float, int]], seconds: float) -> int:
    """Return the most grants in any window of so many seconds."""
    times, first, most = [at for at, _ in log], 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def by_process(log: list[tuple[float, int]]) -> list[int]:
    """Return how many grants each process had, the fewest first."""
    return sorted(Counter(by for _, by in log).values())
