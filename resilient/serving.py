"""Which service a request is for, and whose credential signs it."""

import hashlib
import secrets
import socket

import attrs
from aiohttp import ClientRequest
from yarl import URL

from resilient.catalog import CredentialRule, Endpoint
from resilient.config.service import Service
from resilient.core.decide import block
from resilient.core.endpoints import Endpoints, match_endpoint, match_host
from resilient.core.glance import Glance
from resilient.core.hints import Hearing
from resilient.credentials.head import Head
from resilient.credentials.place import carried
from resilient.model import Block
from resilient.options import Options
from resilient.state.budget import Budget
from resilient.state.store import InProcess, Store
from resilient.wallet import Wallet
from resilient.watch import Watch

UNSIGNED = "anonymous"
"""What the credential scope is called where there is no credential."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@attrs.define(eq=False)
class Serving:
    """One service at work.

    Attributes:
        wallet: Its credentials.
        rule: What the catalog says of its credential, its token endpoint where the service is.
        secret_names: Fields that hold a credential, not to be shown.
        budget: How many retries all its calls may still make.
        latch: How a scope is blocked when the ban rule's row is full.
        glance: Tells at once which responses are certainly no error.
        hearing: What responses may say of limits; None: nobody listens.
        head: Where the credential goes, if it needs no body.
        longest: Seconds of a first attempt, as far as the service says.
        watch: Ends attempts that take too long.
        store: What other processes know of it, too.
    """

    service: Service
    wallet: Wallet
    endpoints: Endpoints = attrs.field(init=False, repr=False)
    rule: CredentialRule | None = attrs.field(init=False)
    secret_names: frozenset[str] = attrs.field(init=False)
    budget: Budget = attrs.field(init=False, repr=False)
    latch: Block = attrs.field(init=False, repr=False)
    glance: Glance = attrs.field(init=False, repr=False)
    hearing: Hearing | None = attrs.field(init=False, repr=False)
    head: Head | None = attrs.field(init=False, repr=False)
    longest: float = attrs.field(init=False)
    watch: Watch = attrs.field(factory=Watch, init=False, repr=False)
    started: bool = False
    warned: bool = False
    store: Store = attrs.field(factory=InProcess, repr=False)
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
        self.glance = Glance.of(service.catalog, service.generic)
        self.longest = min(service.timeout, service.attempt_timeout)
        catalogs = service.catalog, service.generic
        self.hearing = Hearing.of(*catalogs, service.share) if service.adaptive else None
        self.head = None if self.rule is None else Head.of(self.rule)

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
            if self.wallet.gives(own):
                return self._meant(request, options), False
            # All processes have to call him the same.
            salt = self.store.salts.get(self.service.name, self._salt)
            digest = hashlib.blake2s(own.encode(), key=salt, digest_size=6).hexdigest()
            return f"signed-{digest}", False
        if self.wallet.is_empty:
            return options.credential or UNSIGNED, False
        return self._meant(request, options), True

    def _meant(self, request: ClientRequest, options: Options) -> str:
        return self.wallet.name(request.url.host or "", options)

    def _callers(self, request: ClientRequest) -> str | None:
        """Return what the caller signs with himself, or None: nothing, or less than is needed."""
        found = {} if self.rule is None else carried(request, self.rule)
        if self.rule is None or not found:
            return None
        whole = self.wallet.is_empty or len(found) == len(self.rule.fields)
        return next(iter(found.values())) if whole else None

    def forget_tasks(self) -> None:
        """Let go of what was under way in a loop that has ended: it will never be done."""
        self.watch.forget()
        self.wallet.forget_tasks()

    async def aclose(self) -> None:
        """Stop what is under way."""
        self.watch.close()
        await self.wallet.aclose()


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
