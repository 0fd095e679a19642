"""What an error means decides, not its name and not its HTTP status: a table from the pages."""

import pytest
import vendor_bodies as bodies

import resilient

HUB = "https://api.radist.online/v2/companies/7/messaging/messages"
FREIGHT = "https://api.dellin.ru/v3/orders.json"
MAIL = "https://api.unisender.com/ru/api/subscribe"

Row = tuple[str, int, str, str, bytes, str | None]

RADIST: list[Row] = [
    ("radist", status, "POST", HUB, bodies.radist(code), policy)
    for code, policy, status in [
        # Codes that look like rates and are counts.
        (10009, "fail_fast", 400),
        (10010, "fail_fast", 429),
        (13006, "fail_fast", 400),
        (14002, "fail_fast", 400),
        (22009, "fail_fast", 400),
        (27000, "fail_fast", 400),
        (28003, "fail_fast", 400),
        (30005, "fail_fast", 429),
        # A rate, ours and Telegram's; a code, whatever the status.
        (429, "back_off", 429),
        (429, "back_off", 200),
        (17002, "back_off", 400),
        # Somebody else's token, key, login or ban: ours is fine.
        (25001, "fail_fast", 401),
        (15005, "fail_fast", 401),
        (15006, "fail_fast", 401),
        (17008, "fail_fast", 401),
        (10006, "fail_fast", 403),
        (19001, "fail_fast", 403),
        (31001, "fail_fast", 401),
        (17011, "fail_fast", 403),
        (17005, "fail_fast", 401),
        # Our own key is static: no refresh mends it.
        (11000, "fail_fast", 401),
        # Not paid: waiting pays nothing.
        (10, "fail_fast", 402),
        (11, "fail_fast", 403),
        (15007, "fail_fast", 402),
        (22005, "fail_fast", 400),
        # The hub, or what stands behind it, failed.
        (500, "retry", 500),
        (500, "retry", 200),
        (99999, "retry", 400),
        (10005, "retry", 400),
        (19000, "retry", 400),
        (25004, "retry", 400),
        (15008, "retry", 400),
        # Codes and statuses that say different things.
        (1000, "fail_fast", 500),
        (404, "fail_fast", 200),
        # Unknown: the status tells.
        (77777, "fail_fast", 200),
        (77777, "fail_fast", 400),
        (77777, "back_off", 429),
        (77777, "retry", 503),
        # No error.
        (0, None, 200),
    ]
]

DELLIN: list[Row] = [
    ("dellin", status, "POST", FREIGHT, body, policy)
    for status, body, policy in [
        # Of nine 401s two are an expired session, and two are no matter of authorization at all.
        (401, bodies.dellin(101001, status=401), "fail_fast"),
        (401, bodies.dellin(101002, status=401), "fail_fast"),
        (401, bodies.dellin(101003, status=401), "fail_fast"),
        (401, bodies.dellin(101004, status=401), "reauth"),
        (401, bodies.dellin(101005, status=401), "reauth"),
        (401, bodies.dellin(101006, status=401), "fail_fast"),
        (401, bodies.dellin(101007, status=401), "block_warning"),
        (401, bodies.dellin(101008, status=401), "fail_fast"),
        (401, bodies.dellin_xml(101009, status=401), "fail_fast"),
        (401, bodies.dellin(101010, status=401), "fail_fast"),
        (401, b"", "fail_fast"),
        # Counts that sound like limits.
        (400, bodies.dellin(110006), "fail_fast"),
        (400, bodies.dellin(130024), "fail_fast"),
        (429, bodies.dellin(100005, status=429), "back_off"),
        (429, b"", "back_off"),
        (403, bodies.dellin(100004, status=403), "fail_fast"),
        # A 400 among internal errors, and internal errors among 400s.
        (400, bodies.dellin(120201), "fail_fast"),
        (500, bodies.dellin(130001, status=500), "retry"),
        (500, bodies.dellin(150002, status=500), "retry"),
        (400, bodies.dellin(180016), "fail_fast"),
        # Several errors: the most severe decides, in either format.
        (400, bodies.dellin(281016, 281017, 117004), "fail_fast"),
        (400, bodies.dellin_xml(281016, 281017, 117004), "fail_fast"),
        (500, bodies.dellin(100006, 110003), "fail_fast"),
        (401, bodies.dellin(101004, 101007), "block_warning"),
        (401, bodies.dellin(101004, 110001), "fail_fast"),
        (429, bodies.dellin_xml(100006, 100005), "back_off"),
        (401, bodies.dellin_xml(100005, 101004), "reauth"),
        # Inside a success; spelt as the page's other example spells it.
        (200, bodies.dellin(101004, key="MetaData"), "reauth"),
        (200, b'{"metadata": {"status": 200}, "data": {"sessionID": "1"}}', None),
        (200, b'{"metadata": {"status": 200}, "errors": []}', None),
        (200, b"<response><data><errors/></data></response>", None),
        # The oldest methods: an error without a code.
        (200, '{"errors": "Неверный параметр"}'.encode(), "fail_fast"),
        (200, b'{"errormsg": "not found"}', "fail_fast"),
        # Not the API at all, but the filter before it.
        (401, "<html><p>Доступ к ресурсу ограничен</p></html>".encode(), "block_warning"),  # noqa: RUF001
        (502, bodies.page(502, "Bad Gateway"), "retry"),
    ]
]

