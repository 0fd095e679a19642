"""Which service a request is for, and whose credential signs it."""

import asyncio
import hashlib
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import attrs
from aiohttp import ClientRequest
from yarl import URL

from resilient.catalog import CredentialRule, Endpoint
from resilient.config.service import Config, Service
from resilient.core.decide import block
from resilient.core.endpoints import Endpoints, match_endpoint, match_host
from resilient.credentials import (
    ApiKey,
    CannotSign,
    Credential,
    Keyring,
    as_credential,
    renewal,
)
from resilient.credentials.place import carried
from resilient.errors import ConfigError
from resilient.model import Block
from resilient.options import Options
from resilient.state.budget import Budget
from resilient.state.store import InProcess, Store

DEFAULT = "default"
"""What a service's only credential is called."""

UNSIGNED = "anonymous"
"""What the credential scope is called where there is no credential."""

Credentials = (
    Credential | str | Mapping[str, Credential | str] | Callable[[str], Awaitable[Credential]]
)
"""What may sign the calls of a service: one, several by name, or `async (name) -> Credential`."""

IDLE = 600.0
"""Seconds after which a credential that was made on demand is forgotten."""

_MANY = 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@attrs.define(eq=False)
class Serving:
    """One service at work.

    Attributes:
        rule: What the catalog says of its credential, its token endpoint where the service is.
        secret_names: Fields that hold a credential, not to be shown.
        budget: How many retries all its calls may still make.
        latch: How a scope is blocked when the ban rule's row is full.
        store: What other processes know of it, too.
    """

    service: Service
    source: Any = attrs.field(default=None, repr=False)
    endpoints: Endpoints = attrs.field(init=False, repr=False)
    rule: CredentialRule | None = attrs.field(init=False)
    secret_names: frozenset[str] = attrs.field(init=False)
    budget: Budget = attrs.field(init=False, repr=False)
    latch: Block = attrs.field(init=False, repr=False)
    started: bool = False
    warned: bool = False
    store: Store = attrs.field(factory=InProcess, repr=False)
    _making: "dict[str, asyncio.Task[Credential]]" = attrs.field(
        factory=dict, init=False, repr=False
    )
    _keyrings: dict[str | int, Keyring] = attrs.field(factory=dict, init=False, repr=False)
    _salt: bytes = attrs.field(factory=lambda: secrets.token_bytes(16), init=False, repr=False)
    _egress: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        service = self.service
        self.endpoints = Endpoints(service.catalog.endpoints)
        self.rule = _at_home(service)
        self.budget = Budget(service.retry_budget)
        self.latch = block(service.policies["block_warning"], "credential")
        fields = self.rule.fields if self.rule else ()
        self.secret_names = frozenset(field.name for field in fields)
        self._egress = service.egress or socket.gethostname()
        self.source = _checked(service, self.source)

    @property
    def egress(self) -> str:
        """What the `ip` scope is called."""
        return self._egress

    def endpoint(self, request: ClientRequest) -> Endpoint | None:
        """Return the catalog's endpoint for a request, or None."""
        return match_endpoint(self.endpoints, request.method, request.url.raw_path)

    def serves(self, url: URL) -> bool:
        """Tell whether a URL is one of the service's."""
        return match_host(self.service.hosts, url.host or "", url.port)

    def may_sign(self, url: URL) -> bool:
        """Tell whether a credential may be sent to a URL: one of ours, and not in the clear.

        Plain http is allowed to hosts that the user named himself, and on this machine.
        """
        safe = url.scheme == "https" or self.service.own_hosts or url.host in _LOOPBACK
        return safe and self.serves(url)

    def name(self, request: ClientRequest, options: Options) -> tuple[str, bool]:
        """Return the credential's name, and whether it is ours to put on the request."""
        own = self._callers(request)
        if own is not None:
            if self.source is not None and self._is_ours(own):
                return self._name(request, options), False
            # All processes have to call him the same.
            salt = self.store.salts.get(self.service.name, self._salt)
            digest = hashlib.blake2s(own.encode(), key=salt, digest_size=6).hexdigest()
            return f"signed-{digest}", False
        if self.source is None:
            return options.credential or UNSIGNED, False
        return self._name(request, options), True

    def _name(self, request: ClientRequest, options: Options) -> str:
        if options.credential is not None:
            return self._known(options.credential)
        if self.service.credential_from == "host":
            return self._known(request.url.host or "")
        return self._only()

    def _callers(self, request: ClientRequest) -> str | None:
        """Return what the caller signs with himself, or None: nothing, or less than is needed."""
        found = {} if self.rule is None else carried(request, self.rule)
        if self.rule is None or not found:
            return None
        whole = self.source is None or len(found) == len(self.rule.fields)
        return next(iter(found.values())) if whole else None

    def _is_ours(self, value: str) -> bool:
        """Tell whether we gave it: a redirect may give our own back to us, in its Location."""
        rings = (ring.current for ring in self._keyrings.values())
        return any(value in current.values.values() for current in rings if current)

    def _known(self, name: str) -> str:
        """Return the name of a credential; where there is one without a name, it is meant."""
        if isinstance(self.source, Mapping) and name not in self.source:
            raise ConfigError(
                f"the service {self.service.name!r} has no credential {name!r}; "
                f"it has {', '.join(self.source)}"
            )
        alone = isinstance(self.source, Credential) and self.service.credential_from is None
        return DEFAULT if alone else name

    def _only(self) -> str:
        if isinstance(self.source, Mapping):
            if len(self.source) == 1:
                return str(next(iter(self.source)))
            raise ConfigError(
                f"the service {self.service.name!r} has several credentials: choose "
                "one by options(credential=…), or say credential_from: host"
            )
        if callable(self.source):
            raise ConfigError(
                f"the service {self.service.name!r} makes its credentials by name: "
                "say which by options(credential=…), or credential_from: host"
            )
        return DEFAULT

    async def keyring(self, name: str, now: float) -> Keyring:
        """Return what holds a credential; it is made on first use."""
        held = self._held(name)
        key = name if held is None else id(held)
        keyring = self._keyrings.get(key)
        if keyring is None:
            self._forget(now)
            credential = held or await self._made(name)
            # Another call may have made it while this one waited.
            keyring = self._keyrings.setdefault(key, Keyring(credential))
        keyring.last_used = now
        return keyring

    def _held(self, name: str) -> Credential | None:
        """Return the credential of a name; None: it is made on demand.

        One credential under several names is renewed once: its refresh token is good once.
        """
        held = self.source.get(name) if isinstance(self.source, Mapping) else self.source
        return held if isinstance(held, Credential) else None

    async def _made(self, name: str) -> Credential:
        """Return a credential that is made on demand: once for all who wait for it."""
        task = self._making.get(name)
        if task is None:
            making = renewal.run(self.service.name, name, lambda: self._make(name))
            task = self._making[name] = asyncio.ensure_future(making)
            task.add_done_callback(lambda done: self._is_made(name, done))
        await asyncio.wait((task,))
        if task.cancelled():
            raise CannotSign("The client was closed while its credential was being made.")
        return task.result()

    async def _make(self, name: str) -> Credential:
        return as_credential(await self.source(name))

    def _is_made(self, name: str, task: "asyncio.Task[Credential]") -> None:
        self._making.pop(name, None)
        if not task.cancelled():
            task.exception()  # heard, also where nobody waits any more

    def _forget(self, now: float) -> None:
        if len(self._keyrings) < _MANY:
            return
        idle = [
            name
            for name, ring in self._keyrings.items()
            if now - ring.last_used > IDLE and not ring.busy
        ]
        for name in idle:
            del self._keyrings[name]

    def forgive(self, credential: str | None) -> None:
        """Let a credential, or every one of them, be renewed at once."""
        wanted = None if credential is None else self._held(credential) or credential
        for key, keyring in self._keyrings.items():
            if wanted in (None, key, keyring.credential):
                keyring.forgive()

    def forget_tasks(self) -> None:
        """Let go of what was under way in a loop that has ended: it will never be done."""
        self._making.clear()
        for keyring in self._keyrings.values():
            keyring.forget_task()

    async def aclose(self) -> None:
        """Stop what is under way."""
        for task in list(self._making.values()):
            task.cancel()
        for keyring in list(self._keyrings.values()):
            await keyring.aclose()


