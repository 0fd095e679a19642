"""How a vendor writes the same error makes no difference to what it is (H1)."""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import pytest
from promises.conftest import Figure, Scale
from strategies import renderings_of

import resilient
from resilient.config.build import one_service
from resilient.config.resources import names
from resilient.config.service import Service
from resilient.testing import Rendering

EXTRA: dict[str, Any] = {
    "request_id": "5f2b",
    "x-trace": {"span": [1, 2, {"error": None}]},
    "timestamp": 1763764353,
    "документация": "https://example/errors",
    "empty": "",
    "nothing": None,
}
_ASCII = re.compile(r'(?<=[A-Za-z])[a-z](?=[a-z]*"\s*[,}])')


@attrs.frozen
class Written:
    """A body, and its content type."""

    body: bytes
    kind: str


Mutation = Callable[[Rendering, Random], Written | None]


def _json(change: Callable[[Any, Random], Any], **options: Any) -> Mutation:
    """Return what writes the same document in another way."""

    def mutate(rendering: Rendering, random: Random) -> Written | None:
        if rendering.answer.form != "json":
            return None
        document = change(json.loads(rendering.answer.body), random)
        return Written(json.dumps(document, **options).encode(), "application/json")

    return mutate


def _same(document: Any, random: Random) -> Any:
    return document


def _shuffled(document: Any, random: Random) -> Any:
    if isinstance(document, list):
        return [_shuffled(each, random) for each in document]
    if not isinstance(document, dict):
        return document
    items = [(key, _shuffled(each, random)) for key, each in document.items()]
    random.shuffle(items)
    return dict(items)


def _with_more(document: Any, random: Random) -> Any:
    if isinstance(document, list):
        return [_with_more(each, random) for each in document]
    if not isinstance(document, dict):
        return document
    own = {key: _with_more(each, random) for key, each in document.items()}
    return {**random.choice([EXTRA, dict(random.sample(list(EXTRA.items()), 2))]), **own}


def escaped(rendering: Rendering, random: Random) -> Written | None:
    """Write letters of texts as escapes."""
    if rendering.answer.form != "json":
        return None
    text = rendering.answer.body.decode()
    odd = _ASCII.sub(lambda m: random.choice([m[0], f"\\u{ord(m[0]):04X}"]), text)
    assert json.loads(odd) == json.loads(text)
    return Written(odd.encode(), "application/json")


def _coded(codec: str, charset: str | None = None) -> Mutation:
    """Return what writes the same text in another coding."""

    def mutate(rendering: Rendering, random: Random) -> Written | None:
        try:
            body = rendering.answer.body.decode().encode(codec)
        except UnicodeEncodeError:
            return None
        kind = rendering.answer.headers["Content-Type"].partition(";")[0]
        return Written(body, f"{kind}; charset={charset}" if charset else kind)

    return mutate


def _around(before: bytes, after: bytes) -> Mutation:
    def mutate(rendering: Rendering, random: Random) -> Written | None:
        return Written(
            before + rendering.answer.body + after, rendering.answer.headers["Content-Type"]
        )

    return mutate


def _typed(kind: str) -> Mutation:
    def mutate(rendering: Rendering, random: Random) -> Written | None:
        return Written(rendering.answer.body, kind) if rendering.answer.form == "json" else None

    return mutate


def _xml(change: Callable[[ET.Element], None], **options: Any) -> Mutation:
    def mutate(rendering: Rendering, random: Random) -> Written | None:
        if rendering.answer.form != "xml":
            return None
        root = ET.fromstring(rendering.answer.body)
        change(root)
        return Written(ET.tostring(root, **options), "application/xml")

    return mutate


def _attributes(root: ET.Element) -> None:
    for each in root.iter():
        each.set("id", "1")


def _elements(root: ET.Element) -> None:
    for each in [each for each in root.iter() if len(each)]:
        each.insert(0, ET.Element("request_id"))
        each.append(ET.Comment("a word"))


