from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from resilient.config import extras
from resilient.config.resources import builtin, names

Cli = Callable[..., Result]
SOURCE = "source: {document: d, read: 2026-01-01}\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], str]:
    """Write a file and return its path."""

    def write(text: str) -> str:
        file = tmp_path / "file.yaml"
        file.write_text(text, "utf-8")
        return str(file)

    return write


@pytest.mark.parametrize("name", names("catalogs"))
def test_shipped_catalogs(cli: Cli, name: str) -> None:
    """Every shipped catalog is right."""
    result = cli("check", str(builtin("catalogs").joinpath(f"{name}.yaml")))
    assert (0, "") == (result.exit_code, result.stderr)
    assert f"right, the catalog '{name}'" in result.stdout


@pytest.mark.parametrize("name", names("policies"))
def test_shipped_policies(cli: Cli, name: str) -> None:
    """Every shipped policy set is right, and shown with what it is laid over."""
    result = cli("check", str(builtin("policies").joinpath(f"{name}.yaml")))
    assert (0, "") == (result.exit_code, result.stderr)
    assert "block_warning" in result.stdout


def test_config(cli: Cli, written: Callable[[str], str]) -> None:
    """Each limit and scope has its burst, its rate, and the time for 10 and 100 calls."""
    file = written(
        "version: 1\nservices:\n  mail: {catalog: unisender}\n  cargo: dellin\n".replace(
            "cargo: dellin", "cargo: {catalog: dellin}"
        )
    )
    result = cli("check", file)
    assert (0, "") == (result.exit_code, result.stderr)
    rows = [line.split("  ") for line in result.stdout.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [
        "mail",
        "calls",
        "credential",
        "all calls",
        "1200 in 1 min",
        "6",
        "19.88/s",
        "453 ms",
        "4.979 s",
    ] in cells
    assert [
        "mail",
        "sendEmail",
        "ip",
        "sendEmail",
        "60 in 1 min",
        "1",
        "0.9983/s",
        "9.015 s",
        "1.653 min",
    ] in cells
    assert [
        "cargo",
        "calls_per_hour",
        "credential",
        "all calls",
        "1600 in 1 h",
        "1600",
        "1600 in any 1 h",
        "0 s",
        "0 s",
    ] in cells


def test_share(cli: Cli, written: Callable[[str], str]) -> None:
    """A process that has a part of the limit is paced by its part."""
    file = written("version: 1\nservices:\n  mail: {catalog: unisender, share: 1/4}\n")
    assert "4.992/s" in cli("check", file).stdout


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("", "10 retries and 0.1 of the successes in any 10 s (default)"),
        (
            ", retry_budget: {ratio: 0.2, floor: 1}",
            "1 retry and 0.2 of the successes in any 10 s (its own)",
        ),
        (", retry_budget: off", "off, every call may use all its attempts"),
    ],
)
def test_retry_budget(cli: Cli, written: Callable[[str], str], keys: str, line: str) -> None:
    """Each service's retry budget is told: the default, its own, or none."""
    result = cli("check", written(f"services: {{mail: {{catalog: unisender{keys}}}}}\n"))
    assert f"    retry budget: {line}" in result.stdout.splitlines()


def test_memory(cli: Cli, written: Callable[[str], str]) -> None:
    """Without a shared store it is said that limits hold for one process."""
    result = cli("check", written("services: {mail: {catalog: unisender}}\n"))
    line = "  store: memory, so limits, pauses and blocks hold for one process"
    assert line in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("rediss://me:s3cret@cache/2", "rediss://cache:6379/2"),
        ("unix:///run/r.sock?password=s3cret", "unix:///run/r.sock?db=0"),
        ("{env: OUR_REDIS}", "where the environment variable OUR_REDIS says"),
        ("{env: s3cret}", "where the environment variable (not capitals) says"),
        ("{file: /run/redis.url}", "where the file /run/redis.url says"),
    ],
    ids=["tls", "socket", "variable", "no variable", "file"],
)
def test_store(cli: Cli, written: Callable[[str], str], url: str, place: str) -> None:
    """A shared store is told by its place, without what is secret of it; it is not asked."""
    file = f"services: {{jobs: {{catalog: hh}}}}\nstore: {{url: '{url}'}}\n"
    file = file if "://" in url else file.replace("'", "")
    result = cli("check", written(file))
    assert (0, "") == (result.exit_code, result.stderr)
    assert f"  store: {place}, so limits, pauses, refusals and blocks hold for all" in result.stdout
    assert "s3cret" not in result.stdout


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("", "without an answer within 50 ms: local_share, each process keeps its part"),
        (", mode: fail_open, timeout: 1s", "within 1 s: fail_open, each process keeps every"),
        (", mode: fail_closed", "within 50 ms: fail_closed, calls raise NotSent at once"),
    ],
)
def test_store_modes(cli: Cli, written: Callable[[str], str], keys: str, line: str) -> None:
    """What happens while the store does not answer is told."""
    file = f"services: {{mail: {{catalog: unisender}}}}\nstore: {{url: redis://h{keys}}}\n"
    assert line in cli("check", written(file)).stdout


