"""Error catalogs, rate limits and re-authentication for aiohttp clients of third-party APIs."""

from importlib import import_module
from typing import TYPE_CHECKING

from resilient.errors import (
    ApiError,
    AuthenticationFailed,
    Blocked,
    ConfigError,
    DeadlineExceeded,
    NotSent,
    QueueFull,
    RateLimited,
    ResilientError,
    ScopeBlocked,
    TransportError,
    TransportTimeout,
    Unavailable,
)
from resilient.options import options
from resilient.session import session, wrap

if TYPE_CHECKING:
    from resilient import credentials
    from resilient.config import Config, load
    from resilient.ending import failure_of as failure
    from resilient.events import Event
    from resilient.middleware import Middleware
    from resilient.model import Failure
    from resilient.recognition import classify
else:
    # What these bring along takes longer than all of the above: it waits until it is asked for.
    _LATER = {
        "Config": "resilient.config:Config",
        "Event": "resilient.events:Event",
        "Failure": "resilient.model:Failure",
        "Middleware": "resilient.middleware:Middleware",
        "classify": "resilient.recognition:classify",
        "credentials": "resilient.credentials:",
        "failure": "resilient.ending:failure_of",
        "load": "resilient.config:load",
    }

    def __getattr__(name: str) -> object:
        """Load what is public, when it is first asked for."""
        module, colon, inner = _LATER.get(name, "").partition(":")
        if not colon:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = import_module(module)
        globals()[name] = getattr(found, inner) if inner else found
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})


__all__ = [
    "ApiError",
    "AuthenticationFailed",
    "Blocked",
    "Config",
    "ConfigError",
    "DeadlineExceeded",
    "Event",
    "Failure",
    "Middleware",
    "NotSent",
    "QueueFull",
    "RateLimited",
    "ResilientError",
    "ScopeBlocked",
    "TransportError",
    "TransportTimeout",
    "Unavailable",
    "classify",
    "credentials",
    "failure",
    "load",
    "options",
    "session",
    "wrap",
]
