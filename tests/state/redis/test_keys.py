"""Names of keys."""

import pytest
from redis.crc import key_slot

from resilient.model import Scope
from resilient.state.redis import keys

MAIN = Scope("smsfly", "credential", "main")
HOSTILE = [
    "",
    "{",
    "}",
    "{}",
    "a{b}c",
    "a:b",
    "a b",
    "~0123456789abcdef",
    "x\r\nFLUSHALL\r\n",
    "\x00",
    "ключ",
    "\ud800",
    "a" * 65,
    "api.example.com:8443",
    "*",
]


def all_keys(of: Scope, name: str = "minute") -> list[str]:
    """Return every key that a scope and a limit can have."""
    return [
        keys.scope("resilient", of),
        keys.limit("resilient", "bucket", name, of),
        keys.limit("resilient", "quota", name, of),
        keys.seen("resilient", of.service),
    ]


def test_plain_names_can_be_read() -> None:
    """The names of the configuration stand in the keys as they are."""
    assert [
        "resilient:1:{smsfly}:scope:credential:main",
        "resilient:1:{smsfly}:bucket:minute:credential:main",
        "resilient:1:{smsfly}:quota:minute:credential:main",
        "resilient:1:{smsfly}:seen",
    ] == all_keys(MAIN)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str) -> None:
    """No name breaks a key, leaves its service's slot, or meets the key of another name."""
    for hostile in (Scope(name, "ip", "x"), Scope("acme", name, "x"), Scope("acme", "ip", name)):
        found = all_keys(hostile, name)
        assert len(found) == len(set(found))
        assert all(key.isascii() and key.isprintable() and " " not in key for key in found)
        assert 1 == len({key_slot(key.encode()) for key in found})
        assert all(1 == key.count("{") == key.count("}") for key in found)


def test_names_do_not_meet() -> None:
    """Different names have different keys, whatever they are made of."""
    scopes = [Scope("acme", kind, name) for kind in HOSTILE for name in HOSTILE]
    assert len(scopes) == len({keys.scope("resilient", each) for each in scopes})


def test_long_names_are_not_in_keys() -> None:
    """A name as long as a secret, or of characters beyond a name's, is not legible in a key."""
    secret = "sk_live_" + "x9" * 40
    for key in all_keys(Scope("acme", "credential", secret), secret):
        assert "sk_live" not in key
        assert "x9x9" not in key


@pytest.mark.parametrize("name", ["main", "a:b", "api.example.com:8443", "::1:80", "me@acct-42"])
def test_a_scope_is_read_from_its_key(name: str) -> None:
    """A scope can be told from its key, that of a host and its port among them."""
    of = Scope("smsfly", "ip", name)
    assert of == keys.scope_of("resilient", "smsfly", keys.scope("resilient", of))


@pytest.mark.parametrize("name", ["", "{", "a b", "ключ", "a" * 65, "~0123456789abcdef"])
def test_a_hidden_name_is_read_as_its_digest(name: str) -> None:
    """Of a scope whose name does not stand in its key the kind is told, and a digest."""
    key = keys.scope("resilient", Scope("smsfly", "ip", name))
    found = keys.scope_of("resilient", "smsfly", key)
    assert found is not None
    assert ("ip", key.rpartition(":")[2]) == (found.kind, found.name)
    assert found.name != name


def test_other_keys_are_no_scopes() -> None:
    """Only what holds a scope is read as one."""
    for key in all_keys(MAIN)[1:]:
        assert keys.scope_of("resilient", "smsfly", key) is None