def _at_home(service: Service) -> CredentialRule | None:
    """Return the credential's rule, its token endpoint on the hosts that the user named."""
    rule = service.catalog.credential
    if rule is None or not service.own_hosts:
        return rule
    token, login = rule.token, rule.login
    return attrs.evolve(
        rule,
        token=token and attrs.evolve(token, url=_path(token.url)),
        login=login and attrs.evolve(login, url=_path(login.url)),
    )


def _path(url: str) -> str:
    return URL(url).raw_path_qs


def _checked(service: Service, source: Any) -> Any:
    if source is None and service.secret is not None:
        source = ApiKey(service.secret.read())
    if source is not None and service.catalog.credential is None:
        raise ConfigError(
            f"the catalog {service.catalog.name!r} of the service {service.name!r} "
            "does not say where a credential goes: it needs a 'credential' section"
        )
    if isinstance(source, Mapping):
        return {name: as_credential(each) for name, each in source.items()}
    is_factory = callable(source) and not isinstance(source, Credential)
    return source if source is None or is_factory else as_credential(source)


@attrs.define(eq=False)
class Directory:
    """All services, by host."""

    servings: dict[str, Serving]
    _found: dict[tuple[str, int | None], tuple[Serving, ...]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, config: Config, credentials: Mapping[str, Credentials]) -> "Directory":
        """Return the directory of a configuration.

        Raises:
            ConfigError: A credential belongs to no service, or has nowhere to go.
        """
        if not isinstance(credentials, Mapping):
            raise ConfigError("credentials are a mapping from a service's name to what signs it")
        known = {service.name for service in config.services}
        for name in credentials:
            if name not in known:
                raise ConfigError(
                    f"a credential is given for {name!r}, and there is no such "
                    f"service; there are {', '.join(sorted(known))}"
                )
        return cls({s.name: Serving(s, credentials.get(s.name)) for s in config.services})

    def find(self, url: URL, options: Options) -> Serving | None:
        """Return the service that a request is for, or None.

        Raises:
            ConfigError: Several fit, and nothing chooses; or the chosen one is not there.
        """
        fitting = self._fitting(url)
        if options.service is not None:
            chosen = self.servings.get(options.service)
            if chosen is None:
                raise ConfigError(
                    f"there is no service {options.service!r}; there are {', '.join(self.servings)}"
                )
            return chosen if chosen in fitting else None
        if len(fitting) > 1:
            names = ", ".join(each.service.name for each in fitting)
            raise ConfigError(
                f"{url.host} belongs to several services ({names}): "
                "choose one by options(service=…)"
            )
        return fitting[0] if fitting else None

    def _fitting(self, url: URL) -> tuple[Serving, ...]:
        key = (url.host or "", url.port)
        found = self._found.get(key)
        if found is None:
            found = tuple(each for each in self.servings.values() if each.serves(url))
            if len(self._found) >= _MANY:
                self._found.clear()
            self._found[key] = found
        return found

    def __iter__(self) -> Iterator[Serving]:
        return iter(self.servings.values())
