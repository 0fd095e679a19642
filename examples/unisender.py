"""UniSender: the key goes into the query or the form, and errors come inside HTTP 200.

For the real UniSender leave out `hosts`, and say https://api.unisender.com for `vendor.url`.
"""

import asyncio

import _emulated

import resilient


async def main() -> None:
    async with _emulated.unisender() as vendor:
        config = {"services": {"mail": {"catalog": "unisender", "hosts": [vendor.host]}}}
        async with resilient.session(config, credentials={"mail": "your-api-key"}) as http:
            async with http.get(f"{vendor.url}/en/api/getLists?format=json") as response:
                print("Your lists:", await response.json())
            letter = {"email": "ann@example.com", "subject": "Hello", "body": "How are you?"}
            async with http.post(f"{vendor.url}/en/api/sendEmail?format=json", data=letter) as response:
                print("Your letter:", await response.json())
            try:
                await http.post(f"{vendor.url}/en/api/sendSms?format=json", data={"phone": "79991112233"})
            except resilient.ApiError as error:
                print(f"Your message was not sent: {error.code}. {error.advice}")


asyncio.run(main())
