"""Fuzz the loader: any bytes as a configuration, a catalog and a policy set.

`make fuzz` runs it for a while; a finding is written to a file, which can be given to it again.
"""

import sys
from contextlib import suppress

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["resilient"]):
    from resilient.config.build_catalog import loaded
    from resilient.config.build_policies import loaded_policies, shipped_policies
    from resilient.config.schema import ConfigKeys
    from resilient.config.structure import structure
    from resilient.config.yaml_source import read
    from resilient.errors import ConfigError


def test_one_input(data: bytes) -> None:
    """Load one made-up file: it is right, or a ConfigError says where it is not."""
    document = read(data, "fuzzed.yaml")
    _, faults = structure(document, ConfigKeys)
    assert all(each.place.startswith("fuzzed.yaml:") for each in faults)
    with suppress(ConfigError):
        loaded(read(data, "fuzzed.yaml"))
    with suppress(ConfigError):
        loaded_policies(document, shipped_policies("default"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
