"""Scenes with an emulator: a bare aiohttp client asks it, in virtual time."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

import resilient
from resilient.testing import Emulator, run

Ask = Callable[..., Awaitable[tuple[int, Any]]]
Opened = AbstractAsyncContextManager[aiohttp.ClientSession]
Scene = Callable[[Emulator, Ask], Awaitable[None]]


def asking(emulator: Emulator, http: aiohttp.ClientSession) -> Ask:
    """Return what makes a request, and returns the answer's status and what it says."""

    async def ask(path: str, method: str = "GET", **keys: Any) -> tuple[int, Any]:
        async with http.request(method, emulator.url + path, **keys) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else text

    return ask


def emulated(scene: Scene, catalog: Any, **keys: Any) -> None:
    """Play a scene against an emulator, in virtual time."""

    async def main() -> None:
        async with Emulator(catalog, **keys) as emulator, aiohttp.ClientSession() as http:
            await scene(emulator, asking(emulator, http))

    run(main())


def protected(emulator: Emulator, **keys: Any) -> Opened:
    """Return a session of the library for the emulator's own API."""
    service = {"catalog": emulator.catalog.name, "hosts": [emulator.host], "timeout": 7200, **keys}
    return resilient.session({"services": {"api": service}})
