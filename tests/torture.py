"""Bodies that break parsers: one or more of every class that the known suites have."""

from collections.abc import Iterator

ERROR = '{"error": "wrong", "code": "wrong", "errors": [{"code": "wrong", "type": "wrong"}]}'

_LITERALS = (
    *("nul", "nulll", "True", "TRUE", "undefined", "None", "NaN", "-NaN", "Infinity", "-Infinity"),
    *("+1", "-", "--1", "1.", ".1", "-.1", "1e", "1e+", "01", "-01", "0x1F", "1_000", "1,000"),
    *("1e400", "-1e400", "1e-400", "1E9999999999", "9" * 5000, "0." + "9" * 5000, "٣", "-0"),
    *("'a'", '"a', 'a"', '"\\x41"', '"\\u12"', '"\\U00000041"', '"\\ud800"', '"\\udc00\\ud800"'),
    *('"\\', '"\\u', '"\\a"', '"\t"', '"\n"', '"\0"', '"\x7f"', '"\u2028"', '"\\u0000"', "`a`"),
    *('"' + "x" * 100_000 + '"', '"' + "\\" * 1001, '"' + "\\n" * 30_000 + '"', "{}x", "[]]"),
    *("// c", "/* c */ 1", "# c", "<!-- c -->", "\ufeff1", "\u00a01", "\x0b1", "\x0c1", "1\x00"),
)
_DOCUMENTS = (
    *("", " ", "\n", "\0", "{", "[", "{]", "[}", "}", "]", "{}}", "{}{}", "[][]", "{} 1", "[1]x"),
    *(
        "[,]",
        "[1,]",
        "[,1]",
        "[1,,2]",
        "[1 2]",
        "[1;2]",
        "[1:2]",
        "[",
        "[1",
        "[1,",
        '["a"',
        '["a",',
    ),
    *("{,}", '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', '{"a" 1}', '{"a":}', '{"a"}', '{"a":1'),
    *("{a:1}", "{'a':1}", "{1:1}", "{null:1}", "{[]:1}", '{"a":1 "b":2}', '{"a"::1}', '{"a"=1}'),
    *('{"a":1,"a":2}', '{"":1}', '{"__proto__":{}}', '{"\\u0061":1,"a":2}', '{"a":{"a":{"a":{}}}}'),
    *("[" * 100_000, "[" * 1000 + "]" * 1000, "[" * 50_000 + "]" * 50_000, '{"a":' * 50_000),
    *('{"errors":[' * 10_000, '{"a":' * 500 + "1" + "}" * 500, "[[],{}," * 20_000, "[{}" * 999),
    *("[" + "1," * 30_000 + "1]", "{" + ",".join(f'"{n}":{n}' for n in range(8000)) + "}"),
    *('{"errors": null}', '{"errors": {}}', '{"errors": []}', '{"error": []}', '{"error": false}'),
    *('{"code": []}', '{"code": true}', '{"code": null}', '{"response": []}', '{"response": "x"}'),
)
ODDITIES = (
    *(b'{"errors": 1}', b'{"errors": "x"}', b'{"errors": [[]]}', b'{"errors": [[[{"code": 1}]]]}'),
    *(b'{"errors": [null, true, 1, "x", [], {}]}', b'{"errors": [{"code": {}}]}', b'{"error": {}}'),
    *(b'{"error": {"code": [1]}}', b'{"error": 1e400}', b'{"error": NaN}', b'{"error": "\\ud800"}'),
    *(b'{"error": "x", "code": {"a": 1}}', b'{"error": "x", "code": [[]]}', b'{"error_code": {}}'),
    *(b'{"response": {"error": {}, "error_code": []}}', b'{"error_code": 1e999, "message": {}}'),
    *(
        b"<r><errors/></r>",
        b"<r><errors><code/></errors></r>",
        b"<r><errors><code><a/></code></errors></r>",
    ),
    *(
        b'{"errors": %s1%s}' % (b"[" * 900, b"]" * 900),
        b'{"errors": [%s1]}' % (b'{"code": "x"},' * 4000),
    ),
    *(
        b'{"error": "%s", "code": "\\u0000\\u202e"}' % (b"x" * 60_000),
        b'{"error": true, "code": -0.0}',
    ),
)
"""Bodies in the shape of an error, of other types than anybody documents."""

