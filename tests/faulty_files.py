"""What can be wrong in one place of a right file: what is written there, and where it is told."""

import string
from collections.abc import Callable
from random import Random
from typing import Literal, get_args, get_origin

import attrs
import yaml
from good_files import Pair

from resilient.config import schema
from resilient.config.resources import names


@attrs.frozen
class Fault:
    """One thing that is wrong: what to put in place of a part of the text.

    Attributes:
        line: Where it must be reported, 1-based, in the text before other faults add lines.
        adds: How many lines it adds.
        meant: What the report must suggest, or None.
    """

    kind: str
    start: int
    end: int
    text: str
    line: int
    adds: int = 0
    meant: str | None = None


def slip(word: str, random: Random) -> str:
    """Return a word with one letter more, less, changed, or swapped with the next."""
    at, letter = random.randrange(len(word)), random.choice(string.ascii_lowercase)
    more, less = word[:at] + letter + word[at:], word[:at] + word[at + 1 :]
    swapped = word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    return random.choice([more, less, word[:at] + letter + word[at + 1 :], swapped])


def misspelt(word: str, known: set[str], random: Random) -> str:
    """Return a slip of a word that is none of those known, and can stand unquoted."""
    while (found := slip(word, random)) in known or not found.strip("_-") or found == "n":
        pass
    return found


def rename(pair: Pair, text: str, random: Random) -> Fault | None:
    """Misspell a key."""
    known = {field.name.rstrip("_") for field in attrs.fields(pair.owner)}
    word = misspelt(pair.key.value, known, random)
    return _replace("renamed key", pair.key, word, meant=pair.key.value)


def misname(pair: Pair, text: str, random: Random) -> Fault | None:
    """Misspell a name: of a choice, a policy, or a catalog."""
    word = getattr(pair.value, "value", None)
    choices = {str(c) for k in pair.kinds if get_origin(k) is Literal for c in get_args(k)}
    policies = {"retry", "back_off", "reauth", "fail_fast", "block_warning"}
    known = choices or (policies if schema.PolicyName in pair.kinds else set())
    if (pair.owner, pair.key.value) == (schema.ServiceKeys, "catalog"):
        known = set(names("catalogs"))
    if not isinstance(word, str) or word not in known or len(word) < 2:
        return None
    return _replace("unknown name", pair.value, misspelt(word, known, random), meant=word)


def mistype(pair: Pair, text: str, random: Random) -> Fault | None:
    """Write a list of lists where no list, or none of lists, is wanted."""
    scalar = isinstance(pair.value, yaml.ScalarNode) and pair.value.value
    return _replace("wrong type", pair.value, "[[x]]") if scalar else None


_BEYOND = {
    int: "-7",
    float: "-7.5",
    bool: "maybe",
    schema.Seconds: "99999999999",
    schema.Status: "999",
    schema.Share: "3/2",
    schema.Rate: "0/s",
    schema.StatusClass: "9xx",
    schema.PerScope: "planet",
    schema.Method: "get",
    schema.Host: "a b",
    schema.Text: "''",
}


def exceed(pair: Pair, text: str, random: Random) -> Fault | None:
    """Write a value that is out of range."""
    found = next((_BEYOND[kind] for kind in pair.kinds if kind in _BEYOND), None)
    scalar = isinstance(pair.value, yaml.ScalarNode) and pair.value.value
    return _replace("out of range", pair.value, found) if scalar and found else None


def misunit(pair: Pair, text: str, random: Random) -> Fault | None:
    """Write a unit that there is not."""
    units = {schema.Seconds, schema.Rate} & set(pair.kinds)
    if not units or not isinstance(pair.value, yaml.ScalarNode):
        return None
    return _replace("wrong unit", pair.value, f"{pair.value.value}x")


def repeat(pair: Pair, text: str, random: Random) -> Fault | None:
    """Write a key twice."""
    if not isinstance(pair.value, yaml.ScalarNode) or not pair.value.value:
        return None
    start, end = pair.key.start_mark, pair.value.end_mark
    if start.line != end.line:
        return None
    again = text[start.index : end.index]
    if pair.parent.flow_style:
        return Fault("duplicate key", end.index, end.index, f", {again}", start.line + 1)
    again = f"\n{' ' * start.column}{again}"
    return Fault("duplicate key", end.index, end.index, again, start.line + 2, adds=1)


def omit(pair: Pair, text: str, random: Random) -> Fault | None:
    """Leave out a key that must be there; its lines stay, empty."""
    items = pair.parent.value
    if not pair.required or len(items) == 1:
        return None
    last = pair.at == len(items) - 1
    if last and not isinstance(pair.value, yaml.ScalarNode):
        return None
    start, end = pair.key.start_mark.index, pair.value.end_mark.index
    if not last:
        end = items[pair.at + 1][0].start_mark.index
    elif pair.parent.flow_style:
        start = items[pair.at - 1][1].end_mark.index
    gone = text[start:end]
    blank = "\n" * gone.count("\n") + gone.rpartition("\n")[2] if "\n" in gone else ""
    first = pair.parent.start_mark if pair.parent.flow_style else items[pair.at == 0][0].start_mark
    return Fault("missing key", start, end, blank, first.line + 1)


def _replace(kind: str, node: yaml.Node, text: str, meant: str | None = None) -> Fault:
    start, end = node.start_mark, node.end_mark
    fewer = start.line - end.line
    return Fault(kind, start.index, end.index, text, start.line + 1, adds=fewer, meant=meant)


KINDS: tuple[Callable[[Pair, str, Random], Fault | None], ...] = (
    rename,
    misname,
    mistype,
    exceed,
    misunit,
    repeat,
    omit,
)


def apply(text: str, faults: list[Fault]) -> str:
    """Return a text with faults that do not overlap."""
    for fault in sorted(faults, key=lambda each: -each.start):
        text = text[: fault.start] + fault.text + text[fault.end :]
    return text


def lines(faults: list[Fault]) -> list[int]:
    """Return where faults must be reported once all are applied."""
    return sorted(
        each.line + sum(other.adds for other in faults if other.start < each.start)
        for each in faults
    )