def test_one_store_for_machines(cli: Cli, written: Callable[[str], str]) -> None:
    """A share of what is shared is warned of, and so is an address without a name."""
    services = "mail: {catalog: unisender, share: 1/4}, fax: {catalog: unisender, egress: office}"
    told = cli("check", written(f"services: {{{services}}}\nstore: redis://h\n")).stdout
    assert "  warning: mail takes 1/4 of the limits that are shared already" in told
    assert "  mail counts per address, and takes each machine for one: name the 'egress'" in told
    assert "fax takes" not in told
    assert "fax counts" not in told


def test_store_without_the_extra(
    cli: Cli, written: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing extra is a warning here: the file may be meant for another machine."""
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    result = cli("check", written("services: {mail: {catalog: unisender}}\nstore: redis://h\n"))
    assert 0 == result.exit_code
    assert (
        "  warning: Redis is asked for, and the extra 'redis' is not installed: pip"
        in result.stdout
    )


def test_no_service(cli: Cli, written: Callable[[str], str]) -> None:
    """A configuration of nothing is right, and said to do nothing."""
    result = cli("check", written("version: 1\nservices: {}\n"))
    assert (0, "") == (result.exit_code, result.stderr)
    assert "there is no service: every call goes out as it is" in result.stdout


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("api.x.com", "api.x.com", "api.x.com"),
        ("api.x.com", "*.x.com", "api.x.com"),
        ("*.x.com", "*.api.x.com", "*.api.x.com"),
        ("api.x.com:80", "API.x.com", "api.x.com:80"),
        ("api.x.com", "x.com", None),
        ("api.x.com:80", "api.x.com:81", None),
    ],
)
def test_one_host_of_two(
    cli: Cli, written: Callable[[str], str], one: str, other: str, shared: str | None
) -> None:
    """Two services for one host are told: each call to it has to choose."""
    services = f"a: {{catalog: hh, hosts: ['{one}']}}, b: {{catalog: hh, hosts: ['{other}']}}"
    result = cli("check", written(f"services: {{{services}}}\n"))
    assert (0, "") == (result.exit_code, result.stderr)
    told = f"a and b are both for {shared}" in result.stdout
    assert (shared is not None) is told
    assert told is ("options(service=…)" in result.stdout)


def test_no_limits(cli: Cli, written: Callable[[str], str]) -> None:
    """A catalog without limits says so."""
    assert "no limits" in cli("check", written("catalog: mine\n" + SOURCE)).stdout


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("version: 1\nservices:\n  x: {catalog: hhh, mode: on}\n", [":3:16: ", ":3:27: "]),
        (
            "catalog: mine\n" + SOURCE + "hots: [a]\nlimits: {c: {rate: 5/x}}\n",
            [":3:1: unknown key 'hots'; did you mean 'hosts'?", ":4:20: "],
        ),
        ("policies:\n  retry: {action: retri}\n  back_off: {action: retry}\n", [":2:19: "]),
        ("polcies:\n  retry: {action: retry}\n", ["'polcies'; did you"]),
        ("other: 1\n", ["none of the keys 'services'"]),
        ("- a\n", ["none of the keys 'services'"]),
        ("", ["none of the keys 'services'"]),
        ("a: [\n", ["not YAML"]),
    ],
)
def test_faults(cli: Cli, written: Callable[[str], str], text: str, faults: list[str]) -> None:
    """Every fault is a line with its place, and the exit status is 1."""
    file = written(text)
    result = cli("check", file)
    lines = result.stderr.splitlines()
    assert (1, "") == (result.exit_code, result.stdout)
    assert all(line.startswith(file) for line in lines)
    assert len(lines) >= len(faults)
    for fault in faults:
        assert any(fault in line for line in lines)


@pytest.mark.parametrize("args", [("/nowhere.yaml",), ("/",), ()])
def test_no_file(cli: Cli, args: tuple[str, ...]) -> None:
    """A file that is not there is a wrong argument: exit status 2."""
    result = cli("check", *args)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
