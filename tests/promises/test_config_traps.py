"""What YAML, or Python, would quietly read as something else is a fault (I2)."""

import decimal
import fractions
import math
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml
from promises.conftest import Figure, Scale
from schema_walk import PLACES, ROOTS, Place, good

import resilient
from resilient.config import schema
from resilient.config.build_catalog import load_catalog
from resilient.config.resources import builtin, names
from resilient.config.yaml_source import Plain, read

Accepts = Callable[[Place, Any], bool]

WORDS = {str, schema.Text, schema.PolicyName, schema.Host, schema.Method, schema.HeaderName}
"""Types whose values are words: what stands there is what was written."""

TRAPS = (
    *("no", "on", "yes", "Yes", "ON", "True", "FALSE", "true", "false", "'true'", "'off '", "y"),
    *("1:30", "1:30:00", "-1:30", "2026-11-22", "2026-11-22T10:00:00Z", "10:00", "1e9s", "99999d"),
    *("012", "-012", "00", "0x10", "0o17", "0b1", "1_000", "012s", "1_0s", "099", "600", "1000"),
    *("012/s", "5/010s", "01/4", "1/04", "1_0/s", "5/1_0s", "5 / 0x1 s", "9999999999/s", "5/week"),
    *(".5", "5.", "1e3", "1E3", "+5", "+.5", "1e400", "5e-1", ".5s", "--5", "5 5", "5%", "1,5"),
    *(".nan", "nan", "NaN", ".inf", "-.inf", "inf", "Infinity", "-1", "-0", "-5s", "-1/s", "-1/2"),
    *("0/s", "5/0s", "0/1", "1/0", "3/2", "99999999999999999999", "9" * 5000, "99999999999d"),
    *(
        "٣",
        "٣s",
        "\uff13",
        "²",
        "Ⅷ",
        "५/s",
        "\u0661/٢",
        "1\u00a0s",
        "5\u2009s",
        "1000000001",
        "=",
        "<<",
    ),
    *("'5'", '"5"', '"0.5"', '"404"', "|\n    5", ">\n    5\n", "'5 '", "6xx", "0xx", "4XXX"),
    *("[[]]", "[{}]", "{a: {b: 1}}", "[~]", "[1, 2]", "[a, [b]]", "{<<: {a: 1}}", "5 minutes"),
    *("!!int '5'", "!!float 5", "!!bool true", "!x 5", "&a 5", "*a", "1h30m", "P1D", "5S", "x"),
)
TYPED = (
    *(True, False, 5.5, math.nan, math.inf, -math.inf, -1, 10**400, "5", "0.5", b"5", 1j, object()),
    *(decimal.Decimal(5), fractions.Fraction(1, 2), date(2026, 11, 22), {5}, [None], "true", "404"),
)
"""The same for a dict, where values have types already."""

STRICT = [place for place in PLACES if WORDS.isdisjoint(place.kinds)]
"""Keys that want more than words."""


def is_meant(place: Place, trap: Any) -> bool:
    """Tell whether what stands at a key is right there, and means what it looks like."""
    kinds, key = place.kinds, place.trail[-1][1]
    if type(trap) is bool or trap in ("true", "false"):
        return bool in kinds
    if isinstance(trap, float) or trap == "5.5":
        return schema.Seconds in kinds and trap == 5.5
    if trap == "-0":
        return float in kinds
    if trap in ("600", "1000", "1000000001"):
        most = {"burst": 600, "version": 1}.get(key, 10**9 if schema.Seconds in kinds else 10**12)
        return bool({int, schema.Seconds} & set(kinds)) and int(trap) <= most
    return any(get_origin(kind) is Literal and trap in get_args(kind) for kind in kinds)


def fallen_into(place: Place, traps: tuple[Any, ...], accepts: Accepts) -> list[Any]:
    """Return the traps that are taken at a key without a word."""
    return [trap for trap in traps if not is_meant(place, trap) and accepts(place, trap)]


def in_files(file: Path) -> Accepts:
    """Return what tells whether a file is taken in which something stands at a key."""

    def accepts(place: Place, value: str) -> bool:
        file.write_text(place.file(value), "utf-8")
        try:
            ROOTS[place.trail[0][0]](file)
        except resilient.ConfigError:
            return False
        return True

    return accepts


def in_dicts(place: Place, value: Any) -> bool:
    """Tell whether a dict is taken in which a value stands at a key."""
    data = _with(read(place.file("HERE"), "file").data, value)
    try:
        (resilient.load if place.trail[0][0] is schema.ConfigKeys else load_catalog)(data)
    except resilient.ConfigError:
        return False
    return True