MUTATIONS: dict[str, Mutation] = {
    "compact": _json(_same, separators=(",", ":")),
    "indented": _json(_same, indent=4),
    "spread": _json(_same, separators=("\r\n\t, ", " :\r\n"), ensure_ascii=False),
    "not escaped": _json(_same, ensure_ascii=False),
    "sorted": _json(_same, sort_keys=True),
    "shuffled": _json(_shuffled),
    "more fields": _json(_with_more, ensure_ascii=False),
    "escaped": escaped,
    "problem": _typed("application/problem+json"),
    "as text": _typed("text/plain; charset=utf-8"),
    "of javascript": _typed("text/javascript"),
    "in capitals": _typed("APPLICATION/JSON; CHARSET=UTF-8"),
    "marked": _coded("utf-8-sig"),
    "UTF-16": _coded("utf-16"),
    "UTF-32": _coded("utf-32"),
    "UTF-16, not marked": _coded("utf-16-be", "utf-16-be"),
    "cp1251": _coded("cp1251", "windows-1251"),
    "koi8": _coded("koi8-r", "KOI8-R"),
    "space around": _around(b" \r\n\t", b"\n\n"),
    "XML, indented": _xml(ET.indent, encoding="utf-8"),
    "XML, ASCII": _xml(lambda root: None, encoding="us-ascii"),
    "XML, attributes": _xml(_attributes, encoding="utf-8", xml_declaration=True),
    "XML, more elements": _xml(_elements, encoding="utf-8"),
    "XML, open ends": _xml(lambda root: None, short_empty_elements=False),
}


def what_is(service: Service, rendering: Rendering, written: Written) -> object:
    """Return which entries and codes a response has."""
    failure = resilient.classify(
        service,
        status=rendering.answer.status,
        headers={"Content-Type": written.kind},
        body=written.body,
        url=f"https://api.example{rendering.path}",
        method=rendering.method,
    )
    return failure and [(each.entry, each.code) for each in failure.found]


def changed(name: str, mutation: Mutation, size: int) -> tuple[list[str], int]:
    """Return the errors of a catalog that a mutation makes others, and how many were tried."""
    service, random = one_service(name), Random(8)
    said = [each for each in renderings_of(name) if each.answer.body]
    lost, tried = [], 0
    for rendering in random.sample(said, min(size, len(said))):
        written = mutation(rendering, random)
        if written is None:
            continue
        as_it_is = Written(rendering.answer.body, rendering.answer.headers["Content-Type"])
        tried += 1
        if what_is(service, rendering, as_it_is) != what_is(service, rendering, written):
            lost.append(rendering.key)
    return lost, tried


@pytest.mark.parametrize("name", names("catalogs"))
def test_harmless(name: str, scale: Scale, figure: Figure) -> None:
    """At least 99 in 100 documented errors are the same error, however they are written."""
    found = {key: changed(name, each, scale(12, 10_000)) for key, each in MUTATIONS.items()}
    tried = sum(count for _, count in found.values())
    lost = {key: keys for key, (keys, _) in found.items() if keys}
    missed = sum(map(len, lost.values()))
    assert tried * 0.99 <= tried - missed, lost
    figure(f"H1 {name}", "documented errors lost by harmless changes", missed, of=tried)


def harmful(rendering: Rendering, random: Random) -> Written | None:
    """Cut a body in half."""
    body = rendering.answer.body
    return Written(body[: len(body) // 2], "application/json") if rendering.entry.code else None


def test_harmful() -> None:
    """What takes the error out of a body is seen by the same check."""
    lost, tried = changed("hh", harmful, 50)
    assert tried * 0.9 <= len(lost)


def test_naive() -> None:
    """Why that needs care: looking for the code in the bytes loses what is written otherwise."""
    lost = 0
    for rendering in renderings_of("hh"):
        code = (rendering.entry.code or "*").rpartition("/")[2].encode()
        written = escaped(rendering, Random(9))
        lost += written is not None and code in rendering.answer.body and code not in written.body
    assert 10 < lost
