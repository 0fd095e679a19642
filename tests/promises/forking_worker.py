"""A process that uses one Middleware with a shared store before a fork, in the child and after."""

import asyncio
import gc
import json
import os
import sys
from typing import Any

import resilient


async def use(middleware: resilient.Middleware, url: str, calls: int) -> dict[str, Any]:
    """Make calls; return what this process is called, and which sockets its connection has."""
    async with resilient.session(middleware) as http:
        for _ in range(calls):
            async with http.get(url) as response:
                assert response.status == 200
        store: Any = middleware._store
        return {"instance": store.presence.instance, "sockets": sockets(), "pid": os.getpid()}


def sockets() -> list[int]:
    """Return the sockets by which the running loop talks with Redis."""
    loop = asyncio.get_running_loop()
    writers = [each for each in gc.get_objects() if isinstance(each, asyncio.StreamWriter)]
    mine: list[Any] = [each for each in writers if vars(each)["_loop"] is loop]
    ends = [each.get_extra_info("socket") for each in mine if not each.is_closing()]
    return sorted(os.fstat(each.fileno()).st_ino for each in ends)


def main(url: str, store: str, calls: int) -> None:
    """Use it, fork, use it in the child, and then in the parent again; each in its own loop."""
    limits = {"calls": {"rate": "20/s", "per": ["ip"]}}
    service = {"catalog": "http", "hosts": ["127.0.0.1"], "egress": "here", "limits": limits}
    shared = {"url": store, "timeout": "2s"}
    middleware = resilient.Middleware({"store": shared, "services": {"api": service}})
    found = [asyncio.run(use(middleware, url, calls))]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(asyncio.run(use(middleware, url, calls))).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found.append(json.loads(os.read(reading, 1 << 16)))
    found.append(asyncio.run(use(middleware, url, calls)))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
