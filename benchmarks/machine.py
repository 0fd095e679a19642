"""What all this was measured with."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def processor() -> str:
    """Return the name of the processor, or of its kind where there is none."""
    try:
        lines = CPUINFO.read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def facts() -> dict[str, str]:
    """Return the processor, how busy it is, and what runs on it."""
    busy = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "load before (1, 5, 15 minutes)": busy,
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }


def versions(distributions: Iterable[str]) -> str:
    """Return the distributions that are installed, with their versions."""
    found = [_version(each) for each in dict.fromkeys(distributions)]
    return ", ".join(filter(None, found))


def _version(distribution: str) -> str | None:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return None
