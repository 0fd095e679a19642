import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, FormData

from resilient.catalog import CredentialRule, Field, Place
from resilient.credentials import CannotSign, Values
from resilient.credentials.place import apply, carried, plan, restore, strip

from .conftest import BEARER, CANARY, Vendor

HEADER = Field(name="X-Api-Key", places=("header",))
UNISENDER = Field(name="api_key", places=("query", "form"))
APPKEY = Field(name="appkey", places=("json", "xml"), value="appkey")
SESSION = Field(name="sessionID", places=("json", "xml"), value="session")

JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _rule(*fields: Field) -> CredentialRule:
    return CredentialRule(kind="api_key", fields=fields)


@attrs.define(eq=False)
class Signer:
    """A middleware that signs as the library does, once for each of `values`."""

    rule: CredentialRule
    values: list[Values]
    between: Callable[[ClientRequest], Awaitable[None] | None] = lambda _: None
    carried: str | None = None
    after: bytes | None = None

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Sign and send."""
        self.carried = next(iter(carried(request, self.rule).values()), None)
        where = await plan(request, self.rule)
        response = None
        for values in self.values:
            _at_once(apply(where, request, values))
            response = await handler(request)
        _at_once(restore(where, request))
        self.after = await request.body.as_bytes() if request.body else None
        assert response is not None
        return response


def _at_once(work: Any) -> None:
    """Run what must not suspend."""
    with pytest.raises(StopIteration):
        work.send(None)


@pytest.fixture
def send(vendor: Vendor) -> Callable[..., Awaitable[Signer]]:
    """Send a signed request to the vendor."""

    async def send(
        fields: tuple[Field, ...],
        *values: Values,
        method: str = "POST",
        path: str = "/",
        **more: Any,
    ) -> Signer:
        signer = Signer(_rule(*fields), list(values) or [{"token": "k"}])
        async with (
            aiohttp.ClientSession(middlewares=(signer,)) as http,
            http.request(method, vendor.url(path), **more) as response,
        ):
            await response.read()
        return signer

    return send


Send = Callable[..., Awaitable[Signer]]


async def test_header(vendor: Vendor, send: Send) -> None:
    """A header has its prefix before the value."""
    await send((BEARER, HEADER), method="GET")
    assert ("Bearer k", "k") == (vendor.headers["Authorization"], vendor.headers["X-Api-Key"])


async def test_next_attempt(vendor: Vendor, send: Send) -> None:
    """Each attempt carries its own values, and nothing of the one before."""
    fields = (BEARER, attrs.evolve(UNISENDER, value="key"), APPKEY)
    await send(
        fields,
        {"token": "1", "key": "1", "appkey": "1"},
        {"token": "2", "key": "2", "appkey": "2"},
        {"appkey": "3"},
        {},
        path="/a?b=%20c",
        json={},
    )
    assert ["/a?b=%20c&api_key=1", "/a?b=%20c&api_key=2", "/a?b=%20c", "/a?b=%20c"] == [
        path for _, path, _, _ in vendor.heard
    ]
    assert ["Bearer 1", "Bearer 2", None, None] == [
        headers.get("Authorization") for _, _, headers, _ in vendor.heard
    ]
    assert [b'{"appkey":"1"}', b'{"appkey":"2"}', b'{"appkey":"3"}', b"{}"] == [
        body for _, _, _, body in vendor.heard
    ]
    lengths = [int(headers["Content-Length"]) for _, _, headers, _ in vendor.heard]
    assert [len(body) for _, _, _, body in vendor.heard] == lengths


@pytest.mark.parametrize(
    ("path", "signed"),
    [
        ("/a", "/a?api_key=k"),
        ("/a?b=1", "/a?b=1&api_key=k"),
        ("/a?b=%20+%2B&c=%D1%8F&d", "/a?b=%20+%2B&c=%D1%8F&d&api_key=k"),
        ("/a%2Fb?x=a%26b", "/a%2Fb?x=a%26b&api_key=k"),
    ],
)
async def test_query(vendor: Vendor, send: Send, path: str, signed: str) -> None:
    """A query field is added; the rest of the URL stays as it is written."""
    await send((UNISENDER,), method="GET", path=path)
    assert signed == vendor.path


async def test_query_escapes(vendor: Vendor, send: Send) -> None:
    """A value that means something in a URL is escaped."""
    await send((UNISENDER,), {"token": "a&b=c+d e#f"}, method="GET")
    assert "/?api_key=a%26b%3Dc%2Bd+e%23f" == vendor.path


async def test_unisender(vendor: Vendor, send: Send) -> None:
    """A form carries the key in the form; any other request, in the query; none in both."""
    await send((UNISENDER,), data={"title": "a b"})
    assert ("/", b"title=a+b&api_key=k") == (vendor.path, vendor.body)
    await send((UNISENDER,), data={})
    assert ("/", b"api_key=k") == (vendor.path, vendor.body)
    await send((UNISENDER,), data=b"a=1&", headers=FORM)
    assert ("/", b"a=1&api_key=k") == (vendor.path, vendor.body)
    await send((UNISENDER,))
    assert ("/?api_key=k", b"") == (vendor.path, vendor.body)
    await send((UNISENDER,), json={"a": 1})
    assert ("/?api_key=k", b'{"a": 1}') == (vendor.path, vendor.body)


async def test_form_escapes(vendor: Vendor, send: Send) -> None:
    """A value that means something in a form is escaped."""
    await send((UNISENDER,), {"token": "a&b=c+d e"}, data=b"a=%D1%8F", headers=FORM)
    assert b"a=%D1%8F&api_key=a%26b%3Dc%2Bd+e" == vendor.body


async def test_multipart(vendor: Vendor, send: Send) -> None:
    """A multipart form is left alone: the key goes into the query."""
    form = FormData()
    form.add_field("file", io.BytesIO(b"data"), filename="f")
    await send((UNISENDER,), data=form)
    assert "/?api_key=k" == vendor.path
    assert b"api_key" not in vendor.body


async def test_large_form(vendor: Vendor, send: Send) -> None:
    """A form may be larger than what is looked into elsewhere: it holds attachments."""
    data = io.BytesIO(b"a=" + b"x" * 500_000)
    await send((UNISENDER,), data=data, headers=FORM)
    assert b"a=" + b"x" * 500_000 + b"&api_key=k" == vendor.body


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_large_bytes(vendor: Vendor, send: Send) -> None:
    """A form of megabytes in memory is signed without a further warning."""
    await send((UNISENDER,), data=b"a=" + b"x" * 2_000_000, headers=FORM)
    assert b"a=" + b"x" * 2_000_000 + b"&api_key=k" == vendor.body


JSON_BODIES = [
    (b"{}", b'{"appkey":"K","sessionID":"S"}'),
    (b" \n{ } ", b' \n{"appkey":"K","sessionID":"S" } '),
    (b'{"a": 1}', b'{"appkey":"K","sessionID":"S","a": 1}'),
    (b'{"a":1.10,"n":1e400}', b'{"appkey":"K","sessionID":"S","a":1.10,"n":1e400}'),
    (b'{"b":0,"a":0,"b":1}', b'{"appkey":"K","sessionID":"S","b":0,"a":0,"b":1}'),
    (b'{"x":"\\u0041\\/"}', b'{"appkey":"K","sessionID":"S","x":"\\u0041\\/"}'),
    ('{"x":"я"}'.encode(), '{"appkey":"K","sessionID":"S","x":"я"}'.encode()),
    (b'{"n":' + b"9" * 5000 + b"}", b'{"appkey":"K","sessionID":"S","n":' + b"9" * 5000 + b"}"),
    (b'{"a":{"appkey":1}}', b'{"appkey":"K","sessionID":"S","a":{"appkey":1}}'),
    (b'{"appkey":"own"}', b'{"sessionID":"S","appkey":"own"}'),
    (b'{"appkey":null}', b'{"sessionID":"S","appkey":null}'),
    (b'{"\\u0061ppkey":"own"}', b'{"sessionID":"S","\\u0061ppkey":"own"}'),
    (b'{"sessionID":"o","appkey":"o"}', b'{"sessionID":"o","appkey":"o"}'),
    (b"\xef\xbb\xbf{}", b'\xef\xbb\xbf{"appkey":"K","sessionID":"S"}'),
]


@pytest.mark.parametrize(("body", "signed"), JSON_BODIES)
async def test_json(vendor: Vendor, send: Send, body: bytes, signed: bytes) -> None:
    """A JSON field is put first; every other byte stays, and a key that is there is left alone."""
    values = {"appkey": "K", "session": "S"}
    signer = await send((APPKEY, SESSION), values, data=body, headers=JSON)
    assert signed == vendor.body
    assert body == signer.after


@pytest.mark.parametrize(
    "more",
    [
        {"json": {"a": 1}},
        {"data": b'{"a": 1}'},
        {"data": '{"a": 1}'},
        {"data": bytearray(b'{"a": 1}')},
        {"data": memoryview(b'{"a": 1}')},
        {"data": io.BytesIO(b'{"a": 1}'), "headers": JSON},
        {"data": b'{"a": 1}', "headers": {"Content-Type": "application/vnd.api+json; v=1"}},
        {"data": b'{"a": 1}', "headers": {"Content-Type": "application/json;charset=cp1251"}},
        {"json": {"a": 1}, "compress": "gzip"},
        {"json": {"a": 1}, "chunked": True},
    ],
)
async def test_json_sources(vendor: Vendor, send: Send, more: dict[str, Any]) -> None:
    """However a JSON body is given, and whatever it is called, the field gets in."""
    await send((APPKEY,), {"appkey": "K"}, {"appkey": "L"}, **more)
    assert [b'{"appkey":"K","a": 1}', b'{"appkey":"L","a": 1}'] == [b for *_, b in vendor.heard]


async def test_json_escapes(vendor: Vendor, send: Send) -> None:
    """A value that means something in JSON is escaped."""
    await send((APPKEY,), {"appkey": 'a"}\\я'}, json={})
    assert {"appkey": 'a"}\\я'} == json.loads(vendor.body)


XML_BODIES = [
    (b"<r/>", b"<r><appkey>K</appkey><sessionID>S</sessionID></r>"),
    (b"<r />", b"<r ><appkey>K</appkey><sessionID>S</sessionID></r>"),
    (b"<r></r>", b"<r><appkey>K</appkey><sessionID>S</sessionID></r>"),
    (
        b'<?xml version="1.0"?>\n<!-- <x> --><?p >?>\n<r a="1>0" b=\'"/>\'>\n <z> &amp;</z></r>\n',
        (
            b'<?xml version="1.0"?>\n<!-- <x> --><?p >?>\n<r a="1>0" b=\'"/>\'>'
            b"<appkey>K</appkey><sessionID>S</sessionID>\n <z> &amp;</z></r>\n"
        ),
    ),
    (
        '<?xml version="1.0" encoding="windows-1251"?><r>я</r>'.encode("cp1251"),
        (
            b'<?xml version="1.0" encoding="windows-1251"?><r><appkey>K</appkey>'
            b"<sessionID>S</sessionID>\xff</r>"
        ),
    ),
    (b"<r><appkey>own</appkey></r>", b"<r><sessionID>S</sessionID><appkey>own</appkey></r>"),
    (
        b"<r><a><appkey/></a></r>",
        b"<r><appkey>K</appkey><sessionID>S</sessionID><a><appkey/></a></r>",
    ),
    (b"\xef\xbb\xbf<r/>", b"\xef\xbb\xbf<r><appkey>K</appkey><sessionID>S</sessionID></r>"),
]


@pytest.mark.parametrize(("body", "signed"), XML_BODIES)
async def test_xml(vendor: Vendor, send: Send, body: bytes, signed: bytes) -> None:
    """An XML field is the root's first child; every other byte stays."""
    values = {"appkey": "K", "session": "S"}
    signer = await send((APPKEY, SESSION), values, data=body, headers=XML)
    assert signed == vendor.body
    assert body == signer.after


