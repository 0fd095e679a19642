from collections.abc import Callable
from textwrap import dedent

import pytest

import resilient

Faults = Callable[..., list[str]]
Load = Callable[..., "resilient.Config"]

BUDGET = "a mapping such as {ratio: 0.1, floor: 10}, or off"

FAULTY = """\
version: 2
services:
  mail:
    catalog: unisendr
    policies: defalt
    tiemout: 60s
    max_queue: 012
    on_error: no
    share: 3/2
  two:
    catalog: unisender
    limits: {calls: {rate: 600/min, burst: 900}, sendEmial: off}
    errors: {not_enough_money: blok_warning}
    statuses: {999: none, 404: none}
    endpoints: {getLists: {idempotent: yes}}
    timeout: 0
    credential: {env: A, file: B}
    adaptive: maybe
    retry_budget: {ratio: 1.5, floor: -1}
  three: *x
  five: {catalog: http}
stores: memory
store: redsi://localhost
"""


def test_all_at_once(faults: Faults) -> None:
    """Every fault of a file comes in one error, in the order of the file, each at its place."""
    assert [
        "c.yaml:1:10: found '2', expected '1'",
        "c.yaml:4:14: there is no catalog 'unisendr'; did you mean 'unisender'?",
        "c.yaml:5:15: there is no policy set 'defalt'; did you mean 'default'?",
        "c.yaml:6:5: unknown key 'tiemout'; did you mean 'timeout'?",
        "c.yaml:7:16: found '012', expected a whole number",
        "c.yaml:8:15: found 'no', expected 'raise' or 'return'",
        "c.yaml:9:12: found '3/2', expected a share such as 1/4, above 0 and at most 1",
        "c.yaml:12:44: a burst of 900 is above the limit's 600 calls",
        "c.yaml:12:50: there is no limit 'sendEmial' to switch off; did you mean 'sendEmail'?",
        "c.yaml:13:32: there is no policy 'blok_warning'; did you mean 'block_warning'?",
        "c.yaml:14:16: found '999', expected an HTTP status, 100 to 599",
        "c.yaml:15:40: found 'yes', expected true or false",
        "c.yaml:16:14: found 0, expected a time above 0",
        "c.yaml:17:17: expected either 'env' or 'file'",
        "c.yaml:18:15: found 'maybe', expected true or false",
        "c.yaml:19:27: found 1.5, expected 0 to 1",
        "c.yaml:19:39: found -1, expected 0 or more",
        "c.yaml:20:10: an alias (*x): write the value out",
        "c.yaml:21:3: the catalog 'http' names no hosts: say which are meant under 'hosts'",
        "c.yaml:22:1: unknown key 'stores'; did you mean 'store'?",
        "c.yaml:23:8: no store has the scheme 'redsi'; did you mean 'redis'?",
    ] == faults(FAULTY)


def test_a_file_beside(faults: Faults) -> None:
    """A catalog that is nearly called as a file beside the configuration is told so."""
    mine = "catalog: mine\n"
    (found,) = faults("services: {a: {catalog: parcels}}", parcels=mine)
    assert found.endswith("radist, unisender; did you mean the file 'parcels.yaml'?")
    (found,) = faults("services: {a: {catalog: ./parcel.yaml}}", parcels=mine)
    assert found.endswith("No such file or directory; did you mean the file 'parcels.yaml'?")
    (found,) = faults("services: {a: {catalog: hh, policies: own/p.yaml}}")
    assert found.endswith("No such file or directory")


def test_what_stands_beside_a_fault(faults: Faults) -> None:
    """What a value means is checked, whatever else is wrong with the file it stands in."""
    catalog = """\
catalog: mine
hosts: [a b]
credential: {kind: bearer}
limits: {c: {rate: 5/s, burst: 9}, d: {rate: 5, burst: 0}}
errors: {x: {policy: retri}, y: {endpoint: nowhere}}
"""
    written = (
        "services: {a: {catalog: ./mine.yaml}, b: {catalog: hhh, limits: {calls: {burst: 99}}}}"
    )
    assert [
        "c.yaml:1:52: there is no catalog 'hhh'; did you mean 'hh'?",
        "c.yaml:1:81: a burst of 99 is above the limit's 9 calls",
        "mine.yaml:1:1: the key 'source' is missing",
        (
            "mine.yaml:2:9: found 'a b', expected a host name, *.domain for its subdomains, "
            "maybe with :port"
        ),
        "mine.yaml:3:13: the key 'fields' is missing",
        "mine.yaml:4:32: a burst of 9 is above the limit's 5 calls",
        (
            "mine.yaml:4:46: found '5', expected a rate such as 7/s, 200/10s, 1200/min, 1600/h "
            "or 8000/day"
        ),
        "mine.yaml:4:56: a burst of 0: at least one call must go",
        "mine.yaml:5:22: there is no policy 'retri'; did you mean 'retry'?",
        "mine.yaml:5:33: the key 'policy' is missing",
        "mine.yaml:5:44: no endpoint is called 'nowhere'",
    ] == faults(written, mine=catalog)


