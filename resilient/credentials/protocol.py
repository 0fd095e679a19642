"""What a credential is to the rest of the library, and what it may use to reach its vendor."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Protocol, Self, TypeVar, runtime_checkable

import aiohttp
import attrs
from yarl import URL

from resilient.catalog import CredentialRule
from resilient.credentials.secret import Concealed, checked
from resilient.credentials.tokens.store import Lock, unlocked

E = TypeVar("E", bound=Exception)

Values = Mapping[str, str]
"""What goes into the catalog's fields, by name: `token`, `session`, or a vendor's own `appkey`."""


class Taken(Concealed):
    """Values that `renew` found and did not buy: they may be out of date as well."""


class CredentialRefused(Exception):
    """The vendor will not take this credential, nor renew it: asking again cannot help.

    A `refresh` or `login` of the user's may raise it to say so.

    Attributes:
        cause: The answer that said it, or None.
        wait: Seconds after which it is tried all the same; None: when there is another.
            From `renew` 0 says that the values stay in use: only this call has failed.
    """

    wait: float | None = None

    def __init__(self, message: str, cause: BaseException | None = None) -> None:
        super().__init__(message)
        self.cause = self.__cause__ = cause

    def again(self) -> Self:
        """Return its like: one instance raised for ever would grow its traceback for ever."""
        return _like(self)


class CredentialUnavailable(Exception):
    """The vendor could not say whether it renews the credential: it may be asked again later.

    Attributes:
        wait: Seconds until then, where they are known.
    """

    wait: float | None = None

    def again(self) -> Self:
        """Return its like."""
        return _like(self)


def _like(error: E) -> E:
    """Return a copy without the traceback, whatever the arguments of its class are."""
    like = type(error).__new__(type(error), *error.args)
    like.__dict__.update(error.__dict__)
    like.__cause__ = error.__cause__
    return like


class CannotSign(Exception):
    """The credential cannot be put on the request, or not be fetched; nothing was sent."""


@attrs.frozen(kw_only=True)
class Calls:
    """What a credential may use to reach the vendor.

    Attributes:
        rule: What the catalog says about the credential.
        http: Where calls are made: they pass admission, and are neither signed nor repeated.
        origin: Scheme, host and port of the call that needs the credential.
        allowed: Tells whether secrets may be sent to a URL.
        service: Whose credential it is.
        name: The credential's name.
        lock: Lets one process renew at a time, for credentials whose store has no lock.
    """

    rule: CredentialRule | None
    http: aiohttp.ClientSession = attrs.field(repr=False)
    origin: URL
    allowed: Callable[[URL], bool] = attrs.field(repr=False)
    service: str = ""
    name: str = ""
    lock: Lock = attrs.field(default=unlocked, repr=False)

    def url(self, url: str) -> URL:
        """Return where to send a secret: `url`, or, if that is a path, the path on `origin`.

        Raises:
            CannotSign: Secrets may not go there.
        """
        try:
            given = URL(checked(url, "the URL"))
            target = self.origin.join(given) if url.startswith("/") else given
            place = str(target.origin())
        except ValueError:
            raise CannotSign("The credential's URL is neither absolute nor a path.") from None
        if target.scheme not in ("http", "https"):
            raise CannotSign("The credential's URL is neither http nor https.")
        if self._downgrades(target):
            raise CannotSign(f"A secret is not sent to {place}: it is not encrypted.")
        if not self.allowed(target):
            raise CannotSign(f"A secret is not sent to {place}: it is not among the hosts.")
        return target

    def _downgrades(self, target: URL) -> bool:
        encrypted = target.scheme == "https" or _is_loopback(target.host or "")
        return not encrypted and self.origin.scheme == "https"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@runtime_checkable
class Credential(Protocol):
    """What signs the calls of one user of an API. Anything with these three will do."""

    @property
    def refreshable(self) -> bool:
        """Whether `renew` can help when the vendor refuses the values."""
        ...

    async def load(self, calls: Calls) -> Values:
        """Return the values to begin with, and the ones to try after all others were refused.

        Raises:
            CredentialRefused: There are none, and asking again cannot help.
        """
        ...

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return new values in place of those that the vendor refuses.

        Raises:
            CredentialRefused: There are none, and asking again cannot help.
        """
        ...
