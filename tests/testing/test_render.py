import aiohttp
import attrs
import pytest

from resilient.catalog import Catalog, Entry
from resilient.config import resources
from resilient.config.build import one_service
from resilient.config.build_catalog import load_catalog
from resilient.core.classify import classify
from resilient.core.endpoints import Endpoints, match_endpoint
from resilient.model import Exchange, Failure
from resilient.testing import Emulator, NotRenderable, Rendering, entry_key, renderings, run
from resilient.testing.emulator import render
from resilient.testing.emulator.places import example_paths

CATALOGS = resources.names("catalogs")
ENTRIES = [(name, entry) for name in CATALOGS for entry in one_service(name).catalog.entries]


def _classified(name: str, asked: Rendering, status: int, body: bytes) -> Failure | None:
    service = one_service(name)
    endpoint = match_endpoint(Endpoints(service.catalog.endpoints), asked.method, asked.path)
    exchange = Exchange(
        method=asked.method,
        endpoint=endpoint.name if endpoint else None,
        status=status,
        body=body,
        charset="utf-8",
    )
    return classify(exchange, service.catalog, service.generic, service.policies, now=0.0)


def _is_said(entry: Entry, failure: Failure | None) -> bool:
    return failure is None if entry.policy == "none" else bool(failure and failure.entry == entry)


@pytest.mark.parametrize(
    ("name", "entry"), ENTRIES, ids=[f"{name}-{entry_key(entry)}" for name, entry in ENTRIES]
)
def test_every_entry_can_be_said(name: str, entry: Entry) -> None:
    """Each entry of each shipped catalog is rendered and recognised as itself, in every way."""
    found = renderings(one_service(name).catalog, entry)
    assert found
    for each in found:
        assert _is_said(entry, _classified(name, each, each.answer.status, each.answer.body))


@pytest.mark.parametrize("name", CATALOGS)
def test_every_entry_comes_over_the_wire(name: str) -> None:
    """Asked for by its key, each rendering arrives at the client as it was made."""

    async def main() -> int:
        wrong = 0
        async with Emulator(name) as emulator, aiohttp.ClientSession() as http:
            for entry in emulator.catalog.entries:
                for each in renderings(emulator.catalog, entry):
                    url, headers = emulator.url + each.path, {"X-Emulate": each.key}
                    async with http.request(each.method, url, headers=headers) as response:
                        body = await response.read()
                        failure = _classified(name, each, response.status, body)
                        wrong += not _is_said(entry, failure)
                        wrong += emulator.requests[-1].entry != entry
        return wrong

    assert 0 == run(main())


def test_dellin_speaks_both_formats() -> None:
    """A code that no envelope is named for is said in each structured envelope."""
    catalog = one_service("dellin").catalog
    found = renderings(catalog, catalog.errors["100005"][0])
    assert {"json", "xml"} == {each.answer.form for each in found}


def test_keys_are_unique() -> None:
    """No two entries of a catalog share a key, and keys fit into a header."""
    for name in CATALOGS:
        keys = [entry_key(entry) for entry in one_service(name).catalog.entries]
        assert len(keys) == len(set(keys))
        assert all(key.isascii() and key.isprintable() and " " not in key for key in keys)


def _catalog(**keys: object) -> Catalog:
    return load_catalog({"catalog": "mine", "source": {"document": "d", "read": "r"}, **keys})


BUILT = [
    {"format": "json", "code": "errors[].code", "message": "errors[].text"},
    {"format": "json", "when": "failed", "code": "problem.codes[]", "message": "problem.text"},
    {"format": "json", "code": "[].code"},
    {"format": "json", "code": "error", "message": "error.text"},
    {"format": "json", "code": ["error.type", "error.value"], "message": "error"},
    {"format": "xml", "code": "errors[].code", "message": "errors[].text"},
    {"format": "xml", "when": "error", "code": "error.code", "message": "error.text"},
]


