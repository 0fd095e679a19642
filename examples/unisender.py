"""UniSender: the key goes into the query or the form, and errors come inside HTTP 200.

For the real UniSender leave out `hosts`, and say "https://api.unisender.com" for `vendor.url`.
"""

import asyncio

from _emulated import unisender

import resilient


async def main() -> None:
    async with unisender() as vendor:
        config = {"services": {"mail": {"catalog": "unisender", "hosts": [vendor.host]}}}
        api = f"{vendor.url}/en/api"
        async with resilient.session(config, credentials={"mail": "your-api-key"}) as http:
            async with http.get(f"{api}/getLists", params={"format": "json"}) as response:
                print("Your lists:", await response.json())
            letter = {"format": "json", "email": "ann@example.com", "subject": "Hello"}
            async with http.post(f"{api}/sendEmail", data=letter) as response:
                print("Your letter:", await response.json())
            try:
                await http.post(f"{api}/sendSms", data={"format": "json", "text": "Hello"})
            except resilient.ApiError as error:
                print(f"Your text message: {error.code}. {error.advice}")


asyncio.run(main())
