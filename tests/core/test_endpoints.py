import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.catalog import Endpoint
from resilient.config.build_catalog import shipped
from resilient.config.resources import names
from resilient.core.endpoints import (
    LONGEST_NAME,
    Endpoints,
    match_endpoint,
    match_host,
    shared_hosts,
)


def endpoints(*written: str) -> Endpoints:
    """Return endpoints from `POST /path` or `/path`, each called after its place."""
    made = []
    for i, each in enumerate(written):
        method, _, template = each.rpartition(" ")
        made.append(Endpoint(method=method or None, template=template, name=str(i)))
    return Endpoints(tuple(made))


def name(found: Endpoint | None) -> str | None:
    """Return the name of what was found."""
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("template", "path", "fits"),
    [
        ("/me", "/me", True),
        ("/me", "/me/", True),
        ("/me/", "/me", True),
        ("/me", "/Me", False),
        ("/me", "/me/x", False),
        ("/", "/", True),
        ("/", "", True),
        ("/", "/x", False),
        ("/v/{id}", "/v/1", True),
        ("/v/{id}", "/v/", False),
        ("/v/{id}", "/v//", False),
        ("/v/{id}/x", "/v//x", False),
        ("/v/{id}", "/v/1/2", False),
        ("/a/**", "/a", True),
        ("/a/**", "/a/", True),
        ("/a/**", "/a/b/c/d/e", True),
        ("/a/**", "/ab", False),
        ("/**", "/", True),
        ("/**", "/a/b", True),
        ("/**/b", "/a/b", False),
        ("/{x}.json", "/a.json", True),
        ("/{x}.json", "/a.b.json", True),
        ("/{x}.json", "/.json", False),
        ("/{x}.json", "/a.xml", False),
        ("/v{n}-{x}", "/v1-a-b", True),
        ("/v{n}-{x}", "/v-a", False),
        ("/v{n}-{x}", "/v1-", False),
        ("/a{x}a", "/aa", False),
        ("/a{x}a", "/aaa", True),
        ("/привет/{x}", "/%D0%BF%D1%80%D0%B8%D0%B2%D0%B5%D1%82/1", True),
        ("/a b/{x}", "/a%20b/%", True),
        ("/a/{x}", "/a/b%2Fc", True),
        ("/a/b", "/a%2Fb", False),
        ("/%61", "/a", True),
    ],
)
def test_fits(template: str, path: str, fits: bool) -> None:
    """A template fits as it is written: whole segments, holes never empty, any rest."""
    made = Endpoints((Endpoint(template=template, name="x"),))
    assert fits == (match_endpoint(made, "GET", path) is not None)


@pytest.mark.parametrize(
    ("written", "method", "path", "best"),
    [
        (("/{a}", "/me"), "GET", "/me", "/me"),
        (("/a/**", "/a/{x}", "/a/b"), "GET", "/a/b", "/a/b"),
        (("/{x}/b", "POST /{x}/{y}"), "POST", "/a/b", "/{x}/b"),
        (("/{x}/b", "POST /{y}/b"), "POST", "/a/b", "POST /{y}/b"),
        (("/{x}/b", "POST /{y}/b"), "GET", "/a/b", "/{x}/b"),
        (("/a/**", "/a/{x}"), "GET", "/a/b", "/a/{x}"),
        (("POST /a/**", "/a/{x}"), "POST", "/a/b", "POST /a/**"),
        (("/{x}", "/{x}.json"), "GET", "/a.json", "/{x}.json"),
        (("/a/**", "/a/{x}/**"), "GET", "/a/b/c", "/a/{x}/**"),
        (("/{x}/b", "/a/{y}"), "GET", "/a/b", "/{x}/b"),
        (("/a/{y}", "/{x}/b"), "GET", "/a/b", "/a/{y}"),
        (("/a/{x}/c", "/a/b/**"), "GET", "/a/b/d", "/a/b/**"),
        (("POST /a",), "GET", "/a", None),
        ((), "GET", "/a", None),
    ],
)
def test_most_specific(written: tuple[str, ...], method: str, path: str, best: str | None) -> None:
    """Literal segments, then a method, then no rest, then the order of the file decide."""
    found = match_endpoint(endpoints(*written), method, path)
    assert best == (found and written[int(found.name)])


@pytest.mark.parametrize(
    ("catalog", "method", "path", "expected"),
    [
        ("hh", "POST", "/token", "token"),
        ("hh", "GET", "/token", None),
        ("hh", "GET", "/vacancies/drafts", "vacancy_drafts"),
        ("hh", "GET", "/vacancies/93353083", "vacancy"),
        ("hh", "PUT", "/negotiations/invite/7", "negotiation_action"),
        ("hh", "PUT", "/negotiations/active/7", "negotiation_active"),
        ("hh", "GET", "/saved_searches", "saved_searches"),
        ("unisender", "GET", "/ru/api/sendEmail", "sendEmail"),
        ("unisender", "POST", "/en/api/async/exportContacts", "exportContacts"),
        ("unisender", "POST", "/en/api/async/other", "async/other"),
        ("dellin", "POST", "/v3/public/terminals.json", "public/terminals"),
        ("dellin", "POST", "/v3/public/other.xml", "public/other"),
        ("dellin", "POST", "/v1/references/countries.json", "references/countries"),
        ("amocrm", "GET", "/api/v4/leads/12/notes/5", "events"),
        ("amocrm", "GET", "/api/v4/leads/12", "leads"),
        ("amocrm", "GET", "/api/v4/users/12", "users"),
        ("radist", "POST", "/v2/companies/5/messaging/chats/9", "messaging/chats"),
        ("radist", "GET", "/v2/companies/5/tags", "tags"),
        ("http", "GET", "/anything", None),
    ],
)
def test_shipped(catalog: str, method: str, path: str, expected: str | None) -> None:
    """The endpoints of the shipped catalogs are found under their names."""
    found = match_endpoint(Endpoints(shipped(catalog).endpoints), method, path)
    assert expected == name(found)


