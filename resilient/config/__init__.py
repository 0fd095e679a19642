"""YAML, or a dict of the same shape, to checked values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resilient.config.service import Config

__all__ = ["Config", "load"]


def load(source: str | Path | Mapping[str, Any]) -> Config:
    """Return a checked configuration from a YAML file, or a dict of the same shape.

    Raises:
        ConfigError: With every fault, each with its place.
    """
    from resilient.config.build import load as build  # noqa: PLC0415 - YAML only where wanted

    return build(source)