UNISENDER: list[Row] = [
    ("unisender", status, "GET", MAIL, body, policy)
    for status, body, policy in [
        # Every error comes inside a success.
        (200, bodies.unisender("retry_later"), "retry"),
        (200, bodies.unisender("invalid_api_key"), "fail_fast"),
        (200, bodies.unisender("access_denied"), "fail_fast"),
        (200, bodies.unisender("not_enough_money"), "fail_fast"),
        (200, bodies.unisender("api_call_limit_exceeded_for_api_key"), "back_off"),
        (200, bodies.unisender("api_call_limit_exceeded_for_ip"), "back_off"),
        (200, bodies.unisender("too_many_double_optins"), "fail_fast"),
        (200, bodies.unisender("brand_new"), "fail_fast"),
        (200, bodies.unisender("unspecified"), "fail_fast"),
        (200, bodies.unisender(None, "boom"), "fail_fast"),
        # Texts, beside a code that would say otherwise, and from a program that broke off.
        (200, bodies.unisender("retry_later", "list 5 has no confirmation letters"), "fail_fast"),
        (200, b"<br />Call to a member function getMessage() on boolean in /x.php", "fail_fast"),
        (500, b"Call to a member function getMessage() on bool", "fail_fast"),
        # Successes, whatever words they carry, and letters that failed one by one.
        (200, b'{"result": {"title": "no confirmation letters"}}', None),
        (200, b'{"result": [{"index": 0, "errors": [{"code": "invalid_arg"}]}]}', None),
        (200, b'{"result": []}', None),
        (503, b"", "retry"),
    ]
]

HTTP: list[Row] = [
    ("http", status, "GET", "https://x/", b"", policy)
    for status, policy in [
        (400, "fail_fast"),
        (401, "reauth"),
        (403, "fail_fast"),
        (407, "fail_fast"),
        (408, "retry"),
        (409, "fail_fast"),
        (429, "back_off"),
        (444, "retry"),
        (500, "retry"),
        (501, "fail_fast"),
        (502, "retry"),
        (503, "retry"),
        (504, "retry"),
        (505, "fail_fast"),
        (510, "fail_fast"),
        (599, "retry"),
        (418, "fail_fast"),
        (200, None),
        (302, None),
        (304, None),
    ]
]

ROWS = [*RADIST, *DELLIN, *UNISENDER, *HTTP]


def label(row: Row) -> str:
    """Return what a row is called in a report."""
    catalog, status, method, url, _, policy = row
    return f"{catalog}-{status}-{method}-{url.rpartition('/')[2]}-{policy}"


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_policy(row: Row) -> None:
    """The response gets the policy that its meaning asks for."""
    catalog, status, method, url, body, policy = row
    failure = resilient.classify(catalog, status=status, method=method, url=url, body=body)
    assert policy == (None if failure is None else failure.entry.policy)
