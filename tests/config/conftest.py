"""Configurations written to files, loaded, and their faults."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import resilient


@pytest.fixture
def load(tmp_path: Path) -> "Callable[..., resilient.Config]":
    """Load what a file `c.yaml` holds, beside other files; or a mapping."""

    def loaded(written: str | bytes | Mapping[str, Any], **files: str) -> resilient.Config:
        if isinstance(written, Mapping):
            return resilient.load(written)
        for name, content in files.items():
            (tmp_path / f"{name}.yaml").write_text(content, "utf-8")
        file = tmp_path / "c.yaml"
        file.write_bytes(written.encode() if isinstance(written, str) else written)
        return resilient.load(file)

    return loaded


@pytest.fixture
def faults(load: "Callable[..., resilient.Config]", tmp_path: Path) -> Callable[..., list[str]]:
    """Return the faults of what `load` loads, one a line, the directory left out."""

    def found(written: str | bytes | Mapping[str, Any], **files: str) -> list[str]:
        with pytest.raises(resilient.ConfigError) as caught:
            load(written, **files)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return found
