"""A checked configuration, as values: what the middleware needs to know of each service."""

import os
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from resilient.catalog import Catalog, Endpoint
from resilient.core.replay import is_idempotent
from resilient.errors import ConfigError
from resilient.policy import Policies, RetryBudget

if TYPE_CHECKING:
    from resilient.config.store_url import StoreURL

Mode = Literal["enforce", "observe", "off"]

StoreMode = Literal["local_share", "fail_closed", "fail_open"]
"""What calls go on with while the shared store does not answer."""

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except (OSError, ValueError) as error:  # a path with a NUL in it is no OSError
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _shown(variable: str | None) -> str:
    """Return a variable's name if it looks like one: some write the credential in its place."""
    return str(variable) if variable is None or _NAME.fullmatch(variable) else "(not capitals)"


@attrs.frozen(kw_only=True)
class Secret:
    """Where a credential, or a URL with one, is written: never the text itself."""

    env: str | None = attrs.field(default=None, repr=_shown)
    file: str | None = None

    @property
    def place(self) -> str:
        """Where it is, in words."""
        if self.env is not None:
            return f"the environment variable {_shown(self.env)}"
        return f"the file {self.file}"

    def read(self, what: str = "credential") -> str:
        """Return the text.

        Args:
            what: What it should be, for the error.

        Raises:
            ConfigError: It is not there, or empty.
        """
        if self.env is not None:
            text = os.environ.get(self.env, "")
        else:
            text = _text(Path(self.file or ""))
        if not text.strip():
            raise ConfigError(f"{self.place} holds no {what}")
        return text.strip()


@attrs.frozen(kw_only=True)
class Service:
    """One API as the user configured it: the catalog with what was overridden in it.

    Attributes:
        hosts: Which requests are this service's.
        own_hosts: Whether the user named them: then plain http may carry the credential.
        generic: The catalog that stands behind.
        idempotent: What the user says of endpoints, by name.
        share: This process's part of every limit.
        timeout: Seconds of a whole call, waits included.
        attempt_timeout: Seconds of one attempt, up to the response's headers.
        retry_budget: How many retries all its calls have together; None: as many as they want.
        report_wait: Seconds of waiting from which on it is reported.
        adaptive: Whether refusals and what servers say of their limits slow its calls down.
        egress: What the `ip` scope is called.
    """

    name: str
    catalog: Catalog
    generic: Catalog = attrs.field(repr=False)
    policies: Policies = attrs.field(repr=False)
    mode: Mode = "enforce"
    hosts: tuple[str, ...]
    own_hosts: bool = False
    secret: Secret | None = None
    credential_from: Literal["host"] | None = None
    idempotent: Mapping[str, bool] = attrs.field(factory=dict)
    share: Fraction = Fraction(1)
    timeout: float = 300.0
    attempt_timeout: float = 60.0
    on_error: Literal["raise", "return"] = "raise"
    max_queue: int = 10000
    report_wait: float = 1.0
    adaptive: bool = True
    retry_budget: RetryBudget | None = attrs.field(factory=RetryBudget)
    egress: str | None = None

    def is_idempotent(
        self, method: str, endpoint: Endpoint | None, wanted: bool | None = None
    ) -> bool:
        """Tell whether a call may be processed twice.

        Args:
            method: In capitals.
            endpoint: The catalog's, or None.
            wanted: What the caller says; None: nothing.
        """
        if endpoint is None:
            return is_idempotent(method, wanted)
        return is_idempotent(
            method, wanted, self.idempotent.get(endpoint.name), endpoint.idempotent
        )


@attrs.frozen(kw_only=True)
class SharedStore:
    """Where scopes remember what all machines have to know.

    Attributes:
        url: Which Redis, or where that is written.
        mode: What calls go on with while it does not answer.
        timeout: Seconds in which it must answer.
        prefix: What the name of each key begins with.
    """

    url: str | Secret = attrs.field(repr=False)
    mode: StoreMode = "local_share"
    timeout: float = 0.05
    prefix: str = "resilient"

    def read(self) -> "StoreURL":
        """Return which Redis it is.

        Raises:
            ConfigError: The URL is not where it should be, or wrong. It is not repeated.
        """
        from resilient.config.store_url import Wrong, parse  # noqa: PLC0415 - where there is one

        found = parse(self.url if isinstance(self.url, str) else self.url.read("store's URL"))
        if isinstance(found, Wrong):
            raise ConfigError(found.problem)
        return found


@attrs.frozen(kw_only=True)
class Config:
    """A checked configuration.

    Attributes:
        services: The APIs that are called.
        store: Where scopes remember; None: in this process.
    """

    services: tuple[Service, ...]
    store: SharedStore | None = None

    def __getitem__(self, name: str) -> Service:
        for service in self.services:
            if service.name == name:
                return service
        known = [service.name for service in self.services]
        raise ConfigError(f"there is no service {name!r}; there are {', '.join(known) or 'none'}")
