"""hh.ru through a session that you have: OAuth 2, and a new pair is stored before it is used.

For the real hh.ru leave out `hosts`, and say https://api.hh.ru for `vendor.url`.
"""

import asyncio
import json

import _emulated
import aiohttp

import resilient
from resilient.credentials import OAuth2, TokenPair


def save(pair: TokenPair) -> None:
    new = _emulated.STORE.with_suffix(".new")
    new.write_text(json.dumps(pair.asdict()))
    new.replace(_emulated.STORE)  # a crash leaves one pair or the other, never half of one


async def main() -> None:
    tokens = OAuth2("client-id", "client-secret", lambda: json.loads(_emulated.STORE.read_text()), save)
    async with _emulated.hh() as vendor, aiohttp.ClientSession() as yours:
        config = {"services": {"jobs": {"catalog": "hh", "hosts": [vendor.host]}}}
        async with resilient.wrap(yours, config, credentials={"jobs": tokens}) as http:
            for page in range(20):
                async with http.get(f"{vendor.url}/vacancies?page={page}") as response:
                    print(f"page {page}: HTTP {response.status}")


asyncio.run(main())
