"""Every error that a vendor's page lists is known, by a list written down from the page."""

from collections.abc import Iterator

import pytest
import vendor_bodies as bodies

import resilient
from resilient.catalog import Entry
from resilient.model import Failure

RADIST = """
1:REQUEST_VALIDATION_ERROR 10:NOT_PAID 11:NOT_IN_SUBSCRIPTION 400:BAD_REQUEST 404:NOT_FOUND
413:REQUEST_TOO_LARGE 429:TOO_MANY_REQUESTS 500:INTERNAL_SERVER_ERROR 1000:CONTACT_NOT_FOUND
1001:CONTACT_PHONE_EMAIL_CONFLICT 1002:CONTACT_TAG_NOT_EXISTS 2000:NOTE_NOT_FOUND
3000:TAG_NOT_FOUND 3001:TAG_ALREADY_EXISTS 4000:CHAT_NOT_FOUND 5000:MEMBER_NOT_FOUND
6000:ITEM_NOT_FOUND 6001:ITEM_DUPLICATE_ERROR 7000:TEMPLATE_NOT_FOUND
7001:TEMPLATE_WABA_ERROR 7002:TEMPLATE_WABA_ACCESS_ERROR
7003:TEMPLATE_WABA_PHONE_INVALID_ERROR 7004:TEMPLATE_WABA_NOT_FOUND 8000:COMPANY_NOT_FOUND
8001:COMPANY_LIMIT_INCORRECT_TYPE 10000:CONNECTION_NOT_FOUND 10001:CONNECTION_ALREADY_EXISTS
10002:CONNECTION_TYPE_MISMATCH 10004:CONNECTION_INCORRECT_CLIENT_DATA
10005:CONNECTION_AMOCRM_UNKNOWN_ERROR 10006:CONNECTION_AMOCRM_ACCESS_DENIED
10007:CONNECTION_BLACKLIST_CHAT_IS_ALREADY_BLACKLISTED
10008:CONNECTION_BLACKLIST_CHAT_IS_NOT_BLACKLISTED 10009:CONNECTION_BLACKLIST_LIMIT_EXCEEDED
10010:CONNECTION_LIMIT_EXCEEDED 10011:CONNECTION_AMOCRM_INVOICE_CATALOG_NOT_FOUND
10012:CONNECTION_BOUND_TO_ANOTHER_COMPANY 10013:CONNECTION_AMOCRM_NOT_PAID
10014:CONNECTION_AMOCRM_PIPELINE_NOT_EXISTS 10015:CONNECTION_BLACKLIST_CHAT_EXPECTED_CHAT_ID
11000:UNAUTHORIZED 12000:ENTITY_NOT_FOUND 12001:ENTITY_INCORRECT_CLIENT_DATA
12002:ENTITY_SIGNER_NOT_FOUND 13000:INTEGRATION_NOT_FOUND 13001:INTEGRATION_INCORRECT_TYPE
13002:INTEGRATION_UNSUPPORTED 13003:INTEGRATION_DELETED 13004:INTEGRATION_INVALID_STATE
13005:INTEGRATION_ALREADY_LINKED 13006:INTEGRATION_LIMIT_EXCEEDED 14000:PROMOCODE_NOT_FOUND
14001:PROMOCODE_ALREADY_EXISTS 14002:PROMOCODE_LIMIT_EXCEEDED
15000:MESSAGING_MODE_NOT_SUPPORTED 15001:MESSAGING_UNABLE_TO_VALIDATE_PHONE
15002:MESSAGING_MESSAGE_NOT_FOUND 15003:MESSAGING_PHONE_NO_WHATSAPP
15004:MESSAGING_CONNECTION_TYPE_UNSUPPORTED 15005:MESSAGING_INCORRECT_WABA_API_KEY
15006:MESSAGING_CHATAPI_INSTANCE_NOT_AUTHORIZED 15007:MESSAGING_CHATAPI_INSTANCE_NOT_PAID
15008:MESSAGING_CHATAPI_INSTANCE_NOT_AVAILABLE 15009:MESSAGING_TELEGRAM_CREATE_CHAT_ERROR
15010:MESSAGING_WABA_TEMPLATE_NOT_FOUND 15011:MESSAGING_FILE_URL_NOT_SUPPORTED
15012:MESSAGING_MARKUP_NOT_SUPPORTED 15013:MESSAGING_MAX_PERSONAL_CREATE_CHAT_ERROR
15014:MESSAGING_CONTACT_RESPONSIBLE_USER_MISMATCH 16000:FILE_MIME_TYPE_NOT_SUPPORTED
17000:TELEGRAM_GENERIC_ERROR 17001:TELEGRAM_VERIFICATION_CODE_EXPIRED
17002:TELEGRAM_FLOOD_ERROR 17003:TELEGRAM_2FA_PASSWORD_NEEDED
17004:TELEGRAM_ALREADY_AUTHORIZED 17005:TELEGRAM_CODE_EXPIRED
17006:TELEGRAM_2FA_PASSWORD_INCORRECT 17007:TELEGRAM_NOT_OCCUPIED_ERROR
17008:TELEGRAM_AUTH_ERROR 17009:TELEGRAM_CODE_INVALID 17010:TELEGRAM_PHONE_INVALID
17011:TELEGRAM_PHONE_BANNED 18000:INVOICE_GENERIC_ERROR 18001:INVOICE_NOT_FOUND
18002:INVOICE_UNSUPPORTED_VAT_VALUE 18003:INVOICE_PROVIDER_ERROR 19000:BITRIX_UNKNOWN_ERROR
19001:BITRIX_ACCESS_DENIED 20000:WEBHOOK_NOT_FOUND 20001:WEBHOOK_VALIDATION_ERROR
21000:ROLE_ALREADY_EXISTS 21001:ROLE_NOT_FOUND 21002:ROLE_DEFAULT_ROLE_CANNOT_BE_UPDATED
21003:ROLE_PERMISSION_NOT_FOUND 22001:SUBSCRIPTION_NOT_FOUND
22002:SUBSCRIPTION_NOT_ENOUGH_DAYS 22003:SUBSCRIPTION_REQUISITE_NOT_FOUND
22004:SUBSCRIPTION_PROMO_CODE_INVALID 22005:SUBSCRIPTION_PAUSED
22006:SUBSCRIPTION_PAYMENTS_LOCKED 22007:SUBSCRIPTION_DATE_INVALID
22008:SUBSCRIPTION_DIALOGS_LOCKED 22009:SUBSCRIPTION_MAX_SIZE_EXCEEDED
22010:SUBSCRIPTION_INVOICE_EMPTY 22011:SUBSCRIPTION_DOWNGRADE_NOT_ALLOWED
22012:SUBSCRIPTION_MAX_SIZE_INVALID 22013:SUBSCRIPTION_PLAN_INVALID
23000:SALES_SHOP_NOT_FOUND 23001:SALES_CATALOG_NOT_FOUND 23002:SALES_PRODUCT_NOT_FOUND
24000:BROADCAST_NOT_FOUND 24001:BROADCAST_UNSUPPORTED_CONNECTION
24002:BROADCAST_UNABLE_TO_UPDATE 25000:FACEBOOK_UNABLE_TO_BIND 25001:FACEBOOK_TOKEN_EXPIRED
25002:FACEBOOK_CATALOG_NOT_FOUND 25003:FACEBOOK_ACCOUNT_NOT_LINKED
25004:FACEBOOK_UNHANDLED_EXCEPTION 25005:FACEBOOK_INVALID_APP_ID
25006:FACEBOOK_INVALID_APP_SECRET 26000:USER_FORM_ALREADY_FILLED
26001:USER_FORM_NOT_AVAILABLE 27000:NOTIFICATION_CHANNEL_LIMIT_EXCEEDED
27001:NOTIFICATION_CHANNEL_DUPLICATE_ERROR 28000:PARTNER_PAYOUT_LOCKED
28001:PARTNER_PAYOUT_INSUFFICIENT_BALANCE 28002:PARTNER_CREATE_CLIENT_ALREADY_EXISTS
28003:PARTNER_CREATE_CLIENT_LIMIT_EXCEEDED 29000:WABA_SETTINGS_NOT_AVAILABLE
30000:MAX_PERSONAL_GENERIC_ERROR 30001:MAX_PERSONAL_UNABLE_TO_SEND_VERIFICATION_CODE
30002:MAX_PERSONAL_INVALID_VERIFICATION_CODE 30003:MAX_PERSONAL_CONTACT_NOT_FOUND
30004:MAX_PERSONAL_2FA_PASSWORD_INCORRECT 30005:MAX_PERSONAL_2FA_PASSWORD_TOO_MANY_ATTEMPS
31000:YANDEX_METRICA_GENERIC_ERROR 31001:YANDEX_METRICA_AUTHORIZATION_ERROR 99999:OTHER
"""
"""Each code of the page with its name."""