def _with(data: Any, value: Any) -> Any:
    if isinstance(data, dict):
        return {key: _with(each, value) for key, each in data.items()}
    if isinstance(data, list):
        return [_with(each, value) for each in data]
    return value if data == Plain("HERE") else data


NAIVE: dict[Any, Any] = {
    **dict.fromkeys([int, schema.Status], int),
    **dict.fromkeys([float, schema.Seconds, schema.Share], (int, float)),
    **dict.fromkeys([schema.Rate, schema.StatusClass, schema.PerScope], str),
    bool: bool,
}


def naively(place: Place, value: str) -> bool:
    """Tell whether PyYAML, and a look at the type, would take what stands at a key."""
    found = _loaded(value)
    return any(isinstance(found, NAIVE.get(kind, ())) for kind in place.kinds)


@cache
def _loaded(value: str) -> object:
    try:
        return yaml.safe_load(f"x: {value}")["x"]
    except (yaml.YAMLError, ValueError, TypeError):
        return None


def turn(place: Place, traps: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """Return a few of the traps: other ones at the next key."""
    at = PLACES.index(place) * size % len(traps)
    return (*traps, *traps)[at : at + min(size, len(traps))]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_what_is_right(place: Place, tmp_path: Path) -> None:
    """The small file around every key is right: what makes it a fault is what stands there."""
    if str(place).endswith(("services.credential", "statuses.status")):
        return  # wants one of its keys; has its status already
    for kind in place.kinds:
        assert in_files(tmp_path / "c.yaml")(place, good(*place.trail[-1], kind))


@pytest.mark.parametrize("place", STRICT, ids=str)
def test_files(place: Place, tmp_path: Path, scale: Scale, figure: Figure) -> None:
    """A number, a time, a rate, a truth or a choice is what it looks like, or a fault."""
    traps = turn(place, TRAPS, scale(2, len(TRAPS)))
    assert [] == fallen_into(place, traps, in_files(tmp_path / "c.yaml"))
    figure("I2", "accepted in silence", 0, of=f"{len(traps)} traps at each of {len(STRICT)} keys")


@pytest.mark.parametrize(
    "place", [each for each in STRICT if each.trail[0][0] is not schema.PolicySetKeys], ids=str
)
def test_dicts(place: Place, scale: Scale) -> None:
    """A value of a dict has the type that the schema wants: no number is a truth or a text."""
    assert [] == fallen_into(place, turn(place, TYPED, scale(2, len(TYPED))), in_dicts)


@pytest.mark.parametrize("place", [each for each in PLACES if each not in STRICT], ids=str)
def test_texts(place: Place, tmp_path: Path, scale: Scale) -> None:
    """What wants words takes no mapping, nothing nested, no tag, anchor or alias."""
    mapping = () if any(get_origin(kind) for kind in place.kinds) else ("{a: b}",)
    traps = ("[[a]]", "[{a: b}]", "!!str a", "!x a", "&a a", "*a", *mapping)
    assert [] == fallen_into(
        place, turn(place, traps, scale(1, len(traps))), in_files(tmp_path / "c.yaml")
    )


def test_naive() -> None:
    """Why that needs care: PyYAML takes hundreds of them, each as something else."""
    taken = [trap for place in STRICT for trap in fallen_into(place, TRAPS, naively)]
    assert {"012", "1_000", "1:30", "yes", "0x10", "+5", ".inf", ".nan", "-1"} <= set(taken)
    assert 500 < len(taken)


@pytest.mark.parametrize("word", [each for each in TRAPS if each[0] not in "!&*'\"[{|>=<"])
def test_words(tmp_path: Path, word: str) -> None:
    """Where words are wanted, what looks like something else is the word that was written."""
    file = tmp_path / "c.yaml"
    file.write_text(f"catalog: mine\nsource:\n  document: d\n  read: {word}\n", "utf-8")
    assert word.strip() == load_catalog(file).source.read


@pytest.mark.parametrize("name", names("catalogs"))
@pytest.mark.parametrize("written", ["utf-8-sig", "utf-16", "CRLF", "no end", "comment"])
def test_same_file(tmp_path: Path, name: str, written: str) -> None:
    """Byte order marks, line ends and comments change nothing of what a file says."""
    text = builtin("catalogs").joinpath(f"{name}.yaml").read_text("utf-8")
    file = tmp_path / "c.yaml"
    changed = {
        "CRLF": text.replace("\n", "\r\n").encode(),
        "no end": text.rstrip().encode(),
        "comment": f"# 1: 2\n{text}\n# ---\n".encode(),
    }
    file.write_bytes(changed.get(written) or text.encode(written))
    assert load_catalog(name) == load_catalog(file)
