"""No XML is expanded, and none makes the library open anything (H2)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from textwrap import dedent
from xml.etree import ElementTree as ET

import pytest
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from promises.conftest import Figure, Scale

import resilient

BODY = "<response><errors><code>{0}</code><title>{0}</title></errors></response>"
CODE = "110001"
"""A code that the catalog knows: what reports it was read."""

FILE, WEB = "file:///etc/hostname", "http://127.0.0.1:9/evil"


def _laughs(levels: int, each: int) -> str:
    rows = [f'<!ENTITY e{n} "{f"&e{n - 1};" * each}">' for n in range(1, levels)]
    return f'<!DOCTYPE r [<!ENTITY e0 "ha">{"".join(rows)}]>{BODY.format(f"&e{levels - 1};")}'


SAMPLES = {
    "billion laughs": _laughs(10, 10),
    "few laughs": _laughs(3, 2),
    "laughs in a circle": '<!DOCTYPE r [<!ENTITY a "&b;"><!ENTITY b "&a;">]>' + BODY.format("&a;"),
    "quadratic": f'<!DOCTYPE r [<!ENTITY a "{"x" * 1000}">]>' + BODY.format("&a;" * 3000),
    "an entity": f'<!DOCTYPE r [<!ENTITY a "{CODE}">]>' + BODY.format("&a;"),
    "an entity of markup": '<!DOCTYPE r [<!ENTITY a "<b>1</b>">]>' + BODY.format("&a;"),
    "a file": f'<!DOCTYPE r [<!ENTITY a SYSTEM "{FILE}">]>' + BODY.format("&a;"),
    "a page": f'<!DOCTYPE r [<!ENTITY a SYSTEM "{WEB}">]>' + BODY.format("&a;"),
    "a public id": f'<!DOCTYPE r [<!ENTITY a PUBLIC "-//x" "{WEB}">]>' + BODY.format("&a;"),
    "a parameter": f'<!DOCTYPE r [<!ENTITY % a SYSTEM "{WEB}"> %a;]>' + BODY.format(CODE),
    "parameters in parameters": (
        "<!DOCTYPE r [<!ENTITY % a \"<!ENTITY b '1'>\"> %a;]>" + BODY.format("&b;")
    ),
    "not parsed": (
        f'<!DOCTYPE r [<!NOTATION n SYSTEM "{WEB}"><!ENTITY a SYSTEM "{FILE}" NDATA n>]>'
        + BODY.format(CODE)
    ),
    "a DTD elsewhere": f'<!DOCTYPE r SYSTEM "{WEB}">' + BODY.format(CODE),
    "a public DTD": f'<!DOCTYPE html PUBLIC "-//W3C//DTD" "{WEB}">' + BODY.format(CODE),
    "a DTD of nothing": "<!DOCTYPE response>" + BODY.format(CODE),
    "defaults": (
        '<!DOCTYPE r [<!ATTLIST response href CDATA "evil" id ID #IMPLIED>]>' + BODY.format(CODE)
    ),
    "a DTD after a comment": "<!-- x --><!DOCTYPE response>" + BODY.format(CODE),
    "a DTD after a declaration": '<?xml version="1.0"?>\n<!DOCTYPE r [ ]>' + BODY.format(CODE),
}
"""One or more of every class in defusedxml's documentation that needs a DTD."""

HARMLESS = {
    "XInclude": (
        '<response xmlns:xi="http://www.w3.org/2001/XInclude">'
        f'<xi:include href="{FILE}" parse="text"/><errors><code>{CODE}</code></errors></response>'
    ),
    "a style sheet": f'<?xml-stylesheet href="{WEB}"?>' + BODY.format(CODE),
    "a schema": (
        '<response xmlns:x="http://www.w3.org/2001/XMLSchema-instance" '
        f'x:noNamespaceSchemaLocation="{WEB}"><errors><code>{CODE}</code></errors></response>'
    ),
    "a base": f'<response xml:base="{WEB}"><errors><code>{CODE}</code></errors></response>',
    "an XSLT": (
        '<response xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        f"<xsl:value-of select=\"document('{FILE}')\"/>"
        f"<errors><code>{CODE}</code></errors></response>"
    ),
}
"""What names something elsewhere without a DTD: it is read, and what it names is not."""


