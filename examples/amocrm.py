"""amoCRM: 500 accounts, each with its own subdomain, tokens and limit, in one process.

For the real amoCRM leave out `hosts` and `proxy`, and say https for http.
"""

import asyncio
import json
import time

import _emulated

import resilient
from resilient.credentials import OAuth2, TokenPair


async def tokens(account: str) -> OAuth2:
    def save(pair: TokenPair) -> None:
        stored[account] = pair.asdict()

    return OAuth2("client-id", "client-secret", lambda: stored[account], save, redirect_uri="https://you.example")


async def main() -> None:
    async with _emulated.amocrm() as vendor:
        stored.update(json.loads(_emulated.STORE.read_text()))
        config = {"services": {"crm": {"catalog": "amocrm", "hosts": ["*.amocrm.ru"], "credential_from": "host"}}}
        async with resilient.session(config, credentials={"crm": tokens}, proxy=vendor.url) as http:
            calls = [http.get(f"http://{account}/api/v4/leads") for account in _emulated.ACCOUNTS for _ in range(8)]
            t = time.time()
            answers = await asyncio.gather(*calls)
            print(len(answers), {answer.status for answer in answers}, time.time() - t)

stored: dict = {}
asyncio.run(main())
