"""The credentials of one service: which one is meant, and what holds those that are in use."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import attrs

from resilient.config.service import Service
from resilient.credentials import (
    ApiKey,
    CannotSign,
    Credential,
    Keyring,
    as_credential,
    renewal,
)
from resilient.errors import ConfigError
from resilient.options import Options

DEFAULT = "default"
"""What a service's only credential is called."""

Credentials = (
    Credential | str | Mapping[str, Credential | str] | Callable[[str], Awaitable[Credential]]
)
"""What may sign the calls of a service: one, several by name, or `async (name) -> Credential`."""

IDLE = 600.0
"""Seconds after which a credential that was made on demand is forgotten."""

MANY = 1024
"""Credentials in use before idle ones are looked for; then twice what is left."""


@attrs.define(eq=False)
class Wallet:
    """The credentials of one service; at most one of the first three is there.

    Attributes:
        alone: The only one.
        named: Several, by name.
        make: Makes one of a name.
        keyrings: What holds those in use, by `key`.
    """

    service: Service
    alone: Credential | None = attrs.field(default=None, repr=False)
    named: Mapping[str, Credential] | None = attrs.field(default=None, repr=False)
    make: Callable[[str], Awaitable[Credential]] | None = attrs.field(default=None, repr=False)
    keyrings: dict[str | int, Keyring] = attrs.field(factory=dict, init=False, repr=False)
    _making: "dict[str, asyncio.Task[Credential]]" = attrs.field(
        factory=dict, init=False, repr=False
    )
    _crowded: int = attrs.field(default=0, init=False)

    @classmethod
    def of(cls, service: Service, source: Credentials | None) -> "Wallet":
        """Return the credentials that are given for a service, or that its file names.

        Raises:
            ConfigError: They have nowhere to go, or are none.
        """
        if source is None and service.secret is not None:
            source = ApiKey(service.secret.read())
        if source is None:
            return cls(service)
        if service.catalog.credential is None:
            raise ConfigError(
                f"the catalog {service.catalog.name!r} of the service {service.name!r} "
                "does not say where a credential goes: it needs a 'credential' section"
            )
        if isinstance(source, Mapping):
            named = {name: as_credential(each) for name, each in source.items()}
            return cls(service, named=named)
        if callable(source) and not isinstance(source, Credential):
            return cls(service, make=source)
        return cls(service, as_credential(source))

    @property
    def is_empty(self) -> bool:
        """Whether the calls are not signed by us."""
        return self.alone is None and self.named is None and self.make is None

    def name(self, host: str, options: Options) -> str:
        """Return the name of the credential that is meant.

        Raises:
            ConfigError: It is not said which, or there is none of the name.
        """
        if options.credential is not None:
            return self._known(options.credential)
        if self.service.credential_from == "host":
            return self._known(host)
        return self._only()

    def _known(self, name: str) -> str:
        """Return the name of a credential; where there is one without a name, it is meant."""
        if self.named is not None and name not in self.named:
            raise ConfigError(
                f"the service {self.service.name!r} has no credential {name!r}; "
                f"it has {', '.join(self.named)}"
            )
        nameless = self.alone is not None and self.service.credential_from is None
        return DEFAULT if nameless else name

    def _only(self) -> str:
        if self.named is not None:
            if len(self.named) == 1:
                return next(iter(self.named))
            raise ConfigError(
                f"the service {self.service.name!r} has several credentials: choose "
                "one by options(credential=…), or say credential_from: host"
            )
        if self.make is not None:
            raise ConfigError(
                f"the service {self.service.name!r} makes its credentials by name: "
                "say which by options(credential=…), or credential_from: host"
            )
        return DEFAULT

    def gives(self, value: str) -> bool:
        """Tell whether a value is of ours: a redirect may give it back to us, in its Location."""
        rings = (ring.current for ring in self.keyrings.values())
        return any(value in current.values.values() for current in rings if current)

    def key(self, name: str) -> str | int:
        """Return what a credential's keyring is kept by."""
        held = self._held(name)
        return name if held is None else id(held)

    async def keyring(self, name: str, now: float) -> Keyring:
        """Return what holds a credential; it is made on first use."""
        key = self.key(name)
        keyring = self.keyrings.get(key)
        if keyring is None:
            self._forget(now)
            credential = self._held(name) or await self._made(name)
            # Another call may have made it while this one waited.
            keyring = self.keyrings.setdefault(key, Keyring(credential))
        keyring.last_used = now
        return keyring

    def _held(self, name: str) -> Credential | None:
        """Return the credential of a name; None: it is made on demand.

        One credential under several names is renewed once: its refresh token is good once.
        """
        return self.alone if self.named is None else self.named.get(name)

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
        if self.make is None:
            raise CannotSign(f"There is no credential {name!r}.")  # pragma: no cover
        return as_credential(await self.make(name))

    def _is_made(self, name: str, task: "asyncio.Task[Credential]") -> None:
        self._making.pop(name, None)
        if not task.cancelled():
            task.exception()  # heard, also where nobody waits any more

    def _forget(self, now: float) -> None:
        """Forget those that were not used for a while, looking at all of them seldom."""
        if len(self.keyrings) < max(MANY, self._crowded):
            return
        rings = self.keyrings.items()
        idle = [name for name, ring in rings if now - ring.last_used > IDLE and not ring.busy]
        for name in idle:
            del self.keyrings[name]
        self._crowded = 2 * len(self.keyrings)

    def forgive(self, credential: str | None) -> None:
        """Let a credential, or every one of them, be renewed at once."""
        wanted = None if credential is None else self._held(credential) or credential
        for key, keyring in self.keyrings.items():
            if wanted in (None, key, keyring.credential):
                keyring.forgive()

    def forget_tasks(self) -> None:
        """Let go of what was under way in a loop that has ended: it will never be done."""
        self._making.clear()
        for keyring in self.keyrings.values():
            keyring.forget_task()

    async def aclose(self) -> None:
        """Stop what is under way."""
        for task in list(self._making.values()):
            task.cancel()
        for keyring in list(self.keyrings.values()):
            await keyring.aclose()
