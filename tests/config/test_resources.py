from pathlib import Path

import pytest

from resilient.config import resources
from resilient.config.build import one_service
from resilient.config.build_policies import shipped_policies

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["catalogs", "policies"])
def test_all_of_the_checkout(kind: resources.Kind) -> None:
    """Every YAML of the checkout is shipped, under its stem."""
    assert tuple(sorted(path.stem for path in (ROOT / kind).glob("*.yaml"))) == resources.names(
        kind
    )


def test_the_package_goes_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed is read in place of what lies beside it."""
    (tmp_path / "catalogs").mkdir()
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    assert tmp_path / "catalogs" == resources.builtin("catalogs")
    assert ROOT / "policies" == resources.builtin("policies")


def test_a_broken_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without data there is a plain error."""
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    monkeypatch.setattr(resources, "_CHECKOUT", tmp_path)
    with pytest.raises(FileNotFoundError, match="catalogs are missing from this installation"):
        resources.builtin("catalogs")


def test_what_is_shipped_is_read_once() -> None:
    """Catalogs and policy sets are values, so one of each is enough."""
    assert one_service("hh").catalog is one_service("hh").catalog
    assert shipped_policies("batch") is shipped_policies("batch")
