import os
from collections.abc import Callable
from pathlib import Path

import pytest

import resilient
from resilient.config.yaml_source import DEEPEST, LARGEST, MOST

Faults = Callable[..., list[str]]
Load = Callable[..., "resilient.Config"]

WHOLE = "expected a whole number"
DURATION = "expected a duration such as 200ms, 30s, 5m, 1h, 1d or a number of seconds"
TRUTH = "expected true or false"


def service(keys: str) -> str:
    """Return a configuration of one service; its keys begin in column 28."""
    return f"services: {{a: {{catalog: hh, {keys}}}}}\n"


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("max_queue: 012", f"c.yaml:1:40: found '012', {WHOLE}"),
        ("max_queue: 0x10", f"c.yaml:1:40: found '0x10', {WHOLE}"),
        ("max_queue: 0o17", f"c.yaml:1:40: found '0o17', {WHOLE}"),
        ("max_queue: 1_000", f"c.yaml:1:40: found '1_000', {WHOLE}"),
        ("max_queue: 1e3", f"c.yaml:1:40: found '1e3', {WHOLE}"),
        ("max_queue: 5.0", f"c.yaml:1:40: found '5.0', {WHOLE}"),
        ("max_queue: +5", f"c.yaml:1:40: found '+5', {WHOLE}"),
        ("max_queue: '5'", f"c.yaml:1:40: found the text '5', {WHOLE}"),
        ('max_queue: "5"', f"c.yaml:1:40: found the text '5', {WHOLE}"),
        ("max_queue: yes", f"c.yaml:1:40: found 'yes', {WHOLE}"),
        ("max_queue: .inf", f"c.yaml:1:40: found '.inf', {WHOLE}"),
        ("max_queue: ٣", f"c.yaml:1:40: found '٣', {WHOLE}"),
        ("timeout: 1:30", f"c.yaml:1:38: found '1:30', {DURATION}"),
        ("timeout: '30'", f"c.yaml:1:38: found the text '30', {DURATION}"),
        ("timeout: -5", f"c.yaml:1:38: found '-5', {DURATION}"),
        ("timeout: .nan", f"c.yaml:1:38: found '.nan', {DURATION}"),
        ("timeout: 5 minutes", f"c.yaml:1:38: found '5 minutes', {DURATION}"),
        ("timeout: 2026-11-22", f"c.yaml:1:38: found '2026-11-22', {DURATION}"),
        ("timeout: true", f"c.yaml:1:38: found 'true', {DURATION}"),
        ("adaptive: no", f"c.yaml:1:39: found 'no', {TRUTH}"),
        ("adaptive: off", f"c.yaml:1:39: found 'off', {TRUTH}"),
        ("adaptive: False", f"c.yaml:1:39: found 'False', {TRUTH}"),
        ("adaptive: 'false'", f"c.yaml:1:39: found the text 'false', {TRUTH}"),
        ("adaptive: 0", f"c.yaml:1:39: found '0', {TRUTH}"),
        ("on_error: no", "c.yaml:1:39: found 'no', expected 'raise' or 'return'"),
        ("egress: {}", "c.yaml:1:37: found a mapping, expected text"),
        ("egress: []", "c.yaml:1:37: found a list, expected text"),
        ("egress: ''", "c.yaml:1:37: found the text '', expected text that is not empty"),
        ("egress: '~'}, b: {catalog: ~", "c.yaml:1:56: found nothing, expected text"),
    ],
)
def test_scalars(faults: Faults, keys: str, fault: str) -> None:
    """A scalar has the type that the schema gives it, and looks like it; YAML guesses nothing."""
    assert [fault] == faults(service(keys))


@pytest.mark.parametrize(
    "name", ["no", "on", "1:30", "012", "1_000", "~", "null", "2026-11-22", "1e3"]
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_keys_are_text(load: Load, name: str, quote: str) -> None:
    """A key is what was written, in quotes or not."""
    config = load(f"services: {{{quote}{name}{quote}: {{catalog: hh, errors: {{{name}: none}}}}}}")
    assert [name] == [each.name for each in config.services]
    assert name in config[name].catalog.errors


@pytest.mark.parametrize("empty", ["~", "null", "Null", "NULL", ""])
def test_nothing_is_the_default(load: Load, empty: str) -> None:
    """A plain null, or nothing, stands for the default."""
    written = f"services:\n  a:\n    catalog: hh\n    max_queue: {empty}\n    egress: {empty}\n"
    assert (10000, None) == (load(written)["a"].max_queue, load(written)["a"].egress)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("a: *x", "c.yaml:1:4: an alias (*x): write the value out"),
        ("services: &x {}", "c.yaml:1:11: an anchor (&x): there are no aliases here"),
        (
            "services: !!map {}",
            "c.yaml:1:11: a tag (tag:yaml.org,2002:map): the schema gives the types",
        ),
        ("services: !x {}", "c.yaml:1:11: a tag (!x): the schema gives the types"),
        ("services: {}\nservices: {}", "c.yaml:2:1: the key 'services' stands twice"),
        (
            "services: {a: {catalog: hh, catalog: hh}}",
            "c.yaml:1:29: the key 'catalog' stands twice",
        ),
        (
            "services: {}\n---\nservices: {}",
            "c.yaml:2:1: a second document: one file, one document",
        ),
        ("? [a]\n: 1\nservices: {}", "c.yaml:1:3: a key must be plain text"),
        ("? {a: b}\n: 1\nservices: {}", "c.yaml:1:3: a key must be plain text"),
        ("&x services: {}", "c.yaml:1:1: a key must be plain text"),
        ("!!str services: {}", "c.yaml:1:1: a key must be plain text"),
        ("services:\n\ta: 1", "c.yaml:2:1: not YAML: a tab: indent with spaces"),
        ("services:\n  a: 1\n\tb: 2", "c.yaml:3:1: not YAML: a tab: indent with spaces"),
        ("a: @x", "c.yaml:1:4: not YAML: a value cannot begin with '@': put it in quotes"),
        ("services: {", "c.yaml:2:1: not YAML: did not find expected node content"),
        (b"services: {}\n# \xff", "c.yaml:2:3: not YAML: invalid leading UTF-8 octet"),
        (
            b"services: {}\n# \xd1\x8f\x00",
            "c.yaml:2:4: not YAML: control characters are not allowed",
        ),
        ("", "c.yaml:1:1: found nothing, expected a mapping"),
        ("# only words", "c.yaml:1:1: found nothing, expected a mapping"),
        ("- a", "c.yaml:1:1: found a list, expected a mapping"),
        ("text", "c.yaml:1:1: found 'text', expected a mapping"),
        ("services: ~", "c.yaml:1:11: found nothing, expected a mapping"),
    ],
)
def test_documents(faults: Faults, written: str | bytes, fault: str) -> None:
    """Aliases, tags, doubled and odd keys, a second document and what is no YAML are faults."""
    assert fault in faults(written)


