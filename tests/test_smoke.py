import asyncio

from server import Server

import resilient


async def test_pause_and_recovery(server: Server) -> None:
    """A Retry-After of ten minutes is waited for, in no time at all."""
    server.then(429, headers={"Retry-After": "100"})
    config = {"services": {"api": {"catalog": "http", "hosts": [server.host]}}}
    async with resilient.session(config) as http:
        began = asyncio.get_running_loop().time()
        async with http.get(server.url) as response:
            assert 200 == response.status
        assert asyncio.get_running_loop().time() - began >= 100
    assert 2 == len(server.hits)
