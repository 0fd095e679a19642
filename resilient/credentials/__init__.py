"""Credentials: what signs calls, how it is renewed, and where it is put."""

from resilient.credentials.api_key import ApiKey, as_credential
from resilient.credentials.bearer import Bearer
from resilient.credentials.keyring import Keyring, Signature
from resilient.credentials.oauth2 import OAuth2, TokenPair
from resilient.credentials.protocol import (
    Calls,
    CannotSign,
    Credential,
    CredentialRefused,
    CredentialUnavailable,
    Values,
)
from resilient.credentials.session_id import SessionId

__all__ = [
    "ApiKey",
    "Bearer",
    "Calls",
    "CannotSign",
    "Credential",
    "CredentialRefused",
    "CredentialUnavailable",
    "Keyring",
    "OAuth2",
    "SessionId",
    "Signature",
    "TokenPair",
    "Values",
    "as_credential",
]
