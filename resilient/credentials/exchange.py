"""One POST of a secret to the vendor and the reply to it: is it refused, or only late?"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import aiohttp

from resilient.credentials.protocol import Calls, CredentialRefused, CredentialUnavailable
from resilient.credentials.secret import Concealed
from resilient.errors import ApiError, Blocked, RateLimited, Unavailable

LONGEST_REPLY = 64 * 1024
"""Bytes of a reply that are read."""

# RFC 6749 section 5.2. Only these are repeated to the user: a reply may echo a secret.
_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
# What says "later" rather than "no".
_LATER = (408, 425, 429)


async def post(
    calls: Calls, url: str, sent: Mapping[str, str], encoding: Literal["form", "json"], what: str
) -> Mapping[str, Any]:
    """Send `sent` once, and return the JSON object that comes back.

    A redirect is not followed: the secret would go where nobody said it may.

    Args:
        calls: The way to the vendor.
        url: Absolute, or a path on the host of the call.
        sent: The body.
        encoding: How it is written.
        what: What is asked, for messages: `the login`.

    Raises:
        CredentialRefused: The vendor says no, or what comes back is no JSON object.
        CredentialUnavailable: The vendor cannot say.
    """
    body: dict[str, Any] = {"json" if encoding == "json" else "data": Concealed(sent)}
    accept = {"Accept": "application/json"}
    try:
        async with calls.http.post(
            calls.url(url), headers=accept, allow_redirects=False, raise_for_status=False, **body
        ) as response:
            status, reply = response.status, await _bounded(response)
    except aiohttp.ClientResponseError as error:
        if refused := refusal(error, what):
            raise refused from error
        raise
    except aiohttp.ClientPayloadError:
        raise CredentialUnavailable(f"The vendor's reply to {what} broke off.") from None
    return _accepted(status, reply, what)


def refusal(error: Exception, what: str) -> CredentialRefused | None:
    """Return the refusal that an answer of the vendor means, or None if it means no refusal."""
    if not isinstance(error, ApiError) or isinstance(error, (RateLimited, Unavailable, Blocked)):
        return None
    # A status below 400 is an error inside a success.
    if error.status >= 500 or error.status in _LATER:  # noqa: PLR2004
        return None
    name = f", {error.name}" if error.name else ""
    return CredentialRefused(f"The vendor refused {what}: HTTP {error.status}{name}.", error)


async def _bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None if it is longer than any that is meant."""
    body = bytearray()
    while chunk := await response.content.read(LONGEST_REPLY + 1 - len(body)):
        body += chunk
        if len(body) > LONGEST_REPLY:
            return None
    return bytes(body)


def _accepted(status: int, body: bytes | None, what: str) -> Mapping[str, Any]:
    if status >= 500 or status in _LATER:  # noqa: PLR2004
        raise CredentialUnavailable(f"The vendor could not answer {what}: HTTP {status}.")
    if 300 <= status < 400:  # noqa: PLR2004
        raise CredentialUnavailable(
            f"The vendor answered {what} with a redirect (HTTP {status}), which is not followed."
        )
    reply = _object(body)
    error = reply.get("error") if reply is not None else None
    code = f", {error}" if isinstance(error, str) and error in _ERRORS else ""
    if status >= 400 or code:  # noqa: PLR2004
        raise CredentialRefused(f"The vendor refused {what}: HTTP {status}{code}.")
    if reply is None:
        size = f"longer than {LONGEST_REPLY} bytes" if body is None else "no JSON object"
        raise CredentialRefused(f"The vendor's reply to {what} is {size}.")
    return reply


def _object(body: bytes | None) -> Mapping[str, Any] | None:
    try:
        # Numbers of thousands of digits are an attack: none is needed that a float cannot hold.
        found = json.loads(body or b"", parse_int=float)
    except (ValueError, RecursionError):
        return None
    return Concealed(found) if isinstance(found, dict) else None
