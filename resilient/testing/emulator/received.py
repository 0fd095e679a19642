"""What the emulator keeps of each request."""

from collections import deque
from collections.abc import Mapping

import attrs

from resilient.catalog import Entry
from resilient.testing.emulator.answer import Answer
from resilient.testing.emulator.arrival import Arrival
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.faults import Fault


@attrs.frozen(kw_only=True)
class Received:
    """One request, and what it was answered.

    Attributes:
        path: Percent-encoded as sent, without the query.
        query: Percent-encoded as sent.
        body: Empty where it was not read: see `raw`.
        time: When it came, on the loop's clock.
        endpoint: The catalog's name for it, or None.
        presented: The values of the credential, by the field's name.
        status: Of the answer, also of one that a fault kept back; 0: there was none.
        entry: What the answer said, None for a success.
        why: `success`, `limit`, `ban`, `script`, `expired`, `token`, `login`, `spent`, `emulate`,
            `unknown key`; of a request that was not answered: `fault`, `too large`,
            `unanswered`: it was broken off, or is no HTTP.
        fault: What happened to the answer on the wire, or None.
        connection: The number of the connection that it came on, from 1.
        raw: Request line, headers and body, byte by byte as they arrived; of what is longer than
            the emulator keeps, the beginning.
        complete: Whether all of it arrived.
    """

    method: str
    path: str
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    time: float
    endpoint: str | None
    presented: Mapping[str, str] = attrs.field(repr=False)
    status: int
    entry: Entry | None
    why: str
    fault: Fault | None = None
    connection: int = 0
    raw: bytes = attrs.field(default=b"", repr=False)
    complete: bool = True


class Log:
    """The requests that came.

    Args:
        most: How many of the latest are kept.

    Attributes:
        requests: These, oldest first.
        total: How many came.
    """

    def __init__(self, most: int) -> None:
        self.requests: deque[Received] = deque(maxlen=most)
        self.total = 0

    def keep(self, asked: Asked, arrival: Arrival, answer: Answer) -> None:
        """Keep a request and its answer."""
        self.total += 1
        self.requests.append(
            Received(
                method=asked.method,
                path=asked.path,
                query=asked.query,
                headers=asked.headers,
                body=asked.body,
                time=asked.time,
                endpoint=asked.endpoint,
                presented=asked.presented,
                status=answer.status,
                entry=answer.entry,
                why=answer.why,
                fault=answer.fault,
                connection=arrival.connection,
                raw=arrival.raw,
                complete=arrival.complete,
            )
        )


def no_answer(why: str, *, status: int = 0, fault: Fault | None = None) -> Answer:
    """Return what stands for the answer to a request that got none from the vendor."""
    return Answer(status=status, form="text", body=b"", why=why, fault=fault)


def asked_in(raw: bytes, time: float) -> Asked:
    """Return what can be told of a request that aiohttp did not hand over."""
    line = raw.partition(b"\n")[0].decode("latin-1").split()
    method, target, *_ = [*line, "", ""]
    path, _, query = target.partition("?")
    return Asked(method=method, path=path, query=query, time=time)
