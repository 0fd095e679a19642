"""The shape of the package: imports point downwards only, and the core is pure."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import resilient

PACKAGE = Path(__file__).resolve().parents[1] / "resilient"

LAYERS = (
    {"lookup", "policy", "events", "clock"},
    {"catalog"},
    {"errors", "model", "options", "log"},
    {"core"},
    {"config"},
    {"credentials", "state", "reading", "recognition", "watch"},
    {"wallet"},
    {"serving"},
    {"route"},
    {"directory", "hops", "signing", "raising", "report", "ending", "judging", "sending"},
    {"call", "consequences", "enforce", "observe", "explanation", "explain"},
    {"middleware"},
    {"session"},
    {"__init__"},
    {"testing"},
    {"cli", "__main__"},
)
"""Lowest first: a part imports from its own layer and those before it."""

IMPURE = {
    "aiohttp",
    "asyncio",
    "logging",
    "os",
    "pathlib",
    "random",
    "redis",
    "secrets",
    "socket",
    "structlog",
    "threading",
    "time",
    "uuid",
    "yaml",
}
"""What the core may not import: the world outside its arguments."""


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def tree(module: str) -> ast.Module:
    """Return a module, parsed."""
    return ast.parse(MODULES[module].read_text("utf-8"))


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, but for what only a type checker reads."""
    yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    for child in ast.iter_child_nodes(node):
        yield from at_run_time(child)


def named(nodes: Iterator[ast.AST]) -> set[str]:
    """Return what import statements name: a module where it is one, else what holds the name."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            base = str(node.module)
            full = (f"{base}.{alias.name}" for alias in node.names)
            found |= {each if each in MODULES else base for each in full}
    return found


def imported(module: str) -> set[str]:
    """Return what a module imports, also inside functions."""
    return named(at_run_time(tree(module))) - {module}


def loaded(module: str) -> set[str]:
    """Return which of ours a module imports as it is loaded."""
    return (named(iter(tree(module).body)) & MODULES.keys()) - {module}


def layer(module: str) -> int:
    """Return which layer a module belongs to."""
    part = module.split(".")[1] if "." in module else "__init__"
    for i, parts in enumerate(LAYERS):
        if part in parts:
            return i
    pytest.fail(f"{module}: say in LAYERS where it belongs")


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    """No module imports one of a higher layer, not even inside a function."""
    ours = {each for each in imported(module) if each.split(".")[0] == "resilient"}
    upwards = {each for each in ours if layer(each) > layer(module)}
    assert set() == upwards


def test_no_cycles() -> None:
    """No module needs itself, over others, to be loaded."""
    uses = {module: loaded(module) for module in MODULES}

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [*uses[start]]
        while todo:
            if (module := todo.pop()) not in seen:
                seen.add(module)
                todo += uses[module]
        return seen

    assert [] == [module for module in MODULES if module in reach(module)]


@pytest.mark.parametrize("module", [name for name in MODULES if ".core" in name])
def test_the_core_is_pure(module: str) -> None:
    """The core imports no clock, no chance, no event loop, no network, no logging, no files."""
    top = {each.split(".")[0] for each in imported(module)}
    assert set() == top & IMPURE
    assert "resilient.clock" not in imported(module)
    calls = {ast.unparse(n.func) for n in ast.walk(tree(module)) if isinstance(n, ast.Call)}
    assert not [call for call in calls if call.endswith((".now", ".utcnow", ".today"))]


def test_impurity_is_noticed() -> None:
    """The check sees an import inside a function, and passes over one for type checkers."""
    code = "def f():\n    import time\nif TYPE_CHECKING:\n    import random\n"
    assert {"time"} == named(at_run_time(ast.parse(code)))


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    """Each module opens with a docstring."""
    assert ast.get_docstring(tree(module))


def test_public_names() -> None:
    """The package offers at most 30 names, sorted, and each is there."""
    names = resilient.__all__
    assert sorted(names) == names
    assert 30 >= len(names)
    assert [] == [name for name in names if not hasattr(resilient, name)]


def test_the_entrance_has_no_logic() -> None:
    """`resilient/__init__.py` re-exports, some of it when first asked for, and nothing else."""
    body = tree("resilient").body
    assert {type(node) for node in body} <= {ast.Expr, ast.ImportFrom, ast.Assign, ast.If}
    (choice,) = [node for node in body if isinstance(node, ast.If)]
    assert "TYPE_CHECKING" == ast.unparse(choice.test)
    assert {ast.ImportFrom} == {type(node) for node in choice.body}
    (table, *ways) = choice.orelse
    assert isinstance(table, ast.Assign)
    assert ["__getattr__", "__dir__"] == [getattr(each, "name", None) for each in ways]


def test_type_checkers_see_what_is_there() -> None:
    """A name that is loaded when asked for is what a type checker takes it for."""
    (choice,) = [node for node in tree("resilient").body if isinstance(node, ast.If)]
    for node in choice.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            home = importlib.import_module(str(node.module))
            assert getattr(home, alias.name) is getattr(resilient, alias.asname or alias.name)


def test_what_is_loaded_later_is_listed() -> None:
    """What waits to be asked for is listed all the same; what is not there is no attribute."""
    assert {*resilient.__all__} <= {*dir(resilient)}
    with pytest.raises(AttributeError, match="'resilient' has no attribute 'nothing'"):
        resilient.nothing  # type: ignore[attr-defined]  # noqa: B018


def loaded_by(code: str) -> set[str]:
    """Return the packages that a fresh interpreter has loaded after some code, beyond aiohttp's."""
    shown = f"import sys, aiohttp; old = {{*sys.modules}}; {code}; print(*({{*sys.modules}} - old))"
    run = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return {each for each in run.stdout.split() if "." not in each or each.startswith("resilient")}


HEAVY = {"cattrs", "defusedxml", "http_sf", "redis", "rich", "structlog", "typer", "xml", "yaml"}
"""What is loaded where it is needed, and not before."""


def test_the_import_is_light() -> None:
    """`import resilient` loads what can be raised and said, and nothing that makes a call."""
    found = loaded_by("import resilient")
    assert set() == found & {*HEAVY, "aiolimiter"}
    light = {"resilient", "resilient.errors", "resilient.options", "resilient.session"}
    assert light == {each for each in found if each.startswith("resilient")}


def test_optional_packages_stay_out() -> None:
    """All that is public loads neither YAML, XML, structlog, nor what only the extras need."""
    assert set() == loaded_by("from resilient import *") & HEAVY


def test_the_extras_are_used_where_they_are_needed() -> None:
    """Only the command line imports typer and rich."""
    users = {m for m in MODULES if {"rich", "typer"} & {i.split(".")[0] for i in imported(m)}}
    assert {module for module in users if not module.startswith("resilient.cli.")} == set()


def test_only_the_plugin_needs_pytest() -> None:
    """The testing kit does without pytest: what imports it is imported by nobody."""
    users = {module for module in MODULES if "pytest" in imported(module)}
    assert {"resilient.testing.plugin"} == users
    assert not [module for module in MODULES if users & imported(module)]