async def test_xml_escapes(vendor: Vendor, send: Send) -> None:
    """A value that means something in XML is escaped, whatever the body's charset."""
    await send((APPKEY,), {"appkey": "<a>&я"}, data=b"<r/>", headers=XML)
    assert b"<r><appkey>&lt;a&gt;&amp;&#1103;</appkey></r>" == vendor.body


async def test_xml_charset(vendor: Vendor, send: Send) -> None:
    """The content type's charset goes before what XML says of itself."""
    headers = {"Content-Type": 'text/xml; charset="windows-1251"'}
    await send((APPKEY,), {"appkey": "K"}, data="<r>я</r>".encode("cp1251"), headers=headers)
    assert b"<r><appkey>K</appkey>\xff</r>" == vendor.body


async def _stream() -> AsyncIterator[bytes]:
    yield b"{}"


BAD = {
    "no body": ({}, "no body"),
    "get": ({"method": "GET"}, "GET has no body"),
    "empty": ({"data": b"", "headers": JSON}, "another kind"),
    "form": ({"data": {"a": "b"}}, "another kind"),
    "multipart": ({"data": {"f": io.BytesIO(b"x")}}, "another kind"),
    "bytes": ({"data": b"\x00\x01"}, "another kind"),
    "packed": ({"data": b"\x1f", "headers": {**JSON, "Content-Encoding": "gzip"}}, "another kind"),
    "stream": ({"data": _stream, "headers": JSON}, "another kind"),
    "list": ({"json": [1]}, "no object"),
    "text": ({"json": "a"}, "no object"),
    "broken": ({"data": b"{", "headers": JSON}, "is none"),
    "nested": ({"data": b'{"a":' + b"[" * 9000, "headers": JSON}, "is none"),
    "not utf-8": ({"data": b'{"a":"\xff"}', "headers": JSON}, "is none"),
    "utf-16": ({"data": "{}".encode("utf-16"), "headers": JSON}, "charset"),
    "charset": (
        {"data": b"{}", "headers": {"Content-Type": "application/json; charset=utf-16"}},
        "charset",
    ),
    "rot13": (
        {"data": b"{}", "headers": {"Content-Type": "application/json; charset=rot13"}},
        "charset",
    ),
    "large": ({"data": b"{" + b" " * 1_048_576, "headers": JSON}, "longer"),
    "large file": ({"data": io.BytesIO(b" " * 1_048_577), "headers": JSON}, "another kind"),
    "xml": ({"data": b"<r>", "headers": XML}, "called XML"),
    "dtd": ({"data": b"<!DOCTYPE r><r/>", "headers": XML}, "DTD"),
    "bomb": (
        {"data": b'<!DOCTYPE r [<!ENTITY a "aa">]><r>&a;</r>', "headers": XML},
        "DTD",
    ),
    "entity": ({"data": b"<r>&a;</r>", "headers": XML}, "called XML"),
}


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize(("more", "reason"), BAD.values(), ids=BAD)
async def test_no_place(vendor: Vendor, send: Send, more: dict[str, Any], reason: str) -> None:
    """A request that has no place for the field is not sent, and the reason says why."""
    if callable(more.get("data")):
        more = {**more, "data": more["data"]()}
    with pytest.raises(CannotSign, match=reason):
        await send((APPKEY,), {"appkey": CANARY}, **more)
    assert 0 == vendor.hits


