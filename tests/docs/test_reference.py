import inspect
from typing import Any, get_args

import attrs
import pytest
from manual import PAGES, ROOT, Table, blocks, listed, plain, table, tables

import resilient
from resilient.catalog import Limit
from resilient.config import schema, units
from resilient.config.build_policies import shipped_policies
from resilient.config.structure import structure
from resilient.config.yaml_source import read
from resilient.core import pacing, redact
from resilient.events import LEVELS, Event
from resilient.middleware import ScopeReport
from resilient.model import Skipped
from resilient.testing import EventCapture, Explanation

KEYS = [each for page in PAGES for each in tables(page) if each.marker.startswith("keys: ")]
WITHIN = {schema.DelayKeys, schema.PolicySetKeys, schema.BudgetKeys, schema.Rate}
"""Told of in the text, or within another table."""


def meant(found: Table) -> type[Any]:
    """Return the class whose keys a table lists."""
    kind: type[Any] = getattr(schema, found.marker.split()[1])
    return kind


def fields_of(found: Table) -> dict[str, Any]:
    """Return the fields that a table lists, by key."""
    inherited = {f.name for f in attrs.fields(schema.EntryKeys)} if "only" in found.marker else {}
    fields = attrs.fields(meant(found))
    return {f.name.rstrip("_"): f for f in fields if f.name not in inherited}


def structured(found: Table, key: str, value: str) -> Any:
    """Return what a value becomes beside the examples of the keys that are required."""
    required = {r["key"]: r["example"] for r in found.rows if r["default"] == "required"}
    lines = {plain(name): plain(example) for name, example in required.items()} | {key: value}
    if "only" in found.marker:
        lines["policy"] = "retry"
    text = "".join(f"{name}: {each}\n" for name, each in lines.items())
    result, faults = structure(read(text, "example"), meant(found))
    assert () == faults
    return getattr(result, key if key != "in" else "in_")


@pytest.mark.parametrize("found", KEYS, ids=str)
def test_all_keys_are_there(found: Table) -> None:
    """Each table of keys lists those that the schema has, no more and no fewer."""
    assert set(fields_of(found)) == {plain(row["key"]) for row in found.rows}


def test_all_mappings_are_there() -> None:
    """Every class of the schema has its table."""
    classes = {each for each in vars(schema).values() if attrs.has(each)}
    assert classes - WITHIN == {meant(found) for found in KEYS}


@pytest.mark.parametrize("found", KEYS, ids=str)
def test_examples_are_right(found: Table) -> None:
    """Each example in a table of keys is what the schema takes."""
    for row in found.rows:
        structured(found, plain(row["key"]), plain(row["example"]))


@pytest.mark.parametrize("found", KEYS, ids=str)
def test_defaults_are_right(found: Table) -> None:
    """Each default in a table of keys is the schema's; prose stands for none."""
    fields = fields_of(found)
    for row in found.rows:
        default = fields[key := plain(row["key"])].default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = default.factory()
        if row["default"].startswith("`") and row["default"].endswith("`"):
            assert structured(found, key, plain(row["default"])) == default, key
        else:
            assert ("required" == row["default"]) == (default is attrs.NOTHING), key
            assert default is attrs.NOTHING or not default, key


def test_numbers_of_the_policies() -> None:
    """The numbers of the three shipped sets are those in the table."""
    found = table("policies.md", "policy", "key", "`default`", "`interactive`", "`batch`")
    for name in ("default", "interactive", "batch"):
        policies = shipped_policies(name)
        for row in found.rows:
            value: Any = policies[plain(row["policy"])]
            for step in plain(row["key"]).split("."):
                value = getattr(value, step)
            said = row[f"`{name}`"]
            assert value == (int(said) if said.isdecimal() else units.seconds(said)), (name, row)


def test_the_formula_is_quoted() -> None:
    """The formula on the page is that of the code, letter by letter."""
    formula = [line for line in (pacing.__doc__ or "").splitlines() if line.startswith("    ")]
    quoted = [block.text.splitlines() for block in blocks(ROOT / "docs/policies.md")]
    assert 2 == len(formula)
    assert formula in quoted


