"""The URL of a shared store: which Redis is meant, or what is wrong with the URL.

A fault repeats nothing of a URL but its scheme: what stands anywhere in a URL that is written
wrongly may be a part of the password.
"""

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote

import attrs

from resilient.config.spelling import did_you_mean

Form = Literal["single", "unix", "sentinel", "cluster"]

_SCHEMES: dict[str, tuple[Form, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
"""What each scheme stands for, and whether it goes over TLS."""

_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
_OPTIONS: dict[Form, tuple[str, ...]] = {
    "single": (),
    "unix": ("db", "username", "password"),
    "sentinel": ("sentinel_username", "sentinel_password"),
    "cluster": (),
}

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}", re.ASCII | re.IGNORECASE)
_HOST = re.compile(
    r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?|\[[0-9a-f:.]{2,45}\]", re.ASCII | re.IGNORECASE
)
_PORT = re.compile(r"[1-9]\d{0,4}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9]\d{0,4}", re.ASCII)
_NAME = re.compile(r"[\w.@+-]{1,200}", re.ASCII)

_QUOTE = "in a password @ / ? # and % are written %40 %2F %3F %23 and %25"
_HIGHEST_PORT = 65535


@attrs.frozen(kw_only=True)
class StoreURL:
    """A Redis, as a URL names it.

    Attributes:
        form: How it is reached: one server, by its socket, by Sentinels, or as a cluster.
        tls: Whether connections are encrypted.
        hosts: Hosts and ports: of the server, the Sentinels, or some nodes of the cluster.
        path: The socket's, for `unix`.
        master: What the Sentinels call it, for `sentinel`.
        db: The database.
        options: What stands behind the `?`, by names that redis-py has too.
    """

    form: Form
    tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    master: str | None = None
    db: int = 0
    username: str | None = attrs.field(default=None, repr=False)
    password: str | None = attrs.field(default=None, repr=False)
    options: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The URL without user information and options."""
        scheme = next(name for name, found in _SCHEMES.items() if found == (self.form, self.tls))
        hosts = ",".join(f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.hosts)
        master = f"/{self.master}" if self.master else ""
        place = f"{self.path}?db={self.db}" if self.path else f"{hosts}{master}/{self.db}"
        return f"{scheme}://{place}"


@attrs.frozen
class Wrong:
    """What is wrong with a URL."""

    problem: str


def parse(text: str) -> StoreURL | Wrong:
    """Return what a URL means, or what is wrong with it.

    Nothing is raised: an error would carry the URL in its frames.
    """
    try:
        return _parsed(text)
    except _Fault as fault:
        return Wrong(str(fault))


class _Fault(ValueError):
    """What is wrong: it repeats nothing of the URL but the scheme."""


def _parsed(text: str) -> StoreURL:
    if not text.isprintable() or " " in text:
        raise _Fault("the store's URL holds a blank or a control character")
    if "#" in text:
        raise _Fault(f"the store's URL holds a '#': {_QUOTE}")
    scheme, form, tls, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    place, slash, path = rest.partition("/")
    user, _, hosts = place.rpartition("@")
    username, _, password = user.partition(":")
    if username and not password:
        raise _Fault("the store's URL has a user without a password: redis://:password@host/0")
    found = StoreURL(
        form=form,
        tls=tls,
        username=unquote(username) or None,
        password=unquote(password) or None,
    )
    options = _options(query, form, tls)
    if form == "unix":
        return _socket(found, hosts, slash + path, options)
    found = attrs.evolve(found, hosts=_hosts(hosts, scheme, form), options=options)
    return _with_path(found, path.split("/") if path else [], scheme)


def _scheme(text: str) -> tuple[str, Form, bool, str]:
    scheme, divider, rest = text.partition("://")
    known = ("memory", *_SCHEMES)
    if not divider:
        hint = did_you_mean(text, ["memory"])
        found = f"found {text!r}, " if hint else ""
        raise _Fault(f"{found}expected memory, or a URL such as redis://localhost:6379/0{hint}")
    if not _SCHEME.fullmatch(scheme):
        raise _Fault("expected memory, or a URL such as redis://localhost:6379/0")
    if scheme.lower() not in _SCHEMES:
        hint = did_you_mean(scheme, known) or f"; there are {', '.join(_SCHEMES)}"
        raise _Fault(f"no store has the scheme {scheme!r}{hint}")
    return scheme.lower(), *_SCHEMES[scheme.lower()], rest


def _hosts(text: str, scheme: str, form: Form) -> tuple[tuple[str, int], ...]:
    default = 26379 if form == "sentinel" else 6379
    found = tuple(_host(each, default) for each in text.split(","))
    if len(found) > 1 and form == "single":
        raise _Fault(
            f"several hosts for {scheme}://, expected {scheme}+sentinel:// or {scheme}+cluster://"
        )
    return found


def _host(text: str, default: int) -> tuple[str, int]:
    bracket = text.rfind("]") + 1
    host, colon, port = text[bracket:].partition(":")
    host = text[:bracket] + host
    if not host:
        raise _Fault(f"the store's URL names no host; {_QUOTE}, and it ends with @")
    if not _HOST.fullmatch(host):
        raise _Fault(f"the store's host is not a host's name; {_QUOTE}")
    if not colon:
        return host.strip("[]"), default
    if not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise _Fault(
            f"the store's port is not a number from 1 to 65535; {_QUOTE}, and it ends with @"
        )
    return host.strip("[]"), int(port)


def _with_path(found: StoreURL, parts: list[str], scheme: str) -> StoreURL:
    """Return a store with what its path says: the Sentinels' master, and the database."""
    if found.form == "sentinel":
        if not parts or not _NAME.fullmatch(parts[0]):
            raise _Fault(
                "the store's URL does not say what the Sentinels call the master: "
                f"{scheme}://sentinel-1:26379,sentinel-2:26379/mymaster/0"
            )
        found, parts = attrs.evolve(found, master=parts[0]), parts[1:]
    if len(parts) > 1:
        raise _Fault(f"the store's URL has a path behind the database; {_QUOTE}")
    db = _database(parts[0]) if parts and parts[0] else 0
    if db and found.form == "cluster":
        raise _Fault("a cluster has the database 0 only")
    return attrs.evolve(found, db=db)


def _database(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise _Fault("the store's database is not a number, such as 0 in redis://localhost:6379/0")
    return int(text)


def _socket(found: StoreURL, host: str, path: str, options: Mapping[str, str]) -> StoreURL:
    path = unquote(path)
    if host or not path.strip("/"):
        raise _Fault("the path of a socket begins with a third slash: unix:///run/redis.sock?db=0")
    return attrs.evolve(
        found,
        path=path,
        db=_database(options.get("db", "0")),
        username=options.get("username") or found.username,
        password=options.get("password") or found.password,
    )


def _options(query: str, form: Form, tls: bool) -> Mapping[str, str]:
    known = (*_OPTIONS[form], *(_TLS if tls else ()))
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if name not in known:
            raise _Fault(f"the store's URL has an unknown option behind '?'{_choice(name, known)}")
        if not equals or not value or name in found:
            raise _Fault(f"the option {name} behind '?' needs one value, once")
        found[name] = unquote(value)
    if found.pop("ssl_cert_reqs", "required") != "required":
        raise _Fault(
            "the store's certificate is always checked: leave out ssl_cert_reqs, "
            "and name a private authority by ssl_ca_certs"
        )
    return found


def _choice(name: str, known: tuple[str, ...]) -> str:
    if name in _TLS:
        return ": this one needs rediss://"
    return did_you_mean(name, known) or (f"; there are {', '.join(known)}" if known else "")
