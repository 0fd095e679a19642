"""The vendors of the examples: servers on this machine that misbehave as the real ones do.

Nothing here belongs into an integration. Each of these stands for one real API, and says at its
end what it saw.
"""

import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from resilient.testing import Emulator

STORE = Path(tempfile.mkdtemp(), "tokens.json")
"""Where the tokens of one user are kept, since he let the application in."""

TABLE: dict[str, dict[str, Any]] = {}
"""Where the tokens of many accounts are kept: a table of your database."""

ACCOUNTS = [f"acct{number}.amocrm.ru" for number in range(1, 501)]
"""The customers of an integration with amoCRM."""


@asynccontextmanager
async def hh() -> AsyncIterator[Emulator]:
    """hh.ru, whose access tokens live for one second."""
    async with Emulator("hh", token_lifetime=1) as vendor:
        _put(vendor.issue_tokens())
        yield vendor
        print(f"hh.ru saw {_seen(vendor)}.")


@asynccontextmanager
async def unisender() -> AsyncIterator[Emulator]:
    """UniSender, which says once that calls come too fast, and takes no key for text messages."""
    async with Emulator("unisender") as vendor:
        vendor.script("api_call_limit_exceeded_for_api_key", endpoint="getLists")
        vendor.script("invalid_api_key", endpoint="sendSms")
        yield vendor
        for each in vendor.requests:
            place = "query" if "api_key=" in each.query else "form"
            said = f"HTTP {each.status} with {each.entry.code if each.entry else 'no error'}"
            print(f"UniSender saw {each.method} {each.endpoint}, the key in the {place}: {said}.")


@asynccontextmanager
async def dellin() -> AsyncIterator[Emulator]:
    """Dellin, where the session has run out by the second question."""
    async with Emulator("dellin") as vendor:
        vendor.script("session_expired", endpoint="orders")
        yield vendor
        print(f"Dellin saw {_seen(vendor)}, at 45 a minute as documented.")
        sent = [json.loads(each.body) for each in vendor.requests if each.why != "login"]
        whole = sum(body.keys() >= {"appkey", "sessionID"} for body in sent)
        print(f"{whole} of {len(sent)} bodies held the appkey and the session's id.")


@asynccontextmanager
async def amocrm() -> AsyncIterator[Emulator]:
    """amoCRM, which is behind the proxy; the tokens of every twentieth account have run out."""
    async with Emulator("amocrm") as vendor:
        TABLE.update({account: vendor.issue_tokens() for account in ACCOUNTS})
        for account in ACCOUNTS[::20]:
            vendor.expire_credential(TABLE[account]["access_token"])
        yield vendor
        most = max(each.most for each in vendor.tallies if each.limit.name == "calls")
        print(f"amoCRM saw {_seen(vendor)}.")
        print(f"No account was called more than {most} times in any second; 7 are allowed.")


def _put(tokens: dict[str, Any]) -> None:
    STORE.write_text(json.dumps(tokens))


_WORDS = {
    "success": "answered",
    "expired": "refused for a token that has run out",
    "script": "refused for a session that has run out",
    "token": "to renew tokens",
    "login": "to log in",
    "limit": "refused for coming too fast",
}


def _seen(vendor: Emulator) -> str:
    """Return in words what came, and what became of it."""
    found = Counter(_WORDS.get(each.why, each.why) for each in vendor.requests)
    return f"{vendor.total} requests: " + ", ".join(f"{n} {words}" for words, n in found.items())
