"""Where a text that must not stand in a configuration is written."""

from pathlib import Path as FilePath

from resilient.config import schema
from resilient.config.faults import Faults
from resilient.config.service import Secret
from resilient.config.yaml_source import Path


def check_secret(keys: schema.SecretKeys, path: Path, faults: Faults) -> None:
    """Note a place that is none, or two."""
    if bool(keys.env) == bool(keys.file):
        faults.add(path, "expected either 'env' or 'file'")


def build_secret(keys: schema.SecretKeys, folder: FilePath) -> Secret:
    """Return where a text is written: a file stands beside the configuration."""
    return Secret(env=keys.env, file=None if keys.file is None else str(folder / keys.file))
