"""Error catalogs, rate limits and re-authentication for aiohttp clients of third-party APIs."""

from resilient import credentials
from resilient.config import Config, load
from resilient.ending import failure_of as failure
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
from resilient.events import Event
from resilient.middleware import Middleware
from resilient.model import Failure
from resilient.options import options
from resilient.recognition import classify
from resilient.session import session, wrap

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
