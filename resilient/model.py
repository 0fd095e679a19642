"""Frozen values of one call: what was exchanged, what failed, what to do about it."""

from collections.abc import Sequence
from typing import Literal

import attrs

from resilient.catalog import Entry, ScopeKind

Skipped = Literal["not_idempotent", "body_not_replayable", "deadline", "budget", "attempts"]
"""Why a call is not sent again."""

Headers = Sequence[tuple[str, str]]
"""Response headers as sent: names in any case, repeats kept."""


@attrs.frozen(kw_only=True)
class Exchange:
    """One request and the answer to it, as far as recognition needs them.

    Attributes:
        method: In capitals.
        endpoint: The catalog's name for the request, or None.
        status: The HTTP status.
        headers: The response's headers.
        body: What was read of the body; empty if nothing was.
        complete: Whether that is all of it.
        charset: What the content type says, or None.
    """

    method: str
    endpoint: str | None = None
    status: int
    headers: Headers = ()
    body: bytes = b""
    complete: bool = True
    charset: str | None = None


@attrs.frozen(kw_only=True)
class Found:
    """One reported error and the entry that explains it.

    Attributes:
        entry: The entry that won.
        code: The code as reported; None where the status or a text told.
        message: What the server wrote for people, bounded and printable.
        mapped: Whether the catalog knows the code (True where there is none).
    """

    entry: Entry
    code: str | None = None
    message: str = attrs.field(default="", repr=False)
    mapped: bool = True


@attrs.frozen(kw_only=True)
class Failure:
    """One recognised error on one attempt.

    Attributes:
        catalog: The catalog's name.
        status: The HTTP status.
        endpoint: The endpoint's name, or None.
        found: Every error of the response, the one that decides first.
        retry_after: Seconds that the server asked for, or None.
        scope: What a pause or block holds.
    """

    catalog: str
    status: int
    endpoint: str | None = None
    found: tuple[Found, ...]
    retry_after: float | None = None
    scope: ScopeKind

    @property
    def entry(self) -> Entry:
        """The entry that decides."""
        return self.found[0].entry

    @property
    def code(self) -> str | None:
        """The code that decides, as reported; None where the status or a text told."""
        return self.found[0].code

    def asked(self, entry: Entry) -> float | None:
        """Return how long the server asks to wait, else how long the vendor does, of an entry."""
        return entry.wait if self.retry_after is None else self.retry_after

    @property
    def processed(self) -> bool | None:
        """False only if every error of the response says that nothing was processed."""
        known = {each.entry.processed for each in self.found}
        return known.pop() if len(known) == 1 else (True if True in known else None)

    @property
    def unmapped(self) -> tuple[str, ...]:
        """Reported codes that the catalog does not know."""
        return tuple(each.code for each in self.found if each.code and not each.mapped)


@attrs.frozen(kw_only=True)
class NoAnswer:
    """The server did not answer.

    Attributes:
        sent: False if the request certainly did not leave, None if that is unknown.
        hopeless: Repeating cannot help: a bad certificate, a bad address.
        timeout: Whether a time limit ended it.
        reason: The class of the exception.
    """

    sent: Literal[False] | None
    hopeless: bool = False
    timeout: bool = False
    reason: str = ""


@attrs.frozen(kw_only=True)
class Attempt:
    """What is known of a call when one of its attempts failed.

    Attributes:
        number: Of the attempt, 1-based.
        idempotent: Whether the call may be processed twice.
        replayable: Whether its body can be sent again.
        refreshable: Whether its credential can be renewed.
        refreshed: Whether it was renewed for this call before.
        affordable: Whether the service's retry budget has one more.
        remaining: Seconds until the call's deadline.
        held: Seconds until its scopes let anybody go.
    """

    number: int
    idempotent: bool
    replayable: bool = True
    refreshable: bool = False
    refreshed: bool = False
    affordable: bool = True
    remaining: float = float("inf")
    held: float = 0.0


@attrs.frozen(kw_only=True)
class Resend:
    """Send again after `delay` seconds."""

    delay: float


@attrs.frozen(kw_only=True)
class Refresh:
    """Renew the credential, then send again.

    Attributes:
        skipped: Why this call is not sent again: it is renewed for those that follow, and
            raised. None: it is sent again.
    """

    skipped: Skipped | None = None


@attrs.frozen(kw_only=True)
class Raise:
    """Give up.

    Attributes:
        skipped: Why it is not sent again; None where repeating was no option anyway.
        wait: Seconds after which another call may succeed, or None.
    """

    skipped: Skipped | None = None
    wait: float | None = None


Verdict = Resend | Refresh | Raise
"""What to do about a failure."""


@attrs.frozen(kw_only=True)
class Pause:
    """A scope is to wait `seconds`; `refusal` if the server said: too fast.

    Attributes:
        asked: What the server asked for, to the second: it tells how it counts. Or None.
    """

    scope: ScopeKind
    seconds: float
    refusal: bool = True
    asked: float | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class Block:
    """A scope is shut: nothing goes for the cool-down; then a probe.

    Attributes:
        scope: Which.
        base: Seconds of the first cool-down; None: until released.
        cap: Seconds of the longest one.
        asked: Seconds that the server asked for, or None.
        reason: The code or name of the error.
    """

    scope: ScopeKind
    base: float | None
    cap: float
    asked: float | None = None
    reason: str = ""


Mark = Pause | Block
"""What a failure leaves behind in a scope."""


@attrs.frozen(kw_only=True)
class Hint:
    """What a server says, unasked, of a limit. It only ever tightens what we know.

    Attributes:
        limit: The catalog's name of the limit; None: of all that the call was under.
        calls: How many calls the server allows in `period` seconds, or None.
        period: Seconds, or None.
        remaining: Calls that are left until `reset`, or None.
        reset: Seconds until the server counts anew, or None.
    """

    limit: str | None = None
    calls: int | None = None
    period: float | None = None
    remaining: int | None = None
    reset: float | None = None


@attrs.frozen
class Scope:
    """What shares a limit, a pause or a block, by name: never by a secret.

    Attributes:
        service: The service's name.
        kind: What is shared; of several kinds for a compound scope.
        name: Which credential, host, egress or endpoint.
    """

    service: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"