@pytest.mark.parametrize("body", [b"[1]", b"{", b"{" + b" " * 1_048_570])
async def test_elsewhere(vendor: Vendor, send: Send, body: bytes) -> None:
    """A body that takes no field sends it to the query, where that is listed."""
    field = attrs.evolve(UNISENDER, places=("json", "query"))
    await send((field,), data=body, headers=JSON)
    assert ("/?api_key=k", body) == (vendor.path, vendor.body)


@pytest.mark.parametrize(
    ("fields", "more", "own"),
    [
        ((BEARER,), {"headers": {"authorization": "Basic own"}}, "Basic own"),
        ((HEADER,), {"headers": {"X-API-KEY": "own"}}, "own"),
        ((UNISENDER,), {"path": "/?api_key=o%77n"}, "own"),
        ((UNISENDER,), {"data": {"api_key": "o w"}}, "o w"),
        ((UNISENDER,), {"path": "/?api_key=own", "data": {"a": "b"}}, "own"),
        ((APPKEY, SESSION), {"json": {"appkey": "own", "sessionID": "s"}}, "own"),
        ((APPKEY, SESSION), {"json": {"appkey": 7, "sessionID": "s"}}, "7"),
        ((SESSION,), {"data": b"<r><sessionID>own</sessionID></r>", "headers": XML}, "own"),
    ],
)
async def test_own(
    vendor: Vendor, send: Send, fields: tuple[Field, ...], more: dict[str, Any], own: str
) -> None:
    """A field that the caller put there himself is left alone, and found."""
    signer = await send(fields, {"token": CANARY, "appkey": CANARY, "session": CANARY}, **more)
    assert own == signer.carried
    assert CANARY not in str(vendor.heard)


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ((BEARER,), {}),
        ((UNISENDER,), {"data": {"my_api_key": "x"}}),
        ((UNISENDER,), {"json": {"api_key": "not a place"}}),
        ((UNISENDER,), {"headers": {"api_key": "not a place"}}),
        ((APPKEY,), {"json": {"a": {"appkey": "deeper"}}}),
        ((APPKEY,), {"path": "/?appkey=x", "json": {}}),
    ],
)
async def test_not_own(send: Send, fields: tuple[Field, ...], more: dict[str, Any]) -> None:
    """What stands where the catalog does not put it is none of the credential."""
    assert (await send(fields, {}, **more)).carried is None


