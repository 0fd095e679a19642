"""Dellin: the appkey and the id of a session go into each body, and the session runs out.

For the real Dellin leave out `hosts`, and say https://api.dellin.ru for `vendor.url`.
"""

import asyncio

import _emulated

import resilient
from resilient.credentials import SessionId


async def main() -> None:
    login = SessionId({"appkey": "your-appkey"}, {"login": "ann", "password": "secret"})
    async with _emulated.dellin() as vendor:
        config = {"services": {"cargo": {"catalog": "dellin", "hosts": [vendor.host]}}}
        async with resilient.session(config, credentials={"cargo": login}) as http:
            parcel = {"derival": {"city": "7800000000000000000000000"}, "arrival": {}}
            async with http.post(f"{vendor.url}/v2/calculator.json", json=parcel) as response:
                print("price:", response.status, await response.json())
            async with http.post(f"{vendor.url}/v3/orders.json", json={"docIds": ["1"]}) as response:
                print("orders:", response.status, await response.json())


asyncio.run(main())