DELLIN = """
415: 100001
404: 100002
410: 100003
403: 100004
429: 100005
500: 100006 120001 120002 120101 120102 120301 121001 121002 130001 150001 150002
401: 101001 101002 101003 101004 101005 101006 101007 101008 101009
400: 110001 110002 110003 110004 110005 110006 110007 110008 120201 130002 130003 130004
400: 130005 130006 130007 130008 130009 130010 130014 130015 130017 130021 130022 130023 130024
400: 180001 180002 180003 180004 180005 180006 180007 180008 180009 180010 180011 180012
400: 180013 180014 180015 180016 180017
"""
"""The codes of the page's table by their HTTP status."""

DELLIN_EXAMPLE = (281016, 281017, 117004)
"""What the page's example of a response holds, and its table does not."""

UNISENDER = """
unspecified invalid_api_key access_denied unknown_method invalid_arg not_enough_money
retry_later api_call_limit_exceeded_for_api_key api_call_limit_exceeded_for_ip
"""

UNISENDER_TEXTS = (
    '"These list ids=»5» has no confirmation letters"',
    "Contacts test@example.org and +77777777 already exist but owned by different subscribers",
    "Call to a member function getMessage() on boolean",
)

HTTP_4XX = """
400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 428 429 431 444 451
"""
HTTP_5XX = "500 501 502 503 504 505 510"

