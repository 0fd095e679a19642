"""What would be done with a response, as values that compare and print well."""

from typing import Any, Literal

import attrs

from resilient.catalog import Entry, ScopeKind
from resilient.config.service import Mode
from resilient.errors import ApiError
from resilient.model import Hint, Skipped
from resilient.policy import Action

Range = tuple[float, float]
"""The least and the most seconds: what chance decides lies between."""


@attrs.frozen(kw_only=True, repr=False)
class ExplainedError:
    """One error that a response reports.

    Attributes:
        code: The entry's, or what was reported if the catalog does not know it.
        name: The vendor's name for it, else ours.
        policy: The name of its policy.
        meaning: What it means.
        advice: What a person should do.
        kind: What it was recognised by.
        reported: The code as reported; None where the status or a text told.
        message: What the server wrote for people.
        action: What its policy does.
        scope: What it holds, or None.
        http_status: The status that the vendor documents for it.
        wait: Seconds to wait that the vendor documents.
        support: The vendor says to turn to its support.
        mapped: Whether the catalog knows the code.
    """

    code: str | None = None
    name: str
    policy: str
    meaning: str = ""
    advice: str = ""
    kind: Literal["code", "status", "text"]
    reported: str | None = None
    message: str = ""
    action: Action
    scope: ScopeKind | None = None
    http_status: int | None = None
    wait: float | None = None
    support: bool = False
    mapped: bool = True

    def __repr__(self) -> str:
        return _briefly(self)


@attrs.frozen(kw_only=True)
class Hold:
    """What a scope remembers of a response.

    Attributes:
        kind: A pause, or a block.
        scope: What is held.
        seconds: How long; of a block the first and the longest cool-down, None: until released.
    """

    kind: Literal["pause", "block"]
    scope: ScopeKind
    seconds: Range | None


@attrs.frozen(kw_only=True, repr=False)
class Explanation:
    """What the library would do with a response to a call's first attempt.

    It is told for a body that can be sent again, a credential that can be renewed, and no
    deadline.

    Attributes:
        catalog: The catalog's name.
        revision: Its revision.
        status: The HTTP status.
        policy: The name of the policy that decides; None: success, or an answer.
        action: What that policy does.
        errors: What is reported, the one that decides first.
        scope: What a pause or block holds.
        processed: Whether the server is known to have processed the request.
        retry_after: Seconds that the server asks for.
        resend: Whether the call is sent again.
        retry_skipped: Why not, where the policy would.
        exception: What the call raises in the end, if nothing helps.
        unmapped: Reported codes that the catalog does not know.
        attempts: Sends of the call at most, where the policy repeats.
        delay: Until something is sent again; of a `back_off` the scope's pause, of a
            `block_warning` its cool-down. None: never.
        service: The service's name.
        mode: The service's: only `enforce` does anything.
        on_error: The service's: with `return` nothing is raised that has a response.
        method: The request's.
        endpoint: The catalog's name for it.
        idempotent: Whether it may be processed twice.
        host_known: Whether the URL's host is the service's; None: no host was given.
        answers: Entries that say that what looks like an error is an answer.
        truncated: Whether only a part of the body was looked into.
        hints: What the server says of its limits in headers, as far as it is heeded.
        holds: What every error of the response, not only the first, leaves behind.
    """

    catalog: str
    revision: int
    status: int
    policy: str | None = None
    action: Action | None = None
    errors: tuple[ExplainedError, ...] = ()
    scope: ScopeKind | None = None
    processed: bool | None = None
    retry_after: float | None = None
    resend: bool = False
    retry_skipped: Skipped | None = None
    exception: type[ApiError] | None = None
    unmapped: tuple[str, ...] = ()
    attempts: int | None = None
    delay: Range | None = None
    service: str
    mode: Mode = "enforce"
    on_error: Literal["raise", "return"] = "raise"
    method: str
    endpoint: str | None = None
    idempotent: bool
    host_known: bool | None = None
    answers: tuple[Entry, ...] = ()
    truncated: bool = False
    hints: tuple[Hint, ...] = ()
    holds: tuple[Hold, ...] = ()

    def __repr__(self) -> str:
        return _briefly(self)

    def asdict(self) -> dict[str, Any]:
        """Return what `resilient explain --json` prints."""
        said = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "holds")
        return said | {
            "errors": [attrs.asdict(each) for each in self.errors],
            "exception": self.exception and self.exception.__name__,
            "unmapped": list(self.unmapped),
            "delay": self.delay and list(self.delay),
            "hints": [attrs.asdict(each) for each in self.hints],
            "answers": [
                {"code": each.code, "name": each.name, "meaning": each.meaning}
                for each in self.answers
            ],
        }


def _briefly(value: attrs.AttrsInstance) -> str:
    """Show what says something: a failed assertion is read, not searched."""
    fields = attrs.fields(type(value))
    told = {each.name: getattr(value, each.name) for each in fields}
    words = (f"{f.name}={_shown(told[f.name])}" for f in fields if told[f.name] != f.default)
    return f"{type(value).__name__}({', '.join(words)})"


def _shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)
