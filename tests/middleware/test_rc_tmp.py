import asyncio
import pytest
import aiohttp
from acme import Connect
from server import Server


@pytest.mark.parametrize("hedging", [False, True])
async def test_x(server: Server, connect: Connect, hedging) -> None:
    entered = []
    async def hedge(request, handler):
        if not hedging:
            return await handler(request)
        first, second = await asyncio.gather(handler(request), handler(request))
        second.close()
        return first
    async def inner(request, handler):
        entered.append((asyncio.get_running_loop().time(), asyncio.current_task().get_name()))
        return await handler(request)

    limits = {"calls": {"rate": "1/100s", "per": ["credential"], "jitter": 0}}
    async with connect(catalog={"limits": limits}, timeout="1000s") as api:
        await api.get()
        await asyncio.sleep(300)
        async with aiohttp.ClientSession(middlewares=(hedge, api.middleware, inner)) as http:
            async def one():
                async with http.get(server.url + "/things") as r:
                    await r.read()
            if hedging:
                await one()
            else:
                await asyncio.gather(one(), one())
        print([h.at for h in server.hits], entered, api.middleware.state())
