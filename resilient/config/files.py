"""What a configuration names: something shipped by its name, or a file by its path."""

from collections.abc import Mapping
from pathlib import Path as FilePath
from stat import S_ISREG
from typing import Literal

from resilient.config import resources
from resilient.config.faults import Faults
from resilient.config.spelling import SLIP, did_you_mean, nearest
from resilient.config.yaml_source import LARGEST, Document, Path, read
from resilient.errors import ConfigError, Fault

Kind = Literal["services", "catalog", "policies"]
KINDS: tuple[Kind, ...] = ("services", "catalog", "policies")
"""The key that tells what a file is: a configuration, a catalog, a policy set."""

_CALLED: dict[resources.Kind, str] = {"catalogs": "catalog", "policies": "policy set"}


def is_path(text: str) -> bool:
    """Tell a path from the name of something shipped."""
    return "/" in text or "\\" in text or text.endswith((".yaml", ".yml"))


def shipped_document(kind: resources.Kind, name: str) -> Document:
    """Return a shipped file, read.

    Raises:
        ConfigError: There is no such file; it says which there are.
    """
    known = resources.names(kind)
    if name not in known:
        hint = did_you_mean(name, known) or f"; shipped are {', '.join(known)}"
        raise ConfigError(f"there is no {_CALLED[kind]} {name!r}{hint}")
    file = resources.builtin(kind).joinpath(f"{name}.yaml")
    return read(file.read_bytes(), f"{kind}/{name}.yaml")


def read_file(path: FilePath) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: It cannot be read, or is no ordinary file.
    """
    try:
        found = path.stat()
        fits = S_ISREG(found.st_mode) and found.st_size <= LARGEST
        data = path.read_bytes() if fits else None
    except (OSError, ValueError) as error:  # a path with a NUL in it is no OSError
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if data is None and S_ISREG(found.st_mode):
        problem = f"{found.st_size} bytes: at most {LARGEST} are read"
        raise ConfigError([Fault(f"{path}:1:1", problem)])
    if data is None:
        raise ConfigError(f"{path}: not an ordinary file")
    return data


def kind_of(document: Document) -> Kind | None:
    """Tell what a file is by its keys, misspelt ones included; None: none of the three."""
    keys = list(document.data) if isinstance(document.data, Mapping) else []
    exact = [kind for kind in KINDS if kind in keys]
    near = [kind for kind in KINDS if did_you_mean(kind, keys, 0.75)]
    return next(iter(exact or near), None)


def kind_of_source(source: str | FilePath) -> Kind | None:
    """Tell what a path, or a catalog's name, stands for; None: nothing that can be read."""
    if source in resources.names("catalogs"):
        return "catalog"
    try:
        return kind_of(read(read_file(FilePath(source)), str(source)))
    except ConfigError:
        return None


def not_there(error: ConfigError, name: str, folder: FilePath, path: Path, faults: Faults) -> None:
    """Note why what a key names could not be had, and which file was meant."""
    faults.found.extend(error.faults)
    if not error.faults:
        faults.add(path, f"{error}{_file_meant(name, folder)}")


def _file_meant(name: str, folder: FilePath) -> str:
    """Return `; did you mean 'parcels.yaml'?` if such a file is there, or nothing."""
    wanted = FilePath(name)
    try:
        there = sorted((folder / wanted.parent).iterdir())
    except (OSError, ValueError):  # a path with a NUL in it is no OSError
        return ""
    files = {each.stem: each.name for each in there if each.suffix in (".yaml", ".yml")}
    stem = wanted.stem if is_path(name) else name
    found = None if name in files.values() else nearest(stem, files, SLIP)
    return (
        "" if found is None else f"; did you mean the file {str(wanted.parent / files[found])!r}?"
    )
