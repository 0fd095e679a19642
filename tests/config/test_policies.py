from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resilient
from resilient.config import resources
from resilient.config.build_policies import load_policies, shipped_policies
from resilient.policy import Backoff, Policies

FIVE = {"retry", "back_off", "reauth", "fail_fast", "block_warning"}
Faults = Callable[..., list[str]]
Load = Callable[..., "resilient.Config"]


def policies(found: Any) -> Policies:
    """Return the policies of a service that names or writes them."""
    return resilient.load({"services": {"a": {"catalog": "hh", "policies": found}}})["a"].policies


@pytest.mark.parametrize("name", resources.names("policies"))
def test_shipped(name: str) -> None:
    """Every shipped set has the five, each under the name of its action."""
    found = shipped_policies(name)
    assert {each: each for each in FIVE} == {key: policy.action for key, policy in found.items()}
    assert policies(name) == found


def test_shipped_characters() -> None:
    """A person waits little and a batch long; the default is as documented."""
    quick, plain, slow = (shipped_policies(n) for n in ("interactive", "default", "batch"))
    for name in ("retry", "back_off"):
        assert quick[name].attempts < plain[name].attempts < slow[name].attempts
        assert quick[name].max_wait < plain[name].max_wait < slow[name].max_wait
        assert quick[name].delay.cap < plain[name].delay.cap < slow[name].delay.cap
    assert (4, Backoff(base=0.2, cap=20.0)) == (plain["retry"].attempts, plain["retry"].delay)
    back_off = plain["back_off"]
    assert (6, Backoff(base=1.0, cap=60.0), 120.0) == (
        back_off.attempts,
        back_off.delay,
        back_off.max_wait,
    )
    assert Backoff(base=300.0, cap=21600.0) == plain["block_warning"].cool_down


def test_a_mapping_is_laid_over_default() -> None:
    """What a mapping leaves out is as in `default`, by policy and by parameter."""
    found = policies({"retry": {"action": "retry", "attempts": 9}})
    default = shipped_policies("default")
    assert 9 == found["retry"].attempts
    assert default["retry"].delay == found["retry"].delay
    assert {key: default[key] for key in FIVE - {"retry"}} == {
        key: found[key] for key in FIVE - {"retry"}
    }


def test_more_names() -> None:
    """A set may have policies of its own, and a service's entries may use them."""
    own = {"slowly": {"action": "retry", "delay": {"base": "1m", "cap": "1h"}}}
    keys = {"catalog": "hh", "policies": own, "errors": {"not_found": "slowly"}}
    found = resilient.load({"services": {"a": keys}})["a"]
    assert "slowly" == found.catalog.errors["not_found"][0].policy
    slowly = found.policies["slowly"]
    assert ("retry", 4, Backoff(base=60.0, cap=3600.0)) == (
        slowly.action,
        slowly.attempts,
        slowly.delay,
    )


def test_a_cool_down_until_released() -> None:
    """`cool_down: manual` has no end of its own."""
    found = policies({"block_warning": {"action": "block_warning", "cool_down": "manual"}})
    assert found["block_warning"].cool_down is None


def test_a_file(load: Load, tmp_path: Path) -> None:
    """A path is read beside the configuration, and laid over `default` as well."""
    own = "policies:\n  back_off: {action: back_off, attempts: 2}\n"
    config = load("services: {a: {catalog: hh, policies: own.yaml}}", own=own)
    assert 2 == config["a"].policies["back_off"].attempts
    assert shipped_policies("default")["retry"] == config["a"].policies["retry"]
    assert load_policies(tmp_path / "own.yaml") == config["a"].policies


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("retry: {action: retry, attempts: 0}", "1:73: found 0, expected at least 1"),
        ("retry: {action: retry, attempts: many}", "found 'many', expected a whole number"),
        (
            "retry: {action: back_off}",
            "1:56: found 'back_off', expected 'retry': catalogs count on",
        ),
        ("retry: {attempts: 3}", "1:47: the key 'action' is missing"),
        ("retry: {action: rety}", "found 'rety', expected"),
        ("retry: 5", "found '5', expected a mapping"),
        ("none: {action: retry}", "1:40: 'none' is no policy"),
        ("retry: {action: retry, delay: {base: 2s, cap: 1s}}", "1:70: base 2s is above cap 1s"),
        (
            "retry: {action: retry, delay: {base: 0, cap: 1s}}",
            "1:77: found 0, expected a time above 0",
        ),
        ("retry: {action: retry, delay: 5s}", "found '5s', expected a mapping"),
        ("retry: {action: retry, delay: {base: 1s}}", "the key 'cap' is missing"),
        (
            "x: {action: block_warning, cool_down: never}",
            "found 'never', expected a mapping such as {base: 5m, cap: 6h}, or manual",
        ),
        ("retry: {action: retry, jitter: 1}", "unknown key 'jitter'"),
    ],
)
def test_faults(faults: Faults, keys: str, fault: str) -> None:
    """What a policy cannot be is told at its place."""
    (found,) = faults(f"services: {{a: {{catalog: hh, policies: {{{keys}}}}}}}")
    assert fault in found


def test_a_name_that_a_catalog_wants(faults: Faults) -> None:
    """A policy that a catalog of the user's names must be in the service's set."""
    mine = "catalog: mine\nsource: {document: d, read: r}\nhosts: [x]\nerrors: {a: patiently}\n"
    written = "services: {a: {catalog: ./mine.yaml}}"
    (found,) = faults(written, mine=mine)
    assert found.startswith("c.yaml:1:25: there is no policy 'patiently'; there are ")
