"""Files made to cost much, or to be something else, are refused at little cost (I3)."""

import os
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from promises.conftest import Figure

import resilient
from resilient.config.build_catalog import load_catalog
from resilient.config.build_policies import load_policies
from resilient.config.yaml_source import LARGEST, MOST

HEAD = "services: {a: {catalog: hh, "
LAUGHS = "a0: &a0 lol\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
DEEP = "a: " + "[" * 5000 + "]" * 5000
DEEP_ENOUGH = "[" * 600
CODE = "a: !!python/object/apply:os.getpid []"
MANY = 1000

BOMBS: dict[str, str | bytes] = {
    "billion laughs": LAUGHS,
    "itself": f"{HEAD}errors: &x {{a: *x}}}}}}",
    "merges": "a: &a {b: 1}\nc:\n  <<: [*a, *a]\n",
    "deep lists": DEEP,
    "deep, open": "a: " + "[" * 100_000,
    "deep mappings": "{a: " * 5000 + "}" * 5000,
    "deep dashes": "a:\n" + "- " * 50_000 + "b",
    "deep questions": "? " * 50_000 + "a",
    "50 MB": b"#" * (50 << 20),
    "just too large": b"#" * (LARGEST + 1),
    "very many values": "a: [" + "1," * 100_000 + "1]",
    "very many keys": "services:\n" + "".join(f"  a{i}: {{}}\n" for i in range(100_000)),
    "very many documents": "---\n" * 400_000,
    "many slips": "services:\n" + "".join(f"  a{i}: {{catlog: hh}}\n" for i in range(500)),
    "many unknown": f"{HEAD}{', '.join(f'k{i}: 1' for i in range(MANY))}}}}}",
    "many variants": f"{HEAD}errors: {{x: [{'retry, ' * 2 * MANY}]}}}}}}",
    "many statuses": f"{HEAD}errors: {{x: {{policy: retry, status: [{'400, ' * MANY}]}}}}}}}}",
    "many names": f"{HEAD}limits: {{{', '.join(f'x{i}: off' for i in range(MANY))}}}}}}}",
    "a long rate": f"{HEAD}limits: {{calls: {{rate: 5/{' ' * 1_000_000}x}}}}}}}}",
    "a long time": f"{HEAD}timeout: 5{' ' * 1_000_000}x}}}}",
    "a long host": f"{HEAD}hosts: {'a.' * 500_000}}}}}",
    "a long number": f"{HEAD}max_queue: {'9' * 1_000_000}}}}}",
    "a long key": f"{HEAD}? {'x' * 1_000_000} : 1}}}}",
    "a long line": f"{HEAD}mode: {'x' * 1_000_000}}}}}",
    "a long text": f'{HEAD}egress: 5, mode: "{"x" * 1_000_000}"}}}}',
    "code": CODE,
    "code of an object": "a: !!python/object/new:os.system [x]",
    "a module": "a: !!python/module:this",
    "a name": "a: !!python/name:os.system",
    "a binary": "a: !!binary aGVsbG8=",
    "a set": "a: !!set {b, c}",
    "an omap": "a: !!omap [b: 1]",
    "a tag of one's own": "%TAG !e! tag:example.com,2000:\n---\na: !e!x 1",
    "a YAML of tomorrow": "%YAML 9.9\n---\na: 1",
    "NUL": b"services:\0 {}",
    "zeros": b"\0" * 100_000,
    "invalid UTF-8": b"services: {\xff}",
    "half a character": b"services: {\xd0",
    "a surrogate": b"services: {\xed\xa0\x80}",
    "overlong": b"services: {\xc0\xaf}",
    "half of UTF-16": "services: {}".encode("utf-16")[:-1],
    "UTF-16 without a mark": "services: {}".encode("utf-16-le"),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10,
    "escape characters": b"services: {\x1b[2J}",
}