def codes(body: bytes, status: int = 400) -> list[str | None]:
    """Return the codes that a response reports."""
    headers = {"Content-Type": "application/xml"}
    failure = resilient.classify("dellin", status=status, headers=headers, body=body)
    return [each.code for each in failure.found] if failure else []


def encodings(text: str) -> Iterator[bytes]:
    """Yield a text in the codings by which filters are got round."""
    yield text.encode()
    yield f"<?xml version='1.0' encoding='utf-8'?>{text}".encode() if "<?xml" not in text else b"<"
    yield from (text.encode(codec) for codec in ("utf-8-sig", "utf-16", "utf-32"))
    yield b"\n" + text.encode()


@pytest.mark.parametrize("sample", SAMPLES)
def test_refused(sample: str) -> None:
    """A body with a DTD reports no code, expanded or not, in any coding."""
    for body in encodings(SAMPLES[sample]):
        assert [None] == codes(body)
        assert [] == codes(body, 200)


@pytest.mark.parametrize("sample", SAMPLES)
def test_before_expansion(sample: str) -> None:
    """It is refused at the DTD: nothing after it is parsed, let alone expanded."""
    head, _, rest = SAMPLES[sample].partition("<!DOCTYPE")
    with pytest.raises(DefusedXmlException):
        fromstring(SAMPLES[sample], forbid_dtd=True)
    assert [None] == codes(f"{head}<!DOCTYPE{rest[:6]} [".encode() + b"<" * 1000)


@pytest.mark.parametrize("sample", HARMLESS)
def test_left_alone(sample: str) -> None:
    """What names something elsewhere is only words."""
    assert [CODE] == codes(HARMLESS[sample].encode())


AUDITED = """
    import json, sys
    import resilient
    from resilient.config.build import one_service

    bodies = json.load(sys.stdin)
    service = one_service("dellin")
    seen, armed = [], False
    def audit(event, arguments):
        if armed and event.startswith(("open", "os.", "socket.", "urllib.", "http.", "subproc")):
            seen.append(event)
    sys.addaudithook(audit)
    def tell(body, status=400):
        resilient.classify(
            service, status=status, headers={"Content-Type": "text/xml"}, body=body, method="GET"
        )
    tell("<response/>")  # imports what it needs
    armed = True
    for body in bodies:
        tell(body)
        tell(body, 200)
    heard = len(seen)
    open(sys.executable).close()  # the hook does hear
    armed = False
    print(json.dumps([heard, len(seen)]))
"""


def test_nothing_is_opened(figure: Figure) -> None:
    """No sample makes the process open a file or a connection."""
    bodies = [*SAMPLES.values(), *HARMLESS.values()]
    done = subprocess.run(
        [sys.executable, "-c", dedent(AUDITED)],
        input=json.dumps(bodies),
        capture_output=True,
        text=True,
        check=True,
    )
    opened, with_control = json.loads(done.stdout)
    assert 0 == opened
    assert 1 == with_control
    figure("H2", "files and connections opened", opened, of=f"{len(bodies)} samples")


def test_naive() -> None:
    """Why that needs care: the parser of the standard library expands entities."""
    assert CODE == ET.fromstring(SAMPLES["an entity"]).findtext("errors/code")
    assert "hahahaha" == ET.fromstring(SAMPLES["few laughs"]).findtext("errors/code")
    assert 3_000_000 == len(ET.fromstring(SAMPLES["quadratic"]).findtext("errors/code") or "")


def test_grown_bombs(scale: Scale) -> None:
    """Bombs of any size and shape are refused alike."""
    for levels in range(1, scale(8, 30)):
        for each in (1, 2, 10, 50):
            assert [None] == codes(_laughs(levels + 1, each).encode())