@pytest.mark.parametrize("envelope", BUILT, ids=str)
def test_a_body_is_built_from_the_paths(envelope: dict[str, object]) -> None:
    """An envelope without a sample is laid out from its paths."""
    catalog = _catalog(envelopes=[envelope], errors={"E<1>": "retry"})
    assert 1 == len(renderings(catalog, catalog.entries[0]))


@pytest.mark.parametrize("form", ["text", "html"])
def test_a_text_is_said_in_plain_envelopes(form: str) -> None:
    """A text with `*` is filled in and found again."""
    catalog = _catalog(
        envelopes=[{"format": form}], texts=[{"match": "quota of * spent", "policy": "back_off"}]
    )
    said = renderings(catalog, catalog.entries[0])[0].answer
    assert b"quota of example spent" in said.body
    assert 429 == said.status


def test_what_cannot_be_said_is_named() -> None:
    """An entry that something else in the catalog always hides is an error that names it."""
    catalog = _catalog(
        envelopes=[{"name": "e", "format": "json", "code": "code", "sample": '{"code": 1}'}],
        errors={"2": {"policy": "retry", "name": "second"}},
    )
    with pytest.raises(NotRenderable, match=r"mine: .* code:2 \(second\)"):
        renderings(catalog, catalog.entries[0])


def test_users_policies_are_no_obstacle() -> None:
    """An entry with a policy of the user's own set is rendered like any other."""
    catalog = _catalog(envelopes=[{"format": "json", "code": "code"}], errors={"7": "retry"})
    entry = attrs.evolve(catalog.entries[0], policy="patiently")
    changed = attrs.evolve(catalog, errors={"7": (entry,)})
    assert entry == renderings(changed, entry)[0].entry


def test_an_entry_is_said_where_it_can_occur() -> None:
    """An endpoint that takes any rest of a path has an example, and a status of its own."""
    catalog = _catalog(
        endpoints={"/other": "other", "POST /files/**": "files"},
        envelopes=[{"format": "json", "status": 402, "code": "code"}],
        errors={"7": {"policy": "retry", "endpoint": "files"}},
    )
    (said,) = renderings(catalog, catalog.entries[0])
    assert ("POST", "/files", 402) == (said.method, said.path, said.answer.status)
    rest = catalog.endpoints[1]
    assert ["/files", "/files/example"] == list(example_paths(rest, None))


def test_an_entry_of_an_endpoint_that_is_shadowed_cannot_be_said() -> None:
    """Where another template takes all its requests, an entry has no place."""
    catalog = _catalog(
        endpoints={"/a/{x}": "one", "/a/{y}": "two"},
        envelopes=[{"format": "json", "code": "code"}],
        errors={"7": {"policy": "retry", "endpoint": "two"}},
    )
    with pytest.raises(NotRenderable, match="no response is recognised"):
        renderings(catalog, catalog.entries[0])


def test_a_status_that_is_bound_elsewhere_is_said_bare() -> None:
    """Asked for by a script where no entry of it occurs, a status comes without a body's words."""
    catalog = _catalog(
        endpoints={"/a": "a"}, statuses={"409": {"policy": "retry", "name": "odd", "endpoint": "a"}}
    )

    async def main() -> tuple[int, str]:
        async with Emulator(catalog) as emulator, aiohttp.ClientSession() as http:
            emulator.script(409)
            async with http.get(f"{emulator.url}/elsewhere") as response:
                return response.status, await response.text()

    assert (409, "409 odd") == run(main())


def test_what_is_kept_of_renderings_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints whose names come from URLs do not fill the memory."""
    monkeypatch.setattr(render, "_MOST_KEPT", 2)
    renderer = render.Renderer(one_service("unisender").catalog)
    for number in range(5):
        assert renderer.answers(renderer.catalog.entries[0], "GET", f"method{number}")
    assert 2 >= len(renderer._kept)
