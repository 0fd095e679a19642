"""hh.ru through a session that you have: its tokens run out, and are renewed and stored.

For the real hh.ru leave out `hosts`, and say "https://api.hh.ru" for `vendor.url`.
"""

import asyncio
import json

import _emulated
import aiohttp

import resilient
from resilient.credentials import OAuth2, TokenPair


def load() -> object:
    return json.loads(_emulated.STORE.read_text())


def save(pair: TokenPair) -> None:
    _emulated.STORE.write_text(json.dumps(pair.asdict()))


async def main() -> None:
    async with _emulated.hh() as vendor, aiohttp.ClientSession() as yours:
        config = {"services": {"jobs": {"catalog": "hh", "hosts": [vendor.host]}}}
        tokens = OAuth2("client-id", "client-secret", load, save)
        async with resilient.wrap(yours, config, credentials={"jobs": tokens}) as http:
            for page in range(20):
                async with http.get(f"{vendor.url}/vacancies?page={page}") as response:
                    await response.json()
    print("You have read 20 pages of vacancies.")


asyncio.run(main())
