"""Every entry of every shipped catalog, whichever there are."""

import re
from collections import Counter

import pytest

from resilient.catalog import Catalog, Entry
from resilient.config import resources
from resilient.config.build import one_service
from resilient.config.build_policies import shipped_policies

NAMES = resources.names("catalogs")
ENTRIES = [(name, entry) for name in NAMES for entry in one_service(name).catalog.entries]
IDS = [f"{name}-{entry.code or entry.status or entry.match}" for name, entry in ENTRIES]


def catalog(name: str) -> Catalog:
    """Return a shipped catalog."""
    return one_service(name).catalog


def test_all_six() -> None:
    """The vendors and the generic one are shipped."""
    assert ("amocrm", "dellin", "hh", "http", "radist", "unisender") == NAMES


@pytest.mark.parametrize(("name", "entry"), ENTRIES, ids=IDS)
def test_entry(name: str, entry: Entry) -> None:
    """An entry has a policy of the default set, a name, what it means and what to do."""
    assert entry.policy in (*shipped_policies("default"), "none")
    assert entry.name.strip()
    for said in (entry.meaning, entry.advice):
        assert re.fullmatch(r"(?:[A-Z0-9`'\"]|hh|amoCRM).{15,250}[.]", said), said
    assert entry.meaning != entry.advice
    names = {each.name for each in catalog(name).envelopes}
    assert entry.envelope is None or entry.envelope in names


@pytest.mark.parametrize(("name", "entry"), ENTRIES, ids=IDS)
def test_effects(name: str, entry: Entry) -> None:
    """What stops or slows a scope was refused before any work; only 5xx and unknowns are open."""
    if entry.policy in ("back_off", "reauth"):
        assert entry.processed is False
    if entry.policy == "retry":
        assert entry.processed is not True
    if entry.scope is not None:
        assert entry.policy in ("back_off", "block_warning")


@pytest.mark.parametrize("name", NAMES)
def test_no_boilerplate(name: str) -> None:
    """No sentence is repeated again and again: each says something of its own code."""
    for said in ("meaning", "advice"):
        most = Counter(getattr(each, said) for each in catalog(name).entries).most_common(1)
        assert all(4 >= count for _, count in most), most


@pytest.mark.parametrize("name", NAMES)
def test_source(name: str) -> None:
    """A catalog says where it is from, when it was read, and what is from elsewhere."""
    found = catalog(name)
    assert name == found.name
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found.source.read)
    assert found.title
    assert found.source.document
    assert found.source.elsewhere
    assert found.revision >= 1


@pytest.mark.parametrize("name", NAMES)
def test_entries_of_places_that_exist(name: str) -> None:
    """What an entry or a limit is bound to, some request can be."""
    found = catalog(name)
    endpoints = {each.name for each in found.endpoints}
    loose = any("{" in each for each in endpoints)
    bound = [each.endpoint for each in found.entries] + [each.endpoint for each in found.limits]
    assert loose or set(bound) - {None} <= endpoints


@pytest.mark.parametrize("name", NAMES)
def test_wildcards_have_somebody_behind(name: str) -> None:
    """A code whose variants are all bound would be unknown elsewhere."""
    for code, variants in catalog(name).errors.items():
        assert any(not each.bindings for each in variants), code


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("amocrm", {"calls": (7, 1.0, "credential"), "account_calls": (50, 1.0, "host")}),
        (
            "dellin",
            {
                "calls_per_minute": (45, 60.0, "credential"),
                "calls_per_hour": (1600, 3600.0, "credential"),
            },
        ),
        ("hh", {"calls": (9, 1.0, "ip")}),
        ("http", {}),
        ("radist", {}),
        (
            "unisender",
            {
                "calls": (1200, 60.0, "credential ip"),
                "sendEmail": (60, 60.0, "credential ip"),
                "exportContacts": (20, 60.0, "credential ip"),
            },
        ),
    ],
)
def test_limits(name: str, limits: dict[str, tuple[int, float, str]]) -> None:
    """The limits are those that the vendors document."""
    assert limits == {
        each.name: (each.calls, each.period, " ".join("+".join(kinds) for kinds in each.per))
        for each in catalog(name).limits
    }


@pytest.mark.parametrize(("name", "banned"), [("radist", True), ("amocrm", True), ("hh", False)])
def test_bans(name: str, banned: bool) -> None:
    """A ban rule stands where the vendor shuts out for refusals in a row, and nowhere else."""
    assert banned == (catalog(name).ban is not None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("amocrm", "oauth2"),
        ("dellin", "session"),
        ("hh", "oauth2"),
        ("radist", "api_key"),
        ("unisender", "api_key"),
    ],
)
def test_credentials(name: str, kind: str) -> None:
    """Each vendor's kind of credential is the catalog's."""
    rule = catalog(name).credential
    assert rule is not None
    assert kind == rule.kind