def test_unreadable_is_one_fault(faults: Faults) -> None:
    """Of what cannot be read nothing else is told."""
    assert 1 == len(faults(b"\xff\xff"))
    assert 1 == len(faults("services: ]"))


def test_a_merge_is_a_key(faults: Faults) -> None:
    """`<<` merges nothing."""
    assert any("unknown key 'a'" in each for each in faults("services: {<<: {a: {catalog: hh}}}"))


def test_billion_laughs(faults: Faults) -> None:
    """Aliases are not expanded, not even a self reference."""
    rows = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert any("an alias (*a0)" in each for each in faults("a0: &a0 lol\n" + rows))
    assert any("an alias (*me)" in each for each in faults("services: &me {a: *me}"))


@pytest.mark.parametrize("deep", ["[" * 100_000, "{a: " * 100_000, "a:\n" + "- " * 50_000])
def test_deep_nesting(faults: Faults, deep: str) -> None:
    """A file nested without end is refused, not followed."""
    assert faults(deep)


def test_as_deep_as_allowed(faults: Faults) -> None:
    """What is too deep is told at its place."""
    written = "x: " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1) + "\nservices: {}\n"
    assert f"c.yaml:1:{3 + DEEPEST}: nested deeper than {DEEPEST} levels" in faults(written)


def test_very_many(faults: Faults) -> None:
    """A file of more than can be wanted is read up to a bound, and that is told."""
    (found,) = faults("services: [" + "1," * MOST + "1]")
    assert found.endswith(f": more than {MOST} keys and values: the rest is not read")
    (found,) = faults(service(f"{'x' * 2000}: 1"))
    assert 600 > len(found)
    (found,) = faults(service(f"errors: {{x: {'p' * 2000}}}"))
    assert found.endswith("…")


def test_large_files(tmp_path: Path) -> None:
    """A file of 50 MB is refused unread."""
    file = tmp_path / "c.yaml"
    with file.open("wb") as opened:
        opened.truncate(50 * 1024 * 1024)
    with pytest.raises(
        resilient.ConfigError, match=rf"c.yaml:1:1: 52428800 bytes: at most {LARGEST} "
    ):
        resilient.load(file)


@pytest.mark.parametrize("written", ["# " + "x" * LARGEST, b"\xef\xbb\xbf" + b"#" * LARGEST])
def test_just_too_large(faults: Faults, written: str | bytes) -> None:
    """One byte too many is too many."""
    assert 1 == len(faults(written))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_unicode(load: Load, encoding: str) -> None:
    """A byte order mark tells the encoding, as YAML has it."""
    assert "hh" == load(service("egress: я").encode(encoding))["a"].catalog.name


def test_no_ordinary_file(tmp_path: Path) -> None:
    """A directory and a pipe are refused, not waited for; what is not there is told."""
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(resilient.ConfigError, match=r"pipe.yaml: not an ordinary file"):
        resilient.load(tmp_path / "pipe.yaml")
    with pytest.raises(resilient.ConfigError, match="not an ordinary file"):
        resilient.load(tmp_path)
    with pytest.raises(resilient.ConfigError, match=r"none.yaml: No such file or directory"):
        resilient.load(tmp_path / "none.yaml")
    with pytest.raises(resilient.ConfigError, match="null"):
        resilient.load("a\0b.yaml")


def test_errors_of_files_are_value_errors(tmp_path: Path) -> None:
    """Whoever catches ValueError, or all of ours, catches a faulty file."""
    with pytest.raises(ValueError, match="No such file"):
        resilient.load(tmp_path / "none.yaml")
    assert issubclass(resilient.ConfigError, resilient.ResilientError)