async def test_missing_value(vendor: Vendor, send: Send) -> None:
    """A field whose value the credential does not have is left out."""
    await send((APPKEY, SESSION), {"appkey": "K"}, json={})
    assert b'{"appkey":"K"}' == vendor.body
    await send((BEARER, UNISENDER), {}, method="GET")
    assert "/" == vendor.path
    assert "Authorization" not in vendor.headers


@pytest.mark.parametrize("bad", [f"{CANARY}\r\nX: 1", f"{CANARY}\n", f"{CANARY}\0", ""])
@pytest.mark.parametrize("field", [HEADER, UNISENDER, attrs.evolve(APPKEY, value="token")])
async def test_bad_value(vendor: Vendor, send: Send, field: Field, bad: str) -> None:
    """A value that could end a header is put nowhere, and not shown."""
    with pytest.raises(CannotSign) as error:
        await send((field,), {"token": bad}, json={})
    assert CANARY not in str(error.value)
    assert 0 == vendor.hits


async def _request(vendor: Vendor, **more: Any) -> ClientRequest:
    """Return a request as a middleware sees it."""
    found: list[ClientRequest] = []

    async def catch(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        found.append(request)
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=(catch,)) as http:
        method, path = more.pop("method", "POST"), more.pop("path", "/")
        async with http.request(method, vendor.url(path), **more):
            return found[0]


