"""Dellin: the appkey and a session's id go into each body; the session runs out under way.

For the real Dellin leave out `hosts`, and say "https://api.dellin.ru" for `vendor.url`.
"""

import asyncio

from _emulated import dellin

import resilient
from resilient.credentials import SessionId


async def main() -> None:
    async with dellin() as vendor:
        config = {"services": {"cargo": {"catalog": "dellin", "hosts": [vendor.host]}}}
        login = SessionId({"appkey": "your-appkey"}, {"login": "ann", "password": "secret"})
        async with resilient.session(config, credentials={"cargo": login}) as http:
            city = {"derival": {"city": "7800000000000000000000000"}}
            async with http.post(f"{vendor.url}/v1/micro_calc.json", json=city) as response:
                print("The price:", await response.json())
            order = {"docIds": ["19-00013000001"]}
            async with http.post(f"{vendor.url}/v3/orders.json", json=order) as response:
                print("The order:", await response.json())


asyncio.run(main())
