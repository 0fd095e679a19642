"""What a configuration would do with a response: asked in a test, in one line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resilient.clock import Clock
from resilient.config import Config, load
from resilient.config.build_catalog import load_catalog
from resilient.config.files import kind_of_source
from resilient.config.service import Service
from resilient.errors import ConfigError
from resilient.explain import bare_service
from resilient.explain import explain as _explain
from resilient.explanation import Explanation
from resilient.recognition import AnyHeaders


def explain(
    config: Config | Service | Mapping[str, Any] | str | Path,
    service: str | None = None,
    *,
    status: int = 200,
    method: str = "GET",
    url: str | None = None,
    headers: AnyHeaders = (),
    body: bytes | str = b"",
    now: float | None = None,
) -> Explanation:
    """Return what would be done with a response to a call's first attempt; nothing is sent.

    Args:
        config: What `resilient.load` returned, or what it would take. Text or a path without a
            `service` may be a catalog: a shipped one's name, or where yours is.
        service: Which service of the configuration; None where it has only one.
        status: The HTTP status.
        method: The request's.
        url: The request's, or its path, for what is bound to an endpoint.
        headers: The response's.
        body: The response's; anything at all can be given.
        now: Seconds since the epoch, for a Retry-After that is a date; None: now.

    Raises:
        ConfigError: The configuration or catalog is wrong, or has no such service.
        ValueError: The status is none.
        TypeError: An argument is of another type.
    """
    return _explain(
        _service(config, service),
        status=status,
        method=method,
        url=url,
        headers=headers,
        body=body,
        now=Clock().wall() if now is None else now,
    )


def _service(
    config: Config | Service | Mapping[str, Any] | str | Path, name: str | None
) -> Service:
    if isinstance(config, Service):
        return config
    if isinstance(config, str | Path):
        kind = kind_of_source(config)
        if name is None and kind != "services":
            return bare_service(load_catalog(config))
        if name is not None and kind == "catalog":
            raise ConfigError(f"{str(config)!r} is a catalog and takes no service: omit {name!r}")
    loaded = config if isinstance(config, Config) else load(config)
    return loaded[name] if name is not None else _only(loaded)


def _only(config: Config) -> Service:
    if len(config.services) == 1:
        return config.services[0]
    known = ", ".join(each.name for each in config.services) or "none"
    raise ConfigError(f"say which service is meant; there are {known}")
