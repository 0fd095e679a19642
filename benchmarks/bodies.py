"""Bodies as servers send them, of 300 bytes, and bodies of 64 KiB that are meant to hurt."""

import json
from collections.abc import Iterator

LARGEST = 64 * 1024
"""What is read of a body."""


def typical() -> dict[str, tuple[str, int, bytes]]:
    """Return catalog, status and body of what vendors answer, by what it is."""
    return {
        "JSON, an error": ("radist", 400, _json(error_code=1000, message="m" * 262)),
        "JSON, inside HTTP 200": (
            "unisender",
            200,
            _json(code="not_enough_money", error="e" * 245),
        ),
        "JSON, a code of two parts": ("hh", 403, _hh()),
        "XML, an error": ("dellin", 400, _xml()),
        "HTML, a page of the server": ("amocrm", 403, _page()),
        "JSON, a success": ("unisender", 200, _json(result=[{"id": i} for i in range(25)])),
    }


def hostile() -> dict[str, bytes]:
    """Return bodies of at most `LARGEST` bytes, by what there is much of."""
    return {name: body[:LARGEST] for name, body in (*_hostile_json(), *_hostile_xml(), *_words())}


def _json(**keys: object) -> bytes:
    return json.dumps(keys).encode()


def _hh() -> bytes:
    error = {"type": "oauth", "value": "token_expired"}
    return _json(request_id="0" * 32, description="d" * 165, errors=[error])


def _xml() -> bytes:
    said = "<code>110003</code><title>t</title><detail>" + "d" * 190 + "</detail>"
    return f"<response><status>400</status><errors>{said}</errors></response>".encode()


def _page() -> bytes:
    title = "403 Forbidden"
    comment = "<!-- a padding to disable MSIE and Chrome friendly error page -->"
    body = f"<center><h1>{title}</h1></center><hr><center>nginx</center>{comment * 2}"
    return f"<html><head><title>{title}</title></head><body>{body}</body></html>".encode()


def _full(unit: str, head: str = "", tail: str = "") -> bytes:
    left = LARGEST - len(head) - len(tail)
    return (head + unit * (left // len(unit.encode())) + tail).encode()


def _hostile_json() -> Iterator[tuple[str, bytes]]:
    yield "JSON: open brackets", _full("[")
    yield "JSON: open objects", _full('{"a":')
    yield "JSON: brackets", b"[" * 900 + b"]" * 900
    yield "JSON: objects", _full("{},", "[", "0]")
    yield "JSON: lists", _full("[],", "[", "0]")
    yield "JSON: keys", _json(**{f"k{i}": 1 for i in range(5000)})
    yield "JSON: the same key", _full('"errors":[{"code":1}],', "{", '"a":1}')
    yield "JSON: digits of one number", _full("9", '{"error":1,"code":', "}")
    yield "JSON: numbers", _full("1,", "[", "1]")
    yield "JSON: numbers with exponents", _full("1e9,", "[", "1]")
    yield "JSON: escapes", _full("\\u0430", '{"error":"', '"}')
    yield "JSON: line ends in a text", _full("\\n", '{"error":"', '"}')
    yield "JSON: slashes in a code", _full("a/", '{"errors":[{"type":"', '"}]}')
    yield "JSON: codes with slashes", _json(errors=[{"type": "a/" * 100}] * 300)
    yield "JSON: errors", _full('{"code":1,"type":"a","value":"b"},', '{"errors":[', "0]}")
    yield "JSON: errors of which little is said", _full('{"type":1},', '{"errors":[', "0]}")
    yield "JSON: errors that are lists", _full("[],", '{"errors":[', "0]}")
    errors = '{"code":"x","path":"p","detail":"d"},'
    yield "JSON: errors in errors", _full(errors, '{"validation-errors":[{"errors":[', "0]}]}")
    yield "JSON: empty errors", _full('{"errors":[]},', '{"validation-errors":[', "0]}")
    yield "JSON: codes in a list", _full("1,", '{"response":{"error_code":[', "1]}}")


def _hostile_xml() -> Iterator[tuple[str, bytes]]:
    yield "XML: elements", _full("<a/>", "<r>", "</r>")
    yield "XML: elements with text", _full("<a>1</a>", "<r>", "</r>")
    yield "XML: text between elements", _full("x<a/>", "<r>", "</r>")
    yield "XML: names", b"<r>" + b"".join(b"<a%d/>" % i for i in range(8000)) + b"</r>"
    yield "XML: depth", b"<a>" * 9000 + b"</a>" * 9000
    yield "XML: elements without end", _full("<a>")
    yield "XML: attributes", b"<r " + b" ".join(b'a%d=""' % i for i in range(7000)) + b"/>"
    yield "XML: elements with attributes", _full('<a b="" c="" d=""/>', "<r>", "</r>")
    yield "XML: one long namespace", _full("<a/>", f'<r xmlns="{"u" * 30_000}">', "</r>")
    yield "XML: prefixes", _full("<b:a/>", f'<r xmlns:b="{"u" * 1000}">', "</r>")
    spaces = b"".join(b'<a xmlns:b%d="u%d"/>' % (i, i) for i in range(2800))
    yield "XML: namespaces", b"<r>" + spaces + b"</r>"
    yield "XML: entities", _full("&lt;", "<r>", "</r>")
    yield "XML: character references", _full("&#65;", "<r>", "</r>")
    yield "XML: CDATA sections", _full("<![CDATA[]]>", "<r>", "</r>")
    yield "XML: comments", _full("<!---->", "<r>", "</r>")
    yield "XML: instructions", _full("<?a?>", "<r>", "</r>")
    yield "XML: declared entities", _full('<!ENTITY a "b">', "<!DOCTYPE r [", "]><r/>")
    yield "XML: errors", _full("<errors><code>1</code></errors>", "<r>", "</r>")
    yield "XML: empty errors", _full("<errors/>", "<r>", "</r>")
    yield "XML: fields of an error", _full("<f/>", "<r><errors>", "</errors></r>")


def _words() -> Iterator[tuple[str, bytes]]:
    yield "HTML: opening angles", _full("<", "<html>")
    yield "HTML: closing angles", _full(">", "<html>")
    yield "HTML: tags", _full("<a>", "<html>")
    yield "HTML: tags and words", _full("<b>a", "<html>")
    yield "HTML: words", _full("a ", "<html>")
    yield "HTML: scripts", _full("<script ", "<html>")
    yield "HTML: beginnings of scripts", _full("<scr", "<html>")
    yield "HTML: styles", _full("<style>x", "<html>")
    yield "HTML: one tag", _full("a", "<html><")
    yield "text: nearly what is looked for", _full("have no confirmation letter ")
    yield "text: letters that fold to several", _full("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}")
    yield "text: control characters", _full("\x01")
    yield "text: marks of direction", _full("\N{RIGHT-TO-LEFT OVERRIDE}")
    yield "text: emoji", _full("\N{PILE OF POO}")
    yield "text: no text", b"\xff" * LARGEST
    yield "text: spaces", _full(" ", tail="a")
    yield "JSON in UTF-16", ("{" + '"a":1,' * 5000).encode("utf-16")
    yield "JSON in UTF-32", ("[" + "[]," * 5000).encode("utf-32")