def test_the_paces_are_right() -> None:
    """The table of limits says what `pace` returns."""
    for row in table("policies.md", "limit", "C", "r, calls a second", "of the limit").rows:
        rate = units.rate(row["limit"])
        assert rate is not None
        limit = Limit(name="x", calls=rate.calls, period=rate.period, per=(("ip",),))
        kept = pacing.pace(limit)
        assert isinstance(kept, pacing.Bucket)
        share = f"{kept.rate * rate.period / rate.calls * 100:.1f} %"
        said = (row["C"], row["r, calls a second"], row["of the limit"])
        assert (str(kept.capacity), f"{kept.rate:.3f}", share) == said


def test_reasons_not_to_resend() -> None:
    """Every `retry_skipped` is explained."""
    rows = table("policies.md", "`retry_skipped`", "why").rows
    assert set(get_args(Skipped)) == {plain(row["`retry_skipped`"]) for row in rows}


def test_events() -> None:
    """The table of events names each of them, with its level, and keys that there are."""
    rows = table("events.md", "event", "level", "when", "keys beside those of the call").rows
    assert LEVELS == {plain(row["event"]): row["level"] for row in rows}
    known = {plain(row["key"]) for row in table("events.md", "key", "meaning").rows}
    assert (
        set()
        == {key for row in rows for key in listed(row["keys beside those of the call"])} - known
    )


def test_keys_of_events() -> None:
    """The table of keys has every field of an event, by the name that stands in the log."""
    fields = {field.name for field in attrs.fields(Event)} - {"name"}
    names = {"name" if field == "error_name" else field for field in fields}
    assert names == {plain(row["key"]) for row in table("events.md", "key", "meaning").rows}


def test_the_tree_of_errors() -> None:
    """The tree on the page is that of the code: names, bases and places."""
    text = next(block.text for block in blocks(ROOT / "docs/errors.md") if not block.words)
    classes = {
        each.__name__: each
        for each in (getattr(resilient, name) for name in resilient.__all__)
        if isinstance(each, type) and issubclass(each, resilient.ResilientError)
    }
    parents: dict[int, str] = {}
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, bases = line.strip().rstrip(")").partition("(")
        parents[depth] = name
        above = [parents[depth - 1]] if depth else []
        public = list(map(base_name, bases.split(", ")))
        assert above + public[len(above) :] == public
        kinds = {base.__name__ for base in classes.pop(name).__mro__[1:]}
        assert set(public) <= kinds
    assert {} == classes


def base_name(text: str) -> str:
    """Return a base's name without its module."""
    return text.rpartition(".")[2]


def test_attributes_of_errors() -> None:
    """Each attribute in the table is one of the class beside it."""
    for row in table("errors.md", "attribute", "on", "meaning").rows:
        owner = (
            resilient.ResilientError if row["on"] == "all" else getattr(resilient, plain(row["on"]))
        )
        source = inspect.getsource(owner) + "headers status"  # of aiohttp's base class
        assert plain(row["attribute"]) in source or hasattr(owner, plain(row["attribute"]))


def test_reports_of_scopes() -> None:
    """The table of `state()` has every attribute of a report."""
    rows = table("operations.md", "attribute", "meaning").rows
    assert [f.name for f in attrs.fields(ScopeReport)] == [plain(row["attribute"]) for row in rows]


def test_options() -> None:
    """The table of options has every argument of `resilient.options`."""
    rows = table("configuration.md", "option", "meaning").rows
    names = list(inspect.signature(resilient.options).parameters)
    assert names == [plain(row["option"]) for row in rows]


def test_redacted_names() -> None:
    """A query field is redacted under every name that the page gives."""
    line = next(
        line
        for line in (ROOT / "docs/security.md").read_text("utf-8").splitlines()
        if "`passw`" in line
    )
    for word in listed(line) - {"REDACTED"}:
        assert "canary" not in redact.url(f"https://api.example/x?my{word}=canary"), word
    assert "canary" in redact.url("https://api.example/x?colour=canary")


def test_what_a_capture_offers() -> None:
    """The table of a capture's members lists all of them."""
    rows = table("testing.md", "member", "gives").rows
    told = {plain(row["member"]).partition("(")[0] for row in rows}
    assert told == {"events"} | {name for name in vars(EventCapture) if not name.startswith("_")}


def test_what_an_explanation_holds() -> None:
    """The table of an explanation's fields names what there is."""
    rows = table("testing.md", "field", "meaning").rows
    told = set().union(*(listed(row["field"]) for row in rows))
    assert set() == told - {field.name for field in attrs.fields(Explanation)}
