"""The simplest credential: a key that never changes. A plain text counts as one."""

from typing import Any

import attrs

from resilient.credentials.protocol import Calls, Credential, CredentialRefused, Values
from resilient.credentials.secret import checked


def _key(value: object) -> str:
    return checked(value, "the API key")


@attrs.frozen(eq=False)
class ApiKey:
    """A key that the vendor gave once.

    Attributes:
        value: The key: text without control characters.
    """

    value: str = attrs.field(repr=False, converter=_key)

    @property
    def refreshable(self) -> bool:
        """There is nothing to renew a key with."""
        return False

    async def load(self, calls: Calls) -> Values:  # noqa: ARG002 - nobody has to be asked
        """Return the key as `token`."""
        return {"token": self.value}

    async def renew(self, calls: Calls, stale: Values) -> Values:  # noqa: ARG002
        """Refuse: a key is renewed by a person."""
        raise CredentialRefused("The API key is refused, and an API key cannot be renewed.")


def as_credential(value: Any) -> Credential:
    """Return a credential as it is, and a text as an API key.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, str):
        return ApiKey(value)
    # A class has the methods of its instances: somebody forgot to call it.
    if isinstance(value, Credential) and not isinstance(value, type):
        return value
    kind = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
    raise TypeError(
        f"a credential is text, or has `refreshable`, `load` and `renew` "
        f"(ApiKey, Bearer, OAuth2, SessionId); found {kind}"
    )