async def test_restore(vendor: Vendor) -> None:
    """Everything that was put on a request comes off it again."""
    request = await _request(vendor, path="/?a=%20", data={"a": "b"})
    url, headers = request.url, request.headers.copy()
    where = await plan(request, _rule(BEARER, HEADER, UNISENDER))
    await apply(where, request, {"token": CANARY})
    assert CANARY in str(request.headers)
    await restore(where, request)
    assert request.body
    assert (url, b"a=b") == (request.url, await request.body.as_bytes())
    assert sorted(headers.items()) == sorted(request.headers.items())


async def test_redirect(vendor: Vendor, send: Send) -> None:
    """What aiohttp forwards on a 307 after `restore` is the caller's own body, signed anew."""
    from aiohttp import web

    vendor.reply = lambda request: (
        web.Response(status=307, headers={"Location": "/b"})
        if request.path == "/a"
        else web.Response()
    )
    await send((APPKEY,), {"appkey": "K"}, path="/a", json={"a": 1})
    assert [b'{"appkey":"K","a": 1}'] * 2 == [body for *_, body in vendor.heard]


async def test_untouched_body(vendor: Vendor) -> None:
    """A body that no field goes into stays the very object."""
    request = await _request(vendor, json={"a": 1})
    body = request.body
    where = await plan(request, _rule(BEARER))
    await apply(where, request, {"token": "k"})
    await restore(where, request)
    assert body is request.body


