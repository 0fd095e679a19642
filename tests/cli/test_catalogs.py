import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from resilient.config.build_catalog import shipped
from resilient.config.resources import names

Cli = Callable[..., Result]

ENTRY_KEYS = [
    "kind",
    "code",
    "name",
    "status",
    "method",
    "endpoint",
    "policy",
    "scope",
    "processed",
    "meaning",
    "advice",
]


def printed(cli: Cli, *args: str) -> Any:
    """Return what `catalogs … --json` prints."""
    result = cli("catalogs", *args, "--json")
    assert (0, "") == (result.exit_code, result.stderr)
    return json.loads(result.stdout)


def test_list(cli: Cli) -> None:
    """All that is shipped is listed, with what each holds."""
    found = printed(cli)
    assert list(names("catalogs")) == [each["catalog"] for each in found]
    radist = next(each for each in found if each["catalog"] == "radist")
    assert (143, 143) == (radist["entries"], sum(radist["policies"].values()))
    assert ["api.radist.online"] == radist["hosts"]


def test_list_as_text(cli: Cli) -> None:
    """The table has a line for each catalog under one of headers."""
    lines = cli("catalogs").stdout.splitlines()
    assert ["name", *names("catalogs")] == [line.split()[0] for line in lines]


@pytest.mark.parametrize("name", names("catalogs"))
def test_every_entry(cli: Cli, name: str) -> None:
    """Every entry of a catalog is printed, with the keys of the contract in their order."""
    found, catalog = printed(cli, name), shipped(name)
    assert ["catalog", "revision", "entries", "limits"] == list(found)[:4]
    assert len(catalog.entries) == len(found["entries"])
    for entry, row in zip(catalog.entries, found["entries"], strict=True):
        assert list(row)[: len(ENTRY_KEYS)] == ENTRY_KEYS
        assert (entry.kind, entry.code, entry.name) == (row["kind"], row["code"], row["name"])
        assert (entry.kind == "status") <= (row["code"] is None and row["status"] is not None)
        assert (row["scope"] is not None) == (entry.policy in ("back_off", "block_warning"))
        assert row["meaning"]
        assert row["advice"]


@pytest.mark.parametrize("name", names("catalogs"))
def test_every_entry_as_text(cli: Cli, name: str) -> None:
    """The tables show every code whole."""
    text = cli("catalogs", name).stdout
    for entry in shipped(name).entries:
        assert str(entry.match or entry.code or entry.status) in text
        assert entry.name in text


def test_scope_is_the_effective_one(cli: Cli) -> None:
    """A pause without a scope of its own holds the catalog's default."""
    entries = printed(cli, "amocrm")["entries"]
    scopes = {(each["kind"], each["name"]): each["scope"] for each in entries}
    assert "credential" == scopes["code", "captcha_required"]
    assert "host" == scopes["status", "account_blocked"]


def test_limits(cli: Cli) -> None:
    """A limit is one object; its scopes are a list."""
    limits = printed(cli, "unisender")["limits"]
    assert limits[1] == {
        "name": "sendEmail",
        "calls": 60,
        "period": 60.0,
        "per": ["credential", "ip"],
        "endpoint": "sendEmail",
    }
    assert [] == printed(cli, "http")["limits"]


def test_compound_scope(cli: Cli, tmp_path: Path) -> None:
    """A compound scope is one item."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "catalog: mine\nsource: {document: d, read: 2026-01-01}\n"
        "limits: {calls: {rate: 5/s, per: [credential+ip, host]}}\n",
        "utf-8",
    )
    assert ["credential+ip", "host"] == printed(cli, str(file))["limits"][0]["per"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("amocmr",), "there is no catalog 'amocmr'; did you mean 'amocrm'?"),
        (("zzz",), "shipped are amocrm, dellin, hh"),
        (("./none.yaml",), "none.yaml: No such file"),
        (("--jsn",), "did you mean --json?"),
    ],
)
def test_wrong_arguments(cli: Cli, args: tuple[str, ...], words: str) -> None:
    """What is not there is one line on stderr, and exit status 2."""
    result = cli("catalogs", *args)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert words in result.stderr