@pytest.mark.parametrize("catalog", names("catalogs"))
def test_every_template_can_be_reached(catalog: str) -> None:
    """No template of a shipped catalog is hidden behind another."""
    known = Endpoints(shipped(catalog).endpoints)
    for each in known.endpoints:
        path = each.template.replace("{", "zz").replace("}", "zz").replace("**", "zz")
        found = match_endpoint(known, each.method or "PATCH", path)
        assert found is not None
        assert each.template == found.template


def test_names_are_filled() -> None:
    """A name takes what the template bound, decoded; the rest of the endpoint is kept."""
    made = Endpoint(template="/{a}/x-{b}.{c}", name="{a}:{b}:{c}", idempotent=True)
    found = match_endpoint(Endpoints((made,)), "GET", "/%D1%8F/x-1.2.json/")
    assert found is not None
    assert ("я:1:2.json", True) == (found.name, found.idempotent)


def test_filled_names_are_bounded() -> None:
    """What the URL gives to a name is short and forges no log line."""
    made = Endpoints((Endpoint(template="/{a}", name="{a}"),))
    assert LONGEST_NAME == len(name(match_endpoint(made, "GET", "/" + "x" * 5000)) or "")
    assert r"a\u000ab" == name(match_endpoint(made, "GET", "/a%0Ab"))
    assert "{a}" == name(match_endpoint(made, "GET", "/%7Ba%7D"))


@pytest.mark.parametrize("path", ["/" + "-" * 100_000, "/a" * 50_000, "/-" * 50_000, "/%" * 9_000])
def test_hostile_paths(path: str) -> None:
    """A path that keeps every choice open to its end is matched all the same."""
    holed = [f"/{{a}}/{'{b}/' * n}c" for n in range(40)]
    found = match_endpoint(endpoints("/{a}-{b}-{c}-{d}-{e}x", "/**", *holed), "GET", path)
    assert "1" == name(found)


@settings(deadline=None)  # the first example of each catalog reads its file
@given(st.text(), st.sampled_from(names("catalogs")))
def test_no_path_fails(path: str, catalog: str) -> None:
    """Any text is a path that matches or does not."""
    found = match_endpoint(Endpoints(shipped(catalog).endpoints), "GET", path)
    assert found is None or len(found.name) <= LONGEST_NAME


@pytest.mark.parametrize(
    ("pattern", "host", "port", "fits"),
    [
        ("api.x.com", "api.x.com", 443, True),
        ("api.x.com", "API.x.com.", 80, True),
        ("API.X.com.", "api.x.com", None, True),
        ("api.x.com", "x.com", 443, False),
        ("*.amocrm.ru", "a.amocrm.ru", 443, True),
        ("*.amocrm.ru", "a.b.amocrm.ru", 443, True),
        ("*.amocrm.ru", "amocrm.ru", 443, False),
        ("*.amocrm.ru", ".amocrm.ru", 443, False),
        ("*.amocrm.ru", "xamocrm.ru", 443, False),
        ("*.amocrm.ru:8443", "a.amocrm.ru", 8443, True),
        ("*.amocrm.ru:8443", "a.amocrm.ru", 443, False),
        ("127.0.0.1:8099", "127.0.0.1", 8099, True),
        ("127.0.0.1:8099", "127.0.0.1", None, False),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "[::1]", 80, True),
        ("[::1]:80", "::1", 81, False),
        ("[::1]", "::1", 81, True),
        ("[::1]", "::2", 81, False),
    ],
)
def test_hosts(pattern: str, host: str, port: int | None, fits: bool) -> None:
    """A host is one of those meant, whatever its case; a port only where one is named."""
    assert fits == match_host((pattern,), host, port)


def test_no_hosts() -> None:
    """Without patterns no host is meant."""
    assert not match_host((), "api.x.com", 443)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("api.x.com", "api.x.com", ("api.x.com",)),
        ("api.x.com", "www.x.com", ()),
        ("api.x.com", "API.x.com:443", ("api.x.com", "API.x.com:443")),
        ("api.x.com:80", "api.x.com:443", ()),
        ("*.x.com", "api.x.com:443", ("api.x.com:443",)),
        ("*.x.com:8443", "api.x.com", ("api.x.com",)),
        ("*.x.com:8443", "api.x.com:8443", ("api.x.com:8443",)),
        ("*.x.com:8443", "api.x.com:443", ()),
        ("*.x.com:8443", "*.x.com", ("*.x.com:8443", "*.x.com")),
        ("*.x.com:8443", "*.a.x.com", ("*.a.x.com",)),
        ("*.x.com", "x.com", ()),
    ],
)
def test_shared_hosts(one: str, other: str, shared: tuple[str, ...]) -> None:
    """Two services share a host where a request could be meant for both, on some port."""
    assert shared == shared_hosts((one,), (other,))
    assert set(shared) == set(shared_hosts((other,), (one,)))