@pytest.mark.parametrize("place", ["header", "query", "form", "json", "xml"])
async def test_repr(vendor: Vendor, place: Place) -> None:
    """A plan shows nothing of the request."""
    data = {"form": {"a": CANARY}, "xml": f"<r>{CANARY}</r>".encode()}.get(place)
    more = {"json": {"a": CANARY}} if place == "json" else {"data": data}
    headers = XML if place == "xml" else {}
    request = await _request(vendor, path=f"/?t={CANARY}", headers=headers, **more)
    where = await plan(request, _rule(Field(name="f", places=(place,))))
    assert CANARY not in repr(where)


async def test_strip(vendor: Vendor) -> None:
    """What goes elsewhere carries neither header nor query field; the rest stays as written."""
    headers = {"X-Api-Key": CANARY, "Authorization": CANARY, "X-Other": "1"}
    path = f"/p?a=%20+&api_key={CANARY}&api%5Fkey={CANARY}&b#f"
    request = await _request(vendor, path=path, headers=headers)
    assert not strip(request, _rule(BEARER, HEADER, UNISENDER))
    assert CANARY not in f"{request.url} {request.headers}"
    assert ("a=%20+&b", "1") == (request.url.raw_query_string, request.headers["X-Other"])


@pytest.mark.parametrize(
    ("fields", "more", "carries"),
    [
        ((APPKEY,), {}, False),
        ((APPKEY,), {"json": {"a": 1}}, False),
        ((APPKEY,), {"json": {"appkey": CANARY}}, True),
        ((APPKEY,), {"data": b'{"\\u0061ppkey": 1}', "headers": JSON}, True),
        ((APPKEY,), {"data": b'{"appkey": "broken', "headers": JSON}, True),
        ((APPKEY,), {"data": b"<r><appkey/></r>", "headers": XML}, True),
        ((UNISENDER,), {"data": {"api_key": CANARY}}, True),
        ((UNISENDER,), {"data": b"api%5fkey=1", "headers": FORM}, True),
        ((UNISENDER,), {"data": {"a": "b"}}, False),
        ((UNISENDER,), {"data": {"f": io.BytesIO(b"x")}}, True),
        ((UNISENDER,), {"data": b"\1", "headers": {**FORM, "Content-Encoding": "x-packed"}}, True),
        ((UNISENDER,), {"data": memoryview(b"a=b"), "headers": FORM}, True),
        ((BEARER,), {"data": {"f": io.BytesIO(b"x")}}, False),
    ],
)
async def test_strip_body(
    vendor: Vendor, fields: tuple[Field, ...], more: dict[str, Any], carries: bool
) -> None:
    """Whether a body carries a field is told; one that cannot be looked into may."""
    vendor.reply = lambda _: aiohttp.web.Response()
    request = await _request(vendor, **more)
    assert carries is strip(request, _rule(*fields))