_BYTES = (
    *(b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xef\xbb", b"\xff\xfe\0\0", b"{\xff}"),
    *(b'["\xed\xa0\x80"]', b'["\xf8\x80\x80\x80\x80"]', b'["\xc0\xaf"]', b'{"a\xe9": 1}', b"\xc3("),
    *(
        bytes(range(256)),
        b"\0" * 1000,
        b"\0{\0}\0",
        b"\x1f\x8b\x08\0\0",
        b"PK\x03\x04",
        b"%PDF-1.7",
    ),
    *(
        b"\xff\xfe{\0}",
        b"\xfe\xff{\0",
        b"+AHs-",
        b"\x80\x81",
        b"\x1b[2J",
        b"\r\n\r\nHTTP/1.1 200 OK",
    ),
    *(
        b"a=1&b=2",
        b"data: {}\n\n",
        b"--boundary\r\n",
        b")]}',\n{}",
        b"callback({})",
        b"\x00\x00\x00\x05",
    ),
)
_XML = (
    *("<", "<a", "<a>", "</a>", "<a/", "<a></b>", "<a/><b/>", "<a b></a>", "<a b=c/>", '<a b="1"'),
    *(
        '<a b="1" b="2"/>',
        "<a>&</a>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFFFFFF;</a>",
        "<a>\0</a>",
    ),
    *(
        "<1/>",
        "<a:b/>",
        "<:/>",
        "<a xmlns:b=''/>",
        "<?xml?><a/>",
        "<?xml version='9'?><a/>",
        "<??>",
    ),
    *("<!-- -- --><a/>", "<!--", "<![CDATA[", "<a>]]></a>", "<a><![CDATA[x]]></a>", "<a>\x01</a>"),
    *("<?xml version='1.0' encoding='utf-99'?><a/>", "<?xml version='1.0' encoding='utf-16'?><a/>"),
    *(
        "<a>" * 100_000,
        "<a>" * 20_000 + "</a>" * 20_000,
        "<a " + "b='1' " * 9000 + "/>",
        "<" * 60_000,
    ),
    *("<a>" + "&amp;" * 13_000 + "</a>", "<a>" + "<b/>" * 15_000 + "</a>", "<a\n>" * 9000, "< a/>"),
    *(
        "<" + "a" * 60_000,
        "<" + "a" * 30_000 + "/>",
        "<a " + "b" * 60_000,
        "<?" * 30_000,
        "<!" * 30_000,
    ),
    *("<!-- " * 12_000, "<![CDATA[" * 7000, "<script " * 8000, "<style>" * 9000, "<html>" * 9000),
    *("<html><h1>502 Bad Gateway</h1></html>", "<!doctype html><p>502", "<HTML>", "<br />Fatal"),
)


def bodies() -> Iterator[bytes]:
    """Yield bodies from which no error of a vendor can be read: only the status counts."""
    for text in _LITERALS:
        yield from (text.encode(), f"[{text}]".encode(), f'{{"a": {text}}}'.encode())
        yield f'{{"errors": [{{"detail": {text}'.encode()
    yield from (text.encode() for text in (*_DOCUMENTS, *_XML))
    yield from _BYTES
    for codec in ("utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-7", "cp037"):
        yield from (
            text.encode(codec) for text in ("{", "[1,]", '{"a": "я', "<a>"[:99]) if text.isascii()
        )
    for end in range(1, len(ERROR), 3):
        yield ERROR[:end].encode()
        yield ERROR[:end].encode() + b"\xff"