AMOCRM_AUTHORIZATION = {110: 401, 111: 401, 112: 401, 113: 403, 101: 401}
"""Codes of authorization with their HTTP status."""

AMOCRM = """
contacts: 202 203 205 212 219 330
leads: 330
events: 244 225
tasks: 231 233 234 235 236 237 244
catalogs: 244 281 282
catalog_elements: 203 204 244 280 282
customers: 288 402 425 426
account: 400 422 405 402 403 429 2002
"""
"""The codes of each section; the last are those of no section."""

AMOCRM_ANSWERS = {"280", "2002"}
"""What stands in the table and is no error: an element was created, nothing was found."""


def found(failure: Failure | None) -> Entry:
    """Return what explains the only error of a response, which the catalog knows."""
    assert failure is not None
    assert () == failure.unmapped
    (only,) = failure.found
    return only.entry


def listed(text: str) -> Iterator[tuple[str, str]]:
    """Yield `(heading, item)` from lines of `heading: item item`."""
    for line in text.strip().splitlines():
        heading, _, items = line.partition(": ")
        yield from ((heading, item) for item in items.split())


def test_the_lists_are_whole() -> None:
    """The lists are as long as the pages' tables."""
    assert 138 == len(set(RADIST.split()))
    assert 67 == len(set(listed(DELLIN)))
    assert (9, 3, 21, 7) == (
        len(UNISENDER.split()),
        len(UNISENDER_TEXTS),
        len(HTTP_4XX.split()),
        len(HTTP_5XX.split()),
    )
    assert 40 == len(AMOCRM_AUTHORIZATION) + len(list(listed(AMOCRM)))


@pytest.mark.parametrize("pair", RADIST.split())
@pytest.mark.parametrize("status", [200, 400])
def test_radist(pair: str, status: int) -> None:
    """Each code is known by the vendor's name, whatever the status, which no page gives."""
    code, _, name = pair.partition(":")
    entry = found(resilient.classify("radist", status=status, body=bodies.radist(int(code))))
    assert (code, name) == (entry.code, entry.name)


