"""Names that a test invents, all of them on this machine."""

from aiohttp.abc import AbstractResolver, ResolveResult


class Loopback(AbstractResolver):
    """Finds every name on this machine, so that a test may invent them."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """Return the loopback address."""
        found = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [{**found, "family": 2, "proto": 0, "flags": 0}]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        """Nothing is held."""
