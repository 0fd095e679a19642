"""hh.ru through a session that you have: its tokens run out, and are renewed and stored.

For the real hh.ru leave out `hosts`, and say "https://api.hh.ru" for `vendor.url`.
"""

import asyncio
import json

import aiohttp
from _emulated import STORE, hh

import resilient
from resilient.credentials import OAuth2, TokenPair


def save(pair: TokenPair) -> None:
    new = STORE.with_suffix(".new")
    new.write_text(json.dumps(pair.asdict()))
    new.replace(STORE)  # a crash leaves the old pair or the new one, never half a file


async def main() -> None:
    async with hh() as vendor, aiohttp.ClientSession() as yours:
        tokens = OAuth2("client-id", "secret", lambda: json.loads(STORE.read_text()), save)
        config = {"services": {"jobs": {"catalog": "hh", "hosts": [vendor.host]}}}
        async with resilient.wrap(yours, config, credentials={"jobs": tokens}) as http:
            for page in range(20):
                async with http.get(f"{vendor.url}/vacancies?page={page}") as response:
                    await response.json()
    print("You have read 20 pages of vacancies.")


asyncio.run(main())
