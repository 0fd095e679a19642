"""asyncio's debug mode, in which many develop: it writes out every timer that is cancelled."""

import asyncio
from typing import Any

from acme import Connect
from server import Server


async def test_timers_stay_short(server: Server, connect: Connect) -> None:
    """What a timer holds is short in writing, however many wait: else each would cost all."""
    loop: Any = asyncio.get_running_loop()
    slow = {"limits": {"calls": {"rate": "1/s", "per": ["credential"]}}}
    async with connect(catalog=slow) as api:
        calls = [asyncio.create_task(api.get()) for _ in range(200)]
        await asyncio.sleep(2.5)
        shown = [repr(each) for handle in loop._scheduled for each in handle._args or ()]
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert 0 < len(shown)
    assert max(map(len, shown)) < 500