def test_faults_are_data(load: Load) -> None:
    """The error carries each fault's place and problem, for programs."""
    with pytest.raises(resilient.ConfigError) as caught:
        load("services: {a: {catalog: hh, timeout: x, max_queue: x}}")
    assert 2 == len(caught.value.faults)
    first = caught.value.faults[0]
    assert first.place.endswith("c.yaml:1:38")
    assert first.problem.startswith("found 'x', expected a duration")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("servces: {a: {catalog: hh}}", "1:1: unknown key 'servces'; did you mean 'services'?"),
        ("services: {a: {catlog: hh}}", "1:16: unknown key 'catlog'; did you mean 'catalog'?"),
        ("services: {a: {catalog: HH}}", "1:25: there is no catalog 'HH'; did you mean 'hh'?"),
        (
            "services: {a: {catalog: qqq}}",
            (
                "1:25: there is no catalog 'qqq'; shipped are "
                "amocrm, dellin, hh, http, radist, unisender"
            ),
        ),
        (
            "services: {a: {catalog: hh, policies: qqq}}",
            "1:39: there is no policy set 'qqq'; shipped are batch, default, interactive",
        ),
        (
            "services: {a: {catalog: hh, mode: Observe}}",
            (
                "1:35: found 'Observe', expected 'enforce' or 'observe' or 'off'; "
                "did you mean 'observe'?"
            ),
        ),
        (
            "services: {a: {catalog: hh, errors: {x: {policy: retry, scope: credentials}}}}",
            (
                "1:64: found 'credentials', expected 'credential' or 'ip' or 'host' or 'endpoint'; "
                "did you mean 'credential'?"
            ),
        ),
        (
            "services: {a: {catalog: hh, limits: {cals: {burst: 5}}}}",
            "1:38: there is no limit 'cals'; did you mean 'calls'?",
        ),
        (
            "services: {a: {catalog: hh, limits: {mine: {burst: 5}}}}",
            "1:38: there is no limit 'mine': a new one needs a rate",
        ),
        (
            "services: {a: {catalog: hh, limits: {calls: {per: [credentials]}}}}",
            (
                "1:52: found 'credentials', expected credential, ip, host, "
                "or several with + between; did you mean 'credential'?"
            ),
        ),
        (
            "services: {a: {catalog: hh, endpoints: {vacancie: {idempotent: true}}}}",
            "1:51: no endpoint is called 'vacancie'; did you mean 'vacancies'?",
        ),
        (
            "services: {a: {catalog: hh, errors: {x: {policy: retry, endpoint: vacancie}}}}",
            "1:67: no endpoint is called 'vacancie'; did you mean 'vacancies'?",
        ),
        (
            "services: {a: {catalog: hh, statuses: {404: {policy: none, endpoint: vacancie}}}}",
            "1:70: no endpoint is called 'vacancie'; did you mean 'vacancies'?",
        ),
        (
            "services: {a: {catalog: hh, errors: {x: retrry}}}",
            "1:41: there is no policy 'retrry'; did you mean 'retry'?",
        ),
        (
            "services: {a: {catalog: hh, statuses: {404: nonne}}}",
            "1:45: there is no policy 'nonne'; did you mean 'none'?",
        ),
        (
            "services: {a: {catalog: hh}}\nstore: memry",
            (
                "2:8: found 'memry', expected memory, or a URL such as redis://localhost:6379/0; "
                "did you mean 'memory'?"
            ),
        ),
    ],
)
def test_did_you_mean(faults: Faults, written: str, fault: str) -> None:
    """What is nearly right is told what was meant; what is not, what there is."""
    assert [f"c.yaml:{fault}"] == faults(written)


