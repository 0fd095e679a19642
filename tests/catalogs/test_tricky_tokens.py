"""The same for the vendors whose tokens expire: what is theirs, ours, and somebody's own."""

import pytest
import vendor_bodies as bodies

import resilient

JOBS = "https://api.hh.ru/negotiations"
CRM = "https://a.amocrm.ru/api/v2/leads"
CRM4 = "https://a.amocrm.ru/api/v4/leads"
CRM_TOKEN = "https://a.amocrm.ru/oauth2/access_token"

Row = tuple[str, int, str, str, bytes, str | None]

HH: list[Row] = [
    ("hh", status, method, url, body, policy)
    for status, method, url, body, policy in [
        # Four kinds of 403: a token to renew, a captcha, a person's matter, a rule of business.
        (403, "GET", JOBS, bodies.hh("oauth/token_expired"), "reauth"),
        (403, "GET", JOBS, bodies.hh("captcha_required/captcha_required"), "block_warning"),
        (403, "GET", JOBS, bodies.hh("oauth/token_revoked"), "fail_fast"),
        (403, "GET", JOBS, bodies.hh("oauth/bad_authorization"), "fail_fast"),
        (403, "GET", JOBS, bodies.hh("oauth/user_auth_expected"), "fail_fast"),
        (403, "GET", JOBS, bodies.hh("oauth"), "fail_fast"),
        (403, "GET", JOBS, bodies.hh("api_access_payment/action_must_be_payed"), "fail_fast"),
        (403, "POST", JOBS, bodies.hh("negotiations/already_applied"), "fail_fast"),
        (403, "GET", JOBS, b"<html>ddos-guard</html>", "block_warning"),
        (403, "GET", JOBS, b"", "fail_fast"),
        # Counts and days that sound like rates.
        (403, "POST", JOBS, bodies.hh("negotiations/limit_exceeded"), "fail_fast"),
        (400, "POST", JOBS, bodies.hh("negotiations/limit_exceeded"), "fail_fast"),
        (403, "POST", JOBS, bodies.hh("negotiations/in_a_row_limit"), "fail_fast"),
        (403, "POST", JOBS, bodies.hh("negotiations/overall_limit"), "fail_fast"),
        (403, "POST", JOBS, bodies.hh("vacancies/quota_exceeded"), "fail_fast"),
        (403, "PUT", JOBS, bodies.hh("vacancies/too_early"), "fail_fast"),
        (403, "POST", JOBS, bodies.hh("managers/creation_limit_exceeded"), "fail_fast"),
        (400, "POST", JOBS, bodies.hh("resumes/total_limit_exceeded"), "fail_fast"),
        (429, "GET", JOBS, bodies.hh("resumes/view_limit_exceeded"), "fail_fast"),
        # A bare 429 is a rate, but for three resources where it is hours, or a day.
        (429, "GET", "https://api.hh.ru/vacancies/5", b"", "back_off"),
        (429, "GET", "https://api.hh.ru/resumes/5", b"", "fail_fast"),
        (429, "POST", "https://api.hh.ru/resumes/5/publish", b"", "fail_fast"),
        (429, "POST", "https://api.hh.ru/vacancies/drafts", b"", "fail_fast"),
        (429, "GET", "https://api.hh.ru/vacancies/drafts", b"", "back_off"),
        # Tokens: a refusal there is for a person; asking too early is a matter of waiting.
        (
            400,
            "POST",
            "https://api.hh.ru/token",
            bodies.hh_token("invalid_grant", "x"),
            "fail_fast",
        ),
        (
            400,
            "POST",
            "https://api.hh.ru/token",
            bodies.hh_token("invalid_grant", "token not expired"),
            "fail_fast",
        ),
        (
            403,
            "POST",
            "https://api.hh.ru/token",
            bodies.hh_token("forbidden", "app token refresh too early"),
            "back_off",
        ),
        # Too fast, told by a 400 without a reason; a body that is broken is told alike.
        (400, "GET", "https://api.hh.ru/vacancies", bodies.hh("bad_request"), "back_off"),
        (400, "POST", "https://api.hh.ru/vacancies", bodies.hh("bad_request"), "fail_fast"),
        (400, "GET", "https://api.hh.ru/vacancies", bodies.hh("bad_argument/page"), "fail_fast"),
        # Theirs; also without JSON.
        (503, "GET", JOBS, bodies.hh("service_unavailable"), "retry"),
        (502, "GET", JOBS, bodies.hh("bad_gateway"), "retry"),
        (500, "GET", JOBS, bodies.page(500, "Internal Server Error"), "retry"),
        # Several, and new ones.
        (403, "GET", JOBS, bodies.hh("oauth/token_expired", "captcha_required/x"), "block_warning"),
        (
            403,
            "GET",
            JOBS,
            bodies.hh("oauth/token_expired", "resumes/no_available_service"),
            "fail_fast",
        ),
        (403, "GET", JOBS, bodies.hh("brand/new"), "fail_fast"),
        (401, "GET", JOBS, b"", "reauth"),
        (200, "GET", JOBS, bodies.hh("oauth/token_expired"), None),
    ]
]

