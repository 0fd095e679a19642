"""amoCRM: 500 accounts in one process, each with a subdomain, tokens and a limit of its own.

For the real amoCRM leave out `hosts` and `proxy`, and say https for http.
"""

import asyncio

import aiohttp
from _emulated import ACCOUNTS, TABLE, amocrm

import resilient
from resilient.credentials import OAuth2, TokenPair


async def tokens(account: str) -> OAuth2:
    def save(pair: TokenPair) -> None:
        TABLE[account] = pair.asdict()

    return OAuth2("id", "secret", lambda: TABLE[account], save, redirect_uri="https://you.example")


async def read(http: aiohttp.ClientSession, account: str) -> None:
    for page in range(1, 9):
        async with http.get(f"http://{account}/api/v4/leads?page={page}") as response:
            await response.json()


async def main() -> None:
    async with amocrm() as vendor:
        crm = {"catalog": "amocrm", "hosts": ["*.amocrm.ru"], "credential_from": "host"}
        config = {"services": {"crm": crm}}
        async with resilient.session(config, credentials={"crm": tokens}, proxy=vendor.url) as http:
            await asyncio.gather(*(read(http, account) for account in ACCOUNTS))


asyncio.run(main())
