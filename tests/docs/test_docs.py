import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from inner_pytest import RUNNERS, play
from manual import PAGES, README, ROOT, Block, anchors, blocks, links, named, prose
from typer.main import get_command

import resilient
from resilient.cli.app import app
from resilient.config.build_catalog import load_catalog
from resilient.config.build_policies import load_policies
from resilient.config.yaml_source import read
from resilient.testing import renderings

pytest_plugins = ["pytester"]

PYTHON = named("python")
YAML = named("yaml")
LANGUAGES = {"python", "yaml", "console", ""}
_NAME = re.compile(r"# (\S+\.yaml)\n")
_SENTENCE_ENDS = re.compile(r"[a-z0-9)`\"'][.!?] +[A-Z]")


def is_whole(block: Block) -> bool:
    """Tell whether a block stands for itself: not so a fragment."""
    return "fragment" not in block.words


def is_runnable(block: Block) -> bool:
    """Tell whether a block is a program: marked as one, or it runs a loop itself."""
    return "runnable" in block.words or "asyncio.run(" in block.text


def kind(block: Block) -> str:
    """Return what a whole YAML block is, by its keys."""
    keys = [key for key in ("services", "catalog", "policies") if f"\n{key}:" in f"\n{block.text}"]
    assert keys, f"{block}: none of a configuration, a catalog, a policy set: mark it as a fragment"
    return keys[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every file that the pages show, by the name in its first line."""
    for block in filter(is_whole, YAML):
        if name := _NAME.match(block.text):
            (tmp_path / name[1]).write_text(block.text, "utf-8")
    return tmp_path


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_loads(block: Block, folder: Path) -> None:
    """Each YAML block is a right configuration, catalog or policy set, or a marked fragment."""
    if not is_whole(block):
        assert () == read(block.text, str(block)).faults
        return
    file = folder / "block.yaml"
    file.write_text(block.text, "utf-8")
    {"services": resilient.load, "catalog": load_catalog, "policies": load_policies}[kind(block)](
        file
    )


def test_the_worked_catalog_can_be_said(folder: Path) -> None:
    """The emulator can say every error of the worked example so that it is recognised."""
    catalog = load_catalog(folder / "parcels.yaml")
    failures = [entry for entry in catalog.entries if entry.policy != "none"]
    assert 8 == len(failures)
    assert all(renderings(catalog, entry) for entry in failures)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles(block: Block) -> None:
    """Each Python block is Python."""
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", [each for each in PYTHON if is_runnable(each)], ids=str)
def test_python_runs(block: Block, folder: Path) -> None:
    """Each program on the pages runs as it stands, without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr if done.returncode else "")


@pytest.mark.parametrize("runner", ["alone", "auto"])
@pytest.mark.parametrize("block", [each for each in PYTHON if "pytest" in each.words], ids=str)
def test_tests_pass(block: Block, runner: str, folder: Path, pytester: pytest.Pytester) -> None:
    """Each test module on the pages passes as it stands, with and without pytest-asyncio."""
    shutil.copytree(folder, pytester.path, dirs_exist_ok=True)
    outcomes = play(pytester, block.text, *RUNNERS[runner], head="").parseoutcomes()
    assert {"passed"} == outcomes.keys()


@pytest.mark.parametrize("block", named("console"), ids=str)
def test_commands_exist(block: Block) -> None:
    """Each command line on the pages names a command and options that there are."""
    commands = getattr(get_command(app), "commands")  # noqa: B009 - typer's types hide it
    for line in filter(None, block.text.splitlines()):
        program, name, *arguments = line.removeprefix("$ ").split()
        assert ("resilient", True) == (program, name in commands), line
        known = {option for each in commands[name].params for option in each.opts}
        assert set() == {each for each in arguments if each.startswith("--")} - known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    """Each link leads to a file that is there, and to a heading in it."""
    broken = []
    for number, link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{page.name}:{number}: {link}")
    assert [] == broken


def test_every_page_is_reachable() -> None:
    """A reader who begins with the README finds every page."""
    found, todo = {README}, [README]
    while todo:
        page = todo.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for _, link in links(page)}
        fresh = {each for each in targets if each in PAGES} - found
        found |= fresh
        todo += fresh
    assert set() == set(PAGES) - found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_one_sentence_a_line(page: Path) -> None:
    """Prose has one sentence a line, so that a change shows as what it is."""
    lines = [(n, line) for n, line in prose(page) if not line.startswith(("|", ">"))]
    assert [] == [f"{page.name}:{n}" for n, line in lines if _SENTENCE_ENDS.search(line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_are_plain(page: Path) -> None:
    """Blocks are in a language that is checked, and nothing is decorated."""
    assert set() == {block.words[0] if block.words else "" for block in blocks(page)} - LANGUAGES
    assert re.search(r"[\U0001f000-\U0001faff\u2600-\u27bf]", page.read_text("utf-8")) is None


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    """The checks of links see a heading that is not there, and pass over code."""
    page = tmp_path / "page.md"
    page.write_text("# One\n```\n[a](nowhere.md)\n```\n[b](page.md#two) and [c](#one)\n", "utf-8")
    assert [(5, "page.md#two"), (5, "#one")] == list(links(page))
    assert {"one"} == anchors(page)