@pytest.mark.parametrize(("status", "code"), [*listed(DELLIN)])
def test_dellin(status: str, code: str) -> None:
    """Each code is known in JSON and in XML, with the HTTP status that the page gives."""
    for body in (bodies.dellin(int(code)), bodies.dellin_xml(int(code))):
        entry = found(resilient.classify("dellin", status=int(status), method="POST", body=body))
        assert (code, int(status)) == (entry.code, entry.http_status)


@pytest.mark.parametrize("code", DELLIN_EXAMPLE)
def test_dellin_example(code: int) -> None:
    """The codes of the page's example are known, with the example's status."""
    entry = found(resilient.classify("dellin", status=400, body=bodies.dellin_xml(code)))
    assert (str(code), 400) == (entry.code, entry.http_status)


@pytest.mark.parametrize("code", UNISENDER.split())
def test_unisender(code: str) -> None:
    """Each code is known inside an HTTP 200."""
    entry = found(resilient.classify("unisender", status=200, body=bodies.unisender(code)))
    assert (code, 200) == (entry.code, entry.http_status)


@pytest.mark.parametrize("text", UNISENDER_TEXTS)
@pytest.mark.parametrize("code", ["unspecified", "invalid_arg", "another", None])
def test_unisender_texts(text: str, code: str | None) -> None:
    """The errors that have no code of their own are known by their text, beside any code."""
    body = bodies.unisender(code, f"OB13012016 [{text}]")
    failure = resilient.classify("unisender", status=200, body=body)
    assert failure is not None
    assert ("text", "fail_fast") == (failure.entry.kind, failure.entry.policy)


@pytest.mark.parametrize("status", (HTTP_4XX + HTTP_5XX).split())
@pytest.mark.parametrize("name", ["http", "radist", "hh"])
def test_http(name: str, status: str) -> None:
    """Each status of the page is explained, behind every other catalog as well."""
    entry = found(resilient.classify(name, status=int(status)))
    assert ("status", int(status)) == (entry.kind, entry.status)
    assert entry.meaning
    assert not entry.name.startswith("status_")


@pytest.mark.parametrize(("code", "status"), [*AMOCRM_AUTHORIZATION.items()])
def test_amocrm_authorization(code: int, status: int) -> None:
    """Each code of authorization is known, with its HTTP status."""
    entry = found(resilient.classify("amocrm", status=status, body=bodies.amocrm_v2(code)))
    assert (str(code), status) == (entry.code, entry.http_status)


@pytest.mark.parametrize(("section", "code"), [*listed(AMOCRM)])
@pytest.mark.parametrize("path", ["/api/v2/{}", "/private/api/v2/json/{}/set"])
def test_amocrm(section: str, code: str, path: str) -> None:
    """Each code of each section is known where the section is asked, and only there as its own."""
    url = "https://a.amocrm.ru" + path.format("notes" if section == "events" else section)
    body = bodies.amocrm_v2(code)
    failure = resilient.classify("amocrm", status=400, method="POST", url=url, body=body)
    if code in AMOCRM_ANSWERS:
        assert failure is None
        return
    entry = found(failure)
    assert code == entry.code
    assert entry.endpoint in (None, section)


def test_amocrm_codes_of_many_sections() -> None:
    """A code that several sections list has a meaning of its own in each."""
    rows = list(listed(AMOCRM))
    for code in ("203", "244", "282", "330", "402"):
        sections = [section for section, each in rows if each == code]
        urls = [f"https://a.amocrm.ru/api/v2/{s}" for s in sections]
        body = bodies.amocrm_v2(code)
        entries = [found(resilient.classify("amocrm", status=400, url=u, body=body)) for u in urls]
        assert len(sections) == len({entry.meaning for entry in entries})


def test_amocrm_validation() -> None:
    """The page's example of a failed validation is known."""
    body = bodies.amocrm_invalid("NotSupportedChoice")
    entry = found(resilient.classify("amocrm", status=400, body=body))
    assert ("NotSupportedChoice", "fail_fast") == (entry.code, entry.policy)
