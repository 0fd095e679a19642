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


@pytest.mark.parametrize("name", HOSTILE)
def test_a_scope_is_read_from_its_key(name: str) -> None:
    """A plain scope can be told from its key; one that is hidden by a digest cannot."""
    of = Scope("smsfly", "ip", name)
    assert keys.scope_of("resilient", "smsfly", keys.scope("resilient", of)) is None
    assert MAIN == keys.scope_of("resilient", "smsfly", keys.scope("resilient", MAIN))
    assert keys.scope_of("resilient", "smsfly", keys.seen("resilient", "smsfly")) is None
