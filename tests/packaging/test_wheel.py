"""What is built holds what is shipped, and what is installed finds it."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = sorted(
    f"{kind}/{path.name}" for kind in ("catalogs", "policies") for path in (ROOT / kind).iterdir()
)
LISTING = (
    "from resilient.config import resources;"
    "print(*(f'{k}/{n}.yaml' for k in ('catalogs', 'policies') for n in resources.names(k)))"
)
LOADING = (
    "import resilient;"
    "from resilient.config.build import one_service;"
    "from resilient.config.build_policies import shipped_policies;"
    "from resilient.config.resources import names;"
    "print(*(len(one_service(n).catalog.entries) for n in names('catalogs')));"
    "print(*(len(shipped_policies(n)) for n in names('policies')));"
    "print(resilient.__file__)"
)

pytestmark = pytest.mark.slow


def run(*command: str, cwd: Path, **env: str) -> str:
    """Return what a command prints, run away from the checkout and from coverage."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTHONPATH"))}
    done = subprocess.run(
        command, cwd=cwd, env=kept | env, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@attrs.frozen
class Built:
    """The archives: an sdist, the wheel made from it, and the wheel made from the checkout."""

    sdist: Path
    through_sdist: Path
    direct: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build everything once, with what is installed: no network is needed."""
    both, direct = tmp_path_factory.mktemp("both"), tmp_path_factory.mktemp("direct")
    build = (sys.executable, "-m", "build", "--no-isolation", str(ROOT), "--outdir")
    run(*build, str(both), cwd=both)
    run(*build, str(direct), "--wheel", cwd=direct)
    (sdist,), (wheel,), (other,) = both.glob("*.tar.gz"), both.glob("*.whl"), direct.glob("*.whl")
    return Built(sdist, wheel, other)


def contents(wheel: Path) -> Mapping[str, bytes]:
    """Return the files of a wheel."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_ships_all_data(built: Built) -> None:
    """Every YAML of the checkout is inside the package, byte for byte."""
    found = contents(built.direct)
    assert DATA
    for name in DATA:
        assert (ROOT / name).read_bytes() == found[f"resilient/{name}"]


def test_the_wheel_holds_nothing_else(built: Built) -> None:
    """Beside the package and its data there are its pytest plugin and its own information."""
    top = {name.split("/")[0] for name in contents(built.direct)}
    assert {"resilient", "_resilient_pytest.py", "resilient_aiohttp-0.1.0.dist-info"} == top
    suffixes = {Path(name).suffix for name in contents(built.direct) if "dist-info" not in name}
    assert suffixes <= {".py", ".yaml", ".typed", ".lua"}


def test_the_wheel_is_typed_licensed_and_runs(built: Built) -> None:
    """The marker for type checkers, the licence, the command and the plugin are in it."""
    found = contents(built.direct)
    info = "resilient_aiohttp-0.1.0.dist-info"
    assert "resilient/py.typed" in found
    assert (ROOT / "LICENSE").read_bytes() == found[f"{info}/licenses/LICENSE"]
    entry_points = found[f"{info}/entry_points.txt"]
    assert b"resilient = resilient.cli.main:run" in entry_points
    assert b"[pytest11]\nresilient = _resilient_pytest" in entry_points
    assert b"License-Expression: MIT" in found[f"{info}/METADATA"]


def test_the_way_over_the_sdist_loses_nothing(built: Built) -> None:
    """The wheel made from the sdist is the wheel made from the checkout."""
    assert contents(built.direct) == contents(built.through_sdist)


def test_the_sdist_is_a_clone(built: Built) -> None:
    """The sdist holds what a clone does: sources, data, tests and words, and no leavings."""
    with tarfile.open(built.sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive.getmembers()]
    top = {name.split("/")[0] for name in names}
    needed = {"resilient", "catalogs", "policies", "tests", "Makefile", "pyproject.toml"}
    needed |= {"_resilient_pytest.py"}
    needed |= {"README.md", "LICENSE", "PKG-INFO"}
    assert needed <= top
    assert top - needed <= {"docs", "examples", "benchmarks", "CHANGELOG.md", ".gitignore"}
    assert set(DATA) <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A directory with nothing in it to be found by accident."""
    found = tmp_path / "empty"
    found.mkdir()
    return found


def test_an_installed_wheel_finds_its_data(built: Built, tmp_path: Path, empty: Path) -> None:
    """Installed without the checkout in sight, every catalog and policy set loads."""
    target = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", str(target), str(built.through_sdist), cwd=empty)
    place = str(target)
    assert DATA == run(sys.executable, "-c", LISTING, cwd=empty, PYTHONPATH=place).split()
    assert f"{place}/resilient/__init__.py" == _loaded_from(empty, place)


def test_a_zipped_wheel_finds_its_data(built: Built, empty: Path) -> None:
    """Imported from the archive itself, nothing depends on real files."""
    place = str(built.direct)
    assert DATA == run(sys.executable, "-c", LISTING, cwd=empty, PYTHONPATH=place).split()
    assert f"{place}/resilient/__init__.py" == _loaded_from(empty, place)


def _loaded_from(cwd: Path, place: str) -> str:
    entries, policies, where = run(
        sys.executable, "-c", LOADING, cwd=cwd, PYTHONPATH=place
    ).splitlines()
    assert all(map(int, (*entries.split(), *policies.split())))
    return where


def test_the_installation_under_test_finds_its_data(empty: Path) -> None:
    """The environment that runs the tests, an editable install as a rule, finds it as well."""
    assert DATA == run(sys.executable, "-c", LISTING, cwd=empty).split()
