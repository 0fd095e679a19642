"""The vendors' side of the examples: servers on this machine that misbehave as vendors do.

Nothing here belongs into an integration. Each of these stands for one real API, and says at the
end what it saw.
"""

import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from resilient.testing import Emulator

STORE = Path(tempfile.mkdtemp()) / "tokens.json"
"""Where an example keeps the tokens that its user got when he logged in."""

ACCOUNTS = [f"acct{number}.amocrm.ru" for number in range(1, 501)]
"""The customers of an integration with amoCRM."""


@asynccontextmanager
async def hh() -> AsyncIterator[Emulator]:
    """hh.ru, whose access tokens live for a second."""
    async with Emulator("hh", token_lifetime=1) as vendor:
        STORE.write_text(json.dumps(vendor.issue_tokens()))
        yield vendor
        print(f"hh.ru saw {_seen(vendor)}; {vendor.refreshes} pairs of tokens were renewed")


@asynccontextmanager
async def unisender() -> AsyncIterator[Emulator]:
    """UniSender, which is called too fast once, and knows the key no more when it comes to SMS."""
    async with Emulator("unisender") as vendor:
        vendor.script("api_call_limit_exceeded_for_api_key", endpoint="getLists")
        vendor.script("invalid_api_key", endpoint="sendSms")
        yield vendor
        for each in vendor.requests:
            place = "query" if "api_key" in each.query else "form"
            told = f"HTTP {each.status}, {each.entry.code if each.entry else 'done'}"
            print(f"UniSender saw {each.method} {each.endpoint}, the key in the {place}: {told}")


@asynccontextmanager
async def dellin() -> AsyncIterator[Emulator]:
    """Dellin, where the session has run out when the second question comes."""
    async with Emulator("dellin") as vendor:
        vendor.script("101004", endpoint="orders")
        yield vendor
        names = [f"{each.endpoint} ({each.status})" for each in vendor.requests]
        print(f"Dellin saw {', '.join(names)}")


@asynccontextmanager
async def amocrm() -> AsyncIterator[Emulator]:
    """amoCRM, which lets each account's integration make 7 calls in a second."""
    async with Emulator("amocrm") as vendor:
        ended = []
        stored = {account: vendor.issue_tokens() for account in ACCOUNTS}
        for account in ACCOUNTS[::20]:
            ended.append(stored[account]["access_token"])
            vendor.expire_credential(ended[-1])
        STORE.write_text(json.dumps(stored))
        yield vendor
        most = max(each.most for each in vendor.tallies if each.limit.name == "calls")
        print(f"amoCRM saw {_seen(vendor)}; {vendor.refreshes} pairs of tokens were renewed")
        print(f"the most that one account's integration sent in any second: {most} calls of 7")


def _seen(vendor: Emulator) -> str:
    """Return what requests were answered with, in words."""
    found = Counter(each.why for each in vendor.requests)
    return f"{vendor.total} requests: " + ", ".join(f"{n} {why}" for why, n in found.items())
