"""Sessions: a ready one, and a sibling of one that you have."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp

from resilient.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from resilient.config.service import Config
    from resilient.events import Listener
    from resilient.middleware import Middleware
    from resilient.wallet import Credentials

CONNECT_TIMEOUT = 30.0
"""Seconds for a socket to connect; aiohttp's own default."""

_wrapped: "WeakSet[aiohttp.ClientSession]" = WeakSet()


@asynccontextmanager
async def session(
    config: "Config | Middleware | str | Path | Mapping[str, Any]",
    *,
    credentials: "Mapping[str, Credentials] | None" = None,
    listeners: "Sequence[Listener]" = (),
    **kwargs: Any,
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open an `aiohttp.ClientSession` whose calls are resilient.

    aiohttp's total timeout is none here: the service's `timeout` counts, waits included.

    Args:
        config: A YAML file, a dict of the same shape, what `load` returned, or a middleware.
        credentials: What signs the calls, by service.
        listeners: Are told every event.
        kwargs: Go to `aiohttp.ClientSession`.

    Raises:
        ConfigError: The configuration or a credential is wrong.
    """
    middleware = _middleware(config, credentials, listeners)
    own = middleware is not config
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    kwargs = {"timeout": timeout, **kwargs}
    kwargs["middlewares"] = (middleware, *kwargs.get("middlewares", ()))
    async with aiohttp.ClientSession(**kwargs) as http:
        _wrapped.add(http)
        try:
            yield http
        finally:
            # Before the connections: a renewal that is under way has to be stored.
            if own:
                await middleware.aclose()


def wrap(
    existing: aiohttp.ClientSession,
    config: "Config | Middleware | str | Path | Mapping[str, Any]",
    *,
    credentials: "Mapping[str, Credentials] | None" = None,
    listeners: "Sequence[Listener]" = (),
    **kwargs: Any,
) -> aiohttp.ClientSession:
    """Return a resilient sibling of a session: connections and cookies are shared.

    Close the sibling and the original lives on; close the original and the sibling is done.
    aiohttp does not tell what these were, so they are lost unless given here again, as keyword
    arguments: `base_url`, `proxy`, `proxy_auth`, `request_class`, `response_class`,
    `ws_response_class`, `read_bufsize`, `max_line_size`, `max_field_size`, `max_headers`,
    `json_serialize_bytes`, `fallback_charset_resolver`, and the session's own `middlewares`.

    Args:
        existing: The session to share connections and cookies with.
        config: A middleware, or what makes one. A middleware can be shared and closed.
        credentials: What signs the calls, by service.
        listeners: Are told every event.
        kwargs: Go to `aiohttp.ClientSession`.

    Raises:
        ConfigError: The session is resilient already, or the configuration is wrong.
    """
    if existing in _wrapped:
        raise ConfigError(
            "this session is resilient already: wrapping it again would multiply attempts"
        )
    middleware = _middleware(config, credentials, listeners)
    shared: dict[str, Any] = {
        "connector": existing.connector,
        "connector_owner": False,
        "cookie_jar": existing.cookie_jar,
        "headers": existing.headers,
        "auth": existing.auth,
        "timeout": existing.timeout,
        "raise_for_status": existing.raise_for_status,
        "json_serialize": existing.json_serialize,
        "trust_env": existing.trust_env,
        "skip_auto_headers": existing.skip_auto_headers,
        "auto_decompress": existing.auto_decompress,
        "requote_redirect_url": existing.requote_redirect_url,
        "trace_configs": existing.trace_configs,
    }
    arguments = {**shared, **kwargs}
    arguments["middlewares"] = (middleware, *kwargs.get("middlewares", ()))
    sibling = aiohttp.ClientSession(**arguments)
    _wrapped.add(sibling)
    return sibling


def _middleware(
    config: "Config | Middleware | str | Path | Mapping[str, Any]",
    credentials: "Mapping[str, Credentials] | None",
    listeners: "Sequence[Listener]",
) -> "Middleware":
    from resilient.middleware import Middleware  # noqa: PLC0415 - all that a call needs

    if not isinstance(config, Middleware):
        return Middleware(config, credentials=credentials, listeners=listeners)
    if credentials or listeners:
        raise ConfigError("credentials and listeners belong to the Middleware: give them there")
    return config
