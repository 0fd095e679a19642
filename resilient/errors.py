"""The exception tree: who is at fault, what happened, what to do.

    ResilientError
      ConfigError(ValueError)
      ApiError(aiohttp.ClientResponseError)           they answered with an error
        RateLimited, AuthenticationFailed, Blocked, Unavailable
      TransportError(aiohttp.ClientConnectionError)   no answer
        TransportTimeout(TimeoutError)
      NotSent(aiohttp.ClientError)                    no attempt of this call was sent
        QueueFull, ScopeBlocked, DeadlineExceeded(TimeoutError)

None of them shows a credential, and all can be pickled. None is a `ClientOSError` or a
`ServerDisconnectedError`: aiohttp would run the whole call again on those.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

import aiohttp
import attrs
from aiohttp import RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

if TYPE_CHECKING:
    from resilient.catalog import Entry

_LINE_COLUMN = re.compile(r"(.*):(\d+):(\d+)", re.DOTALL)


def _restore(kind: type["ResilientError"], message: str, state: dict[str, Any]) -> "ResilientError":
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__setstate__(state)
    return error


class ResilientError(Exception):
    """Something went wrong with a call, and this library says what.

    Attributes:
        service: The service's name in the configuration, or None.
        attempts: How often the call was sent.
        retry_at: From when on another call may succeed: aware UTC, or None.
    """

    service: str | None = None
    attempts: int = 0
    retry_at: datetime | None = None

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), str(self), self.__getstate__())

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled beside the message."""
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        """Take back what was pickled."""
        self.__dict__.update(state or {})


@attrs.frozen
class Fault:
    """One fault of a configuration: where, what was found, what was expected."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


def _position(fault: Fault) -> tuple[str, int, int, str]:
    match = _LINE_COLUMN.fullmatch(fault.place)
    if match is None:
        return fault.place, 0, 0, fault.problem
    return match[1], int(match[2]), int(match[3]), fault.problem


class ConfigError(ResilientError, ValueError):
    """The configuration is wrong. All faults of it, each with its place.

    Attributes:
        faults: Each with `place` (`file:line:column`, or a path) and `problem`.
    """

    def __init__(self, faults: Iterable[Fault] | str) -> None:
        listed = () if isinstance(faults, str) else faults
        self.faults: tuple[Fault, ...] = tuple(sorted(set(listed), key=_position))
        super().__init__(faults if isinstance(faults, str) else "\n".join(map(str, self.faults)))


class ApiError(ResilientError, aiohttp.ClientResponseError):
    """The API answered with an error.

    Attributes:
        catalog: The catalog that explains it.
        code: The code as reported, or None where the status or a text told.
        name: The entry's name.
        policy: The name of the policy that decided.
        advice: What a person should do.
        entries: Every entry found in the response, the one that decided first.
        body: What was read of the response's body. It is the server's text: never log it
            without a look.
        request_info: Without headers, and with a redacted URL.
    """

    # Overrides aiohttp's deprecated alias of the status, which warns and would write it.
    code: str | None = None  # type: ignore[assignment]

    def __init__(
        self,
        message: str,
        *,
        url: str,
        method: str,
        status: int,
        headers: Iterable[tuple[str, str]] = (),
        service: str | None = None,
        attempts: int = 0,
        retry_at: datetime | None = None,
        catalog: str = "",
        code: str | None = None,
        policy: str = "",
        entries: tuple["Entry", ...] = (),
        body: bytes = b"",
    ) -> None:
        info = shown_request(url, method)
        proxy = CIMultiDictProxy(CIMultiDict(headers))
        aiohttp.ClientResponseError.__init__(
            self, info, (), status=status, message=message, headers=proxy
        )
        self.args = (message,)
        self.service, self.attempts, self.retry_at = service, attempts, retry_at
        self.catalog, self.code, self.policy = catalog, code, policy
        self.entries, self.body = entries, body

    @property
    def name(self) -> str:
        """The name of the entry that decided."""
        return self.entries[0].name if self.entries else ""

    @property
    def advice(self) -> str:
        """What a person should do."""
        return self.entries[0].advice if self.entries else ""

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with aiohttp's proxies taken apart: they cannot be pickled."""
        state = dict(self.__dict__)
        state["request_info"] = (str(self.request_info.url), self.request_info.method)
        state["headers"] = tuple((self.headers or {}).items())
        return state

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        """Put the proxies together again."""
        state = dict(state or {})
        state["request_info"] = shown_request(*state["request_info"])
        state["headers"] = CIMultiDictProxy(CIMultiDict(state["headers"]))
        self.__dict__.update(state)


def shown_request(url: str, method: str) -> RequestInfo:
    """Return what may be told of a request, from a redacted URL."""
    try:
        shown = URL(url)
    except ValueError:
        shown = URL()
    return RequestInfo(shown, method, CIMultiDictProxy(CIMultiDict()), shown)


class RateLimited(ApiError):
    """The API says: too fast; and waiting longer does not fit. `retry_at` says until when."""


class AuthenticationFailed(ApiError):
    """The credential is refused, and renewing it did not help. A person has to look."""


class Blocked(ApiError):
    """The API shuts us out. Nothing more is sent in this scope until the cool-down is over."""


class Unavailable(ApiError):
    """The server failed, as often as the policy tries."""


class _Located(ResilientError):
    """An error without an answer: all it has are its words and the three common attributes."""

    def __init__(
        self,
        message: str,
        *,
        service: str | None = None,
        attempts: int = 0,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.service, self.attempts, self.retry_at = service, attempts, retry_at


class TransportError(_Located, aiohttp.ClientConnectionError):
    """No answer came. The original exception is `__cause__`.

    Attributes:
        sent: False if the request certainly did not leave; None if that is unknown: then the
            server may have processed it.
    """

    sent: Literal[False] | None = None

    def about(self, sent: Literal[False] | None) -> Self:
        """Say whether the request left."""
        self.sent = sent
        return self


class TransportTimeout(TransportError, TimeoutError):
    """No answer came in time."""


class NotSent(_Located, aiohttp.ClientError):
    """No attempt of this call was sent: it is safe to make it again."""


class QueueFull(NotSent):
    """Too many calls wait in this scope already."""


class ScopeBlocked(NotSent):
    """The scope is blocked: the API shut us out before. `retry_at` says until when."""


class DeadlineExceeded(NotSent, TimeoutError):
    """The wait does not fit the call's deadline."""