def test_a_slip_hides_nothing(faults: Faults) -> None:
    """A misspelt key is read as the one that was meant, so that what is in it is checked too."""
    assert [
        "c.yaml:1:1: unknown key 'servces'; did you mean 'services'?",
        (
            "c.yaml:1:26: found 'x', expected a duration such as 200ms, 30s, 5m, 1h, 1d "
            "or a number of seconds"
        ),
    ] == faults("servces: {a: {timeout:   x, catalog: hh}}")


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("hosts: ['http://x/y']", "found the text 'http://x/y', expected a host name"),
        ("hosts: ['x:99999']", "found the text 'x:99999', expected a host name"),
        ("hosts: ['*']", "found the text '*', expected a host name"),
        ("hosts: ['a*.x']", "found the text 'a*.x', expected a host name"),
        ("hosts: {}", "found a mapping, expected a host name"),
        ("statuses: {4xx: none}", "found '4xx', expected an HTTP status, 100 to 599"),
        ("statuses: {404: {policy: none, status: 404}}", "has its status already"),
        ("statuses: [404]", "found a list, expected a mapping"),
        ("errors: {x: {advice: y}}", "the key 'policy' is missing"),
        ("errors: {x: {policy: retry, status: 1000}}", "expected an HTTP status, 100 to 599"),
        ("errors: {x: {policy: retry, method: post}}", "expected an HTTP method in capitals"),
        ("errors: {x: {policy: retry, wait: -1}}", "expected a duration"),
        ("errors: {x: [{policy: retry}, {policy: none}]}", "two variants fit the same response"),
        ("limits: {calls: {rate: 600}}", "found '600', expected a rate such as 7/s"),
        ("limits: {calls: {rate: 0/s}}", "found '0/s', expected a rate such as 7/s"),
        ("limits: {calls: {rate: 5/0s}}", "found '5/0s', expected a rate such as 7/s"),
        ("limits: {calls: {burst: 0}}", "a burst of 0: at least one call must go"),
        ("limits: {calls: {burst: 10}}", "a burst of 10 is above the limit's 9 calls"),
        ("limits: {calls: {per: []}}", "expected at least one scope that it holds for"),
        ("limits: {calls: {per: endpoint}}", "found 'endpoint', expected credential, ip, host"),
        ("limits: {calls: on}", "expected a mapping such as {rate: 5/s}, or off"),
        ("limits: {off: off}", "there is no limit 'off' to switch off"),
        ("ban: {after: 1, within: 1m}", "found 1, expected at least 2 refusals"),
        ("ban: {after: 3, within: 0}", "found 0, expected a time in which refusals count"),
        ("ban: {after: 3}", "the key 'within' is missing"),
        ("ban: on", "found 'on', expected a mapping such as {after: 3, within: 1m}, or off"),
        ("attempt_timeout: 0", "found 0, expected a time above 0"),
        ("max_queue: -1", "found -1, expected 0 or more"),
        ("credential: {}", "expected either 'env' or 'file'"),
        ("credential: sesame", "expected {env: NAME} or {file: PATH}"),
        ("credential_from: url", "found 'url', expected 'host'"),
        ("endpoints: {vacancies: {}}", "the key 'idempotent' is missing"),
        ("endpoints: {vacancies: true}", "found 'true', expected a mapping"),
        ("retry_budget: on", f"found 'on', expected {BUDGET}"),
        ("retry_budget: 0.2", f"found '0.2', expected {BUDGET}"),
        ("retry_budget: false", f"found 'false', expected {BUDGET}"),
        ("retry_budget: [0.2]", f"found a list, expected {BUDGET}"),
        ("retry_budget: {ratio: x, floor: 1}", "found 'x', expected a number"),
        ("share: 0", "found '0', expected a share"),
        ("share: 1/0", "found '1/0', expected a share"),
        ("share: -1/2", "found '-1/2', expected a share"),
        ("share: 1e-1", "found '1e-1', expected a share"),
    ],
)
def test_wrong_values(faults: Faults, keys: str, fault: str) -> None:
    """Each key says what it takes."""
    (found,) = faults(f"services: {{a: {{catalog: hh, {keys}}}}}")
    assert fault in found
    assert found.startswith("c.yaml:1:")


def test_what_may_be_said(load: Load) -> None:
    """Adaptive pacing is on, and what is on may be said to be on, or switched off."""
    written = """
        services:
          a: {catalog: hh, adaptive: false, retry_budget: off}
          b: {catalog: hh, adaptive: true}
          c: {catalog: hh}
        store: {url: memory, mode: fail_open}
    """
    config = load(dedent(written))
    assert [False, True, True] == [config[name].adaptive for name in "abc"]


def test_faults_of_several_files(faults: Faults) -> None:
    """A catalog and a policy file that a service names are told apart, all at once."""
    written = "services: {a: {catalog: ./mine.yaml, policies: ./own.yaml, timeout: x}}"
    found = faults(written, mine="catalog: mine\n", own="policies: {retry: {}}\n")
    assert [
        (
            "c.yaml:1:69: found 'x', expected a duration such as 200ms, 30s, 5m, 1h, 1d "
            "or a number of seconds"
        ),
        "mine.yaml:1:1: the key 'source' is missing",
        "own.yaml:1:19: the key 'action' is missing",
    ] == found


def test_files_that_are_not_there(faults: Faults) -> None:
    """A file that a service names and that is not there is told at the service's line."""
    (found,) = faults("services: {a: {catalog: ./none.yaml}}")
    assert "c.yaml:1:25: none.yaml: No such file or directory" == found
    (found,) = faults('services: {a: {catalog: "./a\\0.yaml"}}')
    assert found.startswith("c.yaml:1:25: ")