AMOCRM: list[Row] = [
    ("amocrm", status, method, url, body, policy)
    for status, method, url, body, policy in [
        # Codes that are no errors.
        (200, "POST", CRM, bodies.amocrm_v2(280), None),
        (200, "GET", CRM, bodies.amocrm_v2(2002), None),
        (204, "GET", CRM4, b"", None),
        (400, "POST", CRM, bodies.amocrm_v2(204), "fail_fast"),
        # 401: the access token here, the refresh token there, and what no token mends.
        (401, "GET", CRM, bodies.amocrm_v2(110), "reauth"),
        (
            401,
            "GET",
            CRM4,
            bodies.amocrm_v4(401, "Unauthorized", "Неверный логин или пароль"),
            "reauth",
        ),
        (401, "GET", CRM4, bodies.amocrm_v4(401, "x", hint="Token has been revoked"), "reauth"),
        (401, "POST", CRM_TOKEN, bodies.amocrm_v2(110), "fail_fast"),
        (
            401,
            "POST",
            CRM_TOKEN,
            bodies.amocrm_v4(401, "x", hint="Token has been revoked"),
            "fail_fast",
        ),
        (401, "POST", CRM_TOKEN, bodies.amocrm_v4(401, "x", "Некорректный клиент"), "fail_fast"),
        (401, "POST", CRM_TOKEN, b"", "fail_fast"),
        (
            401,
            "POST",
            "https://a.amocrm.ru/private/api/auth.php",
            bodies.amocrm_v2(110),
            "fail_fast",
        ),
        (401, "GET", CRM, bodies.amocrm_v2(111), "block_warning"),
        (401, "GET", CRM, bodies.amocrm_v2(112), "fail_fast"),
        (401, "GET", CRM, bodies.amocrm_v2(101), "fail_fast"),
        (400, "GET", CRM, bodies.amocrm_v2(101), "fail_fast"),
        # 403: the owner's white list, a missing right, and the ban as code, as page and bare.
        (403, "GET", CRM, bodies.amocrm_v2(113), "fail_fast"),
        (403, "GET", CRM4, bodies.amocrm_v4(403, "Forbidden"), "fail_fast"),
        (403, "GET", CRM, bodies.amocrm_v2(403), "block_warning"),
        (403, "GET", CRM4, bodies.page(403, "Forbidden"), "block_warning"),
        (403, "GET", CRM4, b"", "block_warning"),
        (429, "GET", CRM4, bodies.page(429, "Too Many Requests"), "back_off"),
        (429, "GET", CRM, bodies.amocrm_v2(429), "back_off"),
        # Counts of links.
        (400, "POST", "https://a.amocrm.ru/api/v2/contacts", bodies.amocrm_v2(330), "fail_fast"),
        # Theirs.
        (400, "GET", "https://a.amocrm.ru/api/v2/contacts", bodies.amocrm_v2(219), "retry"),
        (400, "POST", "https://a.amocrm.ru/api/v2/catalogs", bodies.amocrm_v2(281), "retry"),
        (400, "POST", "https://a.amocrm.ru/api/v2/contacts", bodies.amocrm_v2(203), "retry"),
        (504, "POST", CRM4, bodies.page(504, "Gateway Time-out"), "retry"),
        # Paid for, or not.
        (402, "GET", CRM, bodies.amocrm_v2(402), "fail_fast"),
        (402, "GET", CRM4, b"", "fail_fast"),
        (400, "POST", "https://a.amocrm.ru/api/v2/customers", bodies.amocrm_v2(425), "fail_fast"),
        # Items of a success that were refused.
        (200, "POST", CRM, b'{"_embedded": {"errors": {"add": [{"code": 330}]}}}', "fail_fast"),
        (200, "POST", CRM, b'{"_embedded": {"errors": {"update": {"5": "text"}}}}', "fail_fast"),
        (200, "POST", CRM, b'{"_embedded": {"items": [], "errors": {"add": []}}}', None),
        (400, "POST", CRM, bodies.amocrm_v2(99999), "fail_fast"),
    ]
]

ROWS = [*HH, *AMOCRM]


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
