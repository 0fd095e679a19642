"""Error catalogs, rate limits and re-authentication for aiohttp clients of third-party APIs."""
