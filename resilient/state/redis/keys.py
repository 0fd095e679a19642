"""Names of keys: all of a service in one slot of a cluster, and never a secret.

A part that is long, or that has characters with a meaning in a key, is named by its digest.
"""

import re
from hashlib import blake2b
from typing import Final, Literal

from resilient.model import Scope

SCHEMA: Final = 1
"""What the values mean; programs that mean something else by them do not share keys."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,64}", re.ASCII)
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_.@+:-]{1,64}", re.ASCII)
_HIDDEN: Final = re.compile(r"~[0-9a-f]{16}", re.ASCII)

Kept = Literal["bucket", "quota"]
"""How a limit is kept."""


def scope(prefix: str, of: Scope) -> str:
    """Return the key of what a scope remembers."""
    return f"{_service(prefix, of.service)}:scope:{_holder(of)}"


def limit(prefix: str, kept: Kept, name: str, of: Scope) -> str:
    """Return the key of what is left of a limit, and of the line before it."""
    return f"{_service(prefix, of.service)}:{kept}:{_part(name)}:{_holder(of)}"


def seen(prefix: str, service: str) -> str:
    """Return the key of the instances that were seen lately."""
    return f"{_service(prefix, service)}:seen"


def salt(prefix: str, service: str) -> str:
    """Return the key of what hides the fields of callers who sign themselves."""
    return f"{_service(prefix, service)}:salt"


def scopes(prefix: str, service: str) -> str:
    """Return the pattern of all scopes of a service, for SCAN."""
    return f"{_service(prefix, service)}:scope:*"


def scope_of(prefix: str, service: str, key: str) -> Scope | None:
    """Return the scope of a key, its name a digest where the key has no more; None: no scope's."""
    start = scopes(prefix, service).removesuffix("*")
    kind, _, name = key.removeprefix(start).partition(":")
    is_name = _PLAIN_NAME.fullmatch(name) or _HIDDEN.fullmatch(name)
    is_scope = key.startswith(start) and _PLAIN.fullmatch(kind) and is_name
    return Scope(service, kind, name) if is_scope else None


def lease(prefix: str, service: str, credential: str) -> str:
    """Return the key of the lock that a credential is renewed under."""
    return f"{_service(prefix, service)}:lease:{_part(credential)}"


def tokens(prefix: str, name: str, kind: Literal["pair", "lease"]) -> str:
    """Return the key of a pair of tokens, or of the lock that it is renewed under."""
    return f"{prefix}:tokens:{SCHEMA}:{{{_part(name)}}}:{kind}"


def _service(prefix: str, service: str) -> str:
    return f"{prefix}:{SCHEMA}:{{{_part(service)}}}"


def _holder(of: Scope) -> str:
    # The last part of a key may have a colon, as every host and port has.
    return f"{_part(of.kind)}:{_part(of.name, _PLAIN_NAME)}"


def _part(text: str, plain: re.Pattern[str] = _PLAIN) -> str:
    if plain.fullmatch(text):
        return text
    return "~" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