@pytest.fixture
def read_events(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count what is taken from the YAML parser."""
    counted = [0]
    parse = yaml.parse

    def counting(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for event in parse(*args, **kwargs):
            counted[0] += 1
            yield event

    monkeypatch.setattr(yaml, "parse", counting)
    return counted


def refused(file: Path, load: Callable[[Path], object]) -> resilient.ConfigError:
    """Return the error of a file."""
    with pytest.raises(resilient.ConfigError) as caught:
        load(file)
    return caught.value


@pytest.mark.parametrize(
    ("bomb", "load"),
    [
        (bomb, load)
        for bomb in BOMBS
        for load in (resilient.load, load_catalog, load_policies)
        if load is resilient.load or not bomb.startswith("many")
    ],
)
def test_bombs(
    tmp_path: Path,
    read_events: list[int],
    bomb: str,
    load: Callable[[Path], object],
) -> None:
    """What a file may cost is bounded, and every fault of it says where and what."""
    content = BOMBS[bomb]
    file = tmp_path / "c.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    read_events[0] = 0
    error = refused(file, load)
    assert 2 * MOST + 10 >= read_events[0]
    assert all(each.place.startswith(f"{file}:") for each in error.faults)
    assert all(1000 > len(each.problem) and each.problem.isprintable() for each in error.faults)


@pytest.mark.parametrize("bomb", ["50 MB", "billion laughs", "deep lists", "very many values"])
def test_memory(tmp_path: Path, bomb: str, figure: Figure) -> None:
    """And so is the memory: a file that is too large is not even read."""
    content = BOMBS[bomb]
    file = tmp_path / "c.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(file, resilient.load)
    tracemalloc.start()
    refused(file, resilient.load)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 16 << 20
    figure("I3", f"bytes of memory for {bomb}", most)


def _fifo(file: Path) -> None:
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.mkdir()


def _zero(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _loop(file: Path) -> None:
    file.symlink_to(file)


def _socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(file))


def _nothing(file: Path) -> None:
    file.unlink(missing_ok=True)


FILES = [_fifo, _folder, _zero, _loop, _socket, _nothing]


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("load", [resilient.load, load_catalog, load_policies])
def test_files(tmp_path: Path, make: Callable[[Path], None], load: Any) -> None:
    """What is no ordinary file is neither read nor waited for."""
    (tmp_path / "c").mkdir()
    file = tmp_path / "c" / "x.yaml"
    make(file)
    assert str(refused(file, load)).startswith(f"{file}: ")


@pytest.mark.parametrize("key", ["catalog", "policies"])
@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
def test_files_named_in_a_file(tmp_path: Path, make: Callable[[Path], None], key: str) -> None:
    """The same where a service names it: the fault stands at the service's line."""
    (tmp_path / "c").mkdir()
    make(tmp_path / "c" / "x.yaml")
    file = tmp_path / "config.yaml"
    file.write_text(
        f"services:\n  a:\n    {'catalog: hh' * (key != 'catalog')}\n    {key}: c/x.yaml\n"
    )
    (fault,) = refused(file, resilient.load).faults
    assert fault.place.startswith(f"{file}:4:")


@pytest.mark.parametrize("path", ["a\0b.yaml", "x" * 5000, "/" + "a/" * 3000, "", "\udcff.yaml"])
def test_paths(path: str) -> None:
    """A path that cannot be one is told like any other that is not there."""
    refused(Path(path), resilient.load)
    with pytest.raises(resilient.ConfigError):
        resilient.load({"services": {"a": {"catalog": f"{path}/x.yaml"}}})


def size(value: object, most: int) -> int:
    """Return how many values something holds, counted up to a bound."""
    count, waiting = 0, [value]
    while waiting and count < most:
        count += 1
        each = waiting.pop()
        waiting.extend(
            each if isinstance(each, list) else each.values() if isinstance(each, dict) else ()
        )
    return count


def test_naive() -> None:
    """Why that needs care: PyYAML expands, recurses, and with its full loader runs code."""
    assert 100_000 == size(yaml.safe_load(LAUGHS), 100_000)
    with pytest.raises(RecursionError):
        yaml.safe_load(DEEP_ENOUGH)
    assert {"a": os.getpid()} == yaml.unsafe_load(CODE)
