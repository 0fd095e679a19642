"""What is installed only where it is asked for."""

from importlib.util import find_spec

from resilient.errors import ConfigError


def need_redis() -> None:
    """Make sure that the extra `redis` is installed.

    Raises:
        ConfigError: It is not; it says how to install it.
    """
    if find_spec("redis") is None:
        raise ConfigError(
            "Redis is asked for, and the extra 'redis' is not installed: "
            "pip install 'resilient-aiohttp[redis]'"
        )
