from collections.abc import Callable
from typing import Any

import pytest

import resilient

Faults = Callable[..., list[str]]


def service(**keys: Any) -> dict[str, Any]:
    """Return a configuration of one service."""
    return {"services": {"a": {"catalog": "hh", **keys}}}


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"max_queue": True}, "$.services.a.max_queue: found True, expected a whole number"),
        ({"max_queue": "5"}, "$.services.a.max_queue: found the text '5', expected a whole number"),
        ({"max_queue": 5.0}, "$.services.a.max_queue: found 5.0, expected a whole number"),
        ({"adaptive": 0}, "$.services.a.adaptive: found 0, expected true or false"),
        (
            {"adaptive": "false"},
            "$.services.a.adaptive: found the text 'false', expected true or false",
        ),
        (
            {"retry_budget": {"ratio": 10**400}},
            f"$.services.a.retry_budget.ratio: found {str(10**400)[:60]}…, expected a number",
        ),
        ({"max_queue": 10**12}, "$.services.a.max_queue: found 1000000000000, expected a whole"),
        ({"egress": 5}, "$.services.a.egress: found 5, expected text"),
        ({"egress": b"x"}, "$.services.a.egress: found b'x', expected text"),
        ({"egress": object}, "$.services.a.egress: found <class 'object'>, expected text"),
        ({"hosts": {"x"}}, "$.services.a.hosts: found {'x'}, expected a host name"),
        ({"hosts": ["x", 5]}, "$.services.a.hosts[1]: found 5, expected a host name"),
        ({"statuses": {404.0: "none"}}, "$.services.a.statuses: the key 404.0: keys are text"),
        ({"statuses": {True: "none"}}, "$.services.a.statuses: the key True: keys are text"),
        ({"errors": {None: "none"}}, "$.services.a.errors: the key None: keys are text"),
        ({"timeot": 5}, "$.services.a.timeot: unknown key 'timeot'; did you mean 'timeout'?"),
        ({True: 5}, "$.services.a: the key True: keys are text"),
        (
            {"statuses": {404: "none", "404": "retry"}},
            "$.services.a.statuses.404: the key '404' stands",
        ),
    ],
)
def test_types_are_exact(faults: Faults, keys: dict[str, Any], fault: str) -> None:
    """A value that is typed already must be of the type; places are paths."""
    (found,) = faults({"services": {"a": {"catalog": "hh"} | keys}})
    assert found.startswith(fault)


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), -1, 10**400, "30"])
def test_times(faults: Faults, value: object) -> None:
    """A time is a number that can be waited for, or a duration."""
    (found,) = faults(service(timeout=value))
    assert "expected a duration" in found


@pytest.mark.parametrize(
    ("value", "expected"), [(30, 30.0), (0.5, 0.5), ("1m", 60.0), ("200ms", 0.2)]
)
def test_good_times(value: object, expected: float) -> None:
    """Numbers are seconds, texts have a unit."""
    assert expected == resilient.load(service(timeout=value))["a"].timeout


def test_the_same_as_yaml() -> None:
    """Whole-number keys are text, tuples are lists, nothing is the default."""
    keys = {"statuses": {404: "none"}, "errors": {110: "retry"}, "hosts": ("a.b",), "egress": None}
    config = resilient.load(service(**keys) | {"version": 1})["a"]
    assert "none" == config.catalog.statuses[404][0].policy
    assert "retry" == config.catalog.errors["110"][0].policy
    assert (("a.b",), None) == (config.hosts, config.egress)


@pytest.mark.parametrize("version", [2, True, "1", 1.0])
def test_versions(faults: Faults, version: object) -> None:
    """There is one version, and it is a number."""
    (found,) = faults(service() | {"version": version})
    assert found.startswith("$.version: ")


def test_what_was_given_is_left_alone() -> None:
    """The dict is read, not changed, faults or none."""
    given = service(timeot=5, hosts=["x", 5])
    with pytest.raises(resilient.ConfigError):
        resilient.load(given)
    assert service(timeot=5, hosts=["x", 5]) == given


def test_a_dict_in_itself(faults: Faults) -> None:
    """A dict or a list that holds itself is refused, not followed."""
    around: dict[str, Any] = {"catalog": "hh"}
    around["errors"] = {"x": around}
    assert any("nested deeper" in each for each in faults({"services": {"a": around}}))
    ring: list[Any] = []
    ring.append(ring)
    assert any("nested deeper" in each for each in faults({"services": ring}))
