"""Credentials: what signs calls, how it is renewed, and where it is put."""

from typing import TYPE_CHECKING, Any

from resilient.credentials.api_key import ApiKey, as_credential
from resilient.credentials.bearer import Bearer
from resilient.credentials.keyring import Keyring, Signature
from resilient.credentials.oauth2 import OAuth2
from resilient.credentials.protocol import (
    Calls,
    CannotSign,
    Credential,
    CredentialRefused,
    CredentialUnavailable,
    Values,
)
from resilient.credentials.session_id import SessionId
from resilient.credentials.tokens.file import FileTokens
from resilient.credentials.tokens.memory import MemoryTokens
from resilient.credentials.tokens.pair import Intent, Stored, TokenPair
from resilient.credentials.tokens.store import TokenStore

if TYPE_CHECKING:
    from resilient.credentials.tokens.redis import RedisTokens

__all__ = [
    "ApiKey",
    "Bearer",
    "Calls",
    "CannotSign",
    "Credential",
    "CredentialRefused",
    "CredentialUnavailable",
    "FileTokens",
    "Intent",
    "Keyring",
    "MemoryTokens",
    "OAuth2",
    "RedisTokens",
    "SessionId",
    "Signature",
    "Stored",
    "TokenPair",
    "TokenStore",
    "Values",
    "as_credential",
]


def __getattr__(name: str) -> Any:
    """Load what speaks to Redis only for those who ask for it."""
    if name != "RedisTokens":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from resilient.credentials.tokens.redis import RedisTokens  # noqa: PLC0415

    return RedisTokens
