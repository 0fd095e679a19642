import pytest
import vendor_bodies as bodies

import resilient
from resilient.catalog import Entry
from resilient.model import Failure

ROWS = """
400 bad_user_agent/unset
400 bad_user_agent/blacklisted
403 oauth/bad_authorization
403 oauth/token_expired
403 oauth/token_revoked
403 oauth/application_not_found
403 oauth/user_auth_expected
403 api_access_payment/action_must_be_payed
404 saved_searches/saved_search_not_found
404 saved_searches/manager_not_found
400 negotiations/vacancy_not_found
403 negotiations/invalid_vacancy
400 negotiations/resume_not_found
403 negotiations/resume_not_found
403 negotiations/already_applied
403 negotiations/test_required
403 negotiations/resume_visibility_conflict
403 negotiations/edit_forbidden
403 negotiations/application_denied
400 negotiations/limit_exceeded
403 negotiations/limit_exceeded
403 negotiations/wrong_state
403 negotiations/empty_message
403 negotiations/too_long_message
403 negotiations/address_not_found
403 negotiations/not_enough_purchased_services
403 negotiations/in_a_row_limit
403 negotiations/overall_limit
403 negotiations/no_invitation
403 negotiations/message_cannot_be_empty
403 negotiations/disabled_by_employer
403 negotiations/resume_deleted
403 negotiations/archived
403 negotiations/chat_archived
403 vacancies/not_enough_purchased_services
403 vacancies/quota_exceeded
403 vacancies/duplicate
403 vacancies/creation_forbidden
403 vacancies/unavailable_for_archived
403 vacancies/conflict_changes
403 vacancies/prolongation_forbidden
403 vacancies/too_early
403 managers/already_exist
403 managers/creation_limit_exceeded
400 bad_argument/with_contact
400 resumes/total_limit_exceeded
429 resumes/view_limit_exceeded
403 resumes/quota_exceeded
403 resumes/no_available_service
403 resumes/cant_view_contacts
400 bad_argument/id
400 bad_argument/id/too_many_bulk_items
403 manager_extra_accounts/manager_extra_account_not_found
403 manager_accounts/used_manager_account_forbidden
503 service_unavailable
"""
"""Status, type, value and reason of the page's tables; some stand there with two statuses."""

FIELDS = """
400 bad_argument/employer_id bad_argument/*
400 bad_json_data/salary bad_json_data/*
400 managers/email managers/*
403 managers/email/not_editable managers/*/not_editable
403 captcha_required/captcha_required captcha_required/*
"""
"""Rows whose value is the name of a field, and the entry that is meant."""

REASONS = """
is_empty wrong_size is_too_short is_too_long currency_code_is_invalid
chosen_area_is_not_a_leaf_or_not_exist email_in_description anonymous_vacancy_contains_address
anonymous_vacancy_has_real_company_name only_for_anonymous_type address_is_disabled
vacancy_type_employer_billing_type_mismatch only_for_direct_type
address_is_empty_with_checked_show_metro_flag address_has_no_metro_but_checked_show_metro_flag
default_vacancy_branded_template_is_invalid_or_not_enough_purchased_services
department_code_prohibited_in_anonymous_vacancy branded_template_prohibited_in_anonymous_vacancy
value_conflict_with_business_rules
"""

TOKEN = """
400 invalid_request/account not found
400 invalid_request/account is locked
400 invalid_request/password invalidated
400 invalid_request/login not verified
400 invalid_request/bad redirect url
400 invalid_request/token is empty
400 invalid_request/token not found
400 invalid_request/code not found
400 invalid_client/client_id or client_secret not found
400 invalid_grant/token has already been refreshed
400 invalid_grant/token not expired
400 invalid_grant/token was revoked
400 invalid_grant/bad token
400 invalid_grant/code has already been used
400 invalid_grant/code expired
400 invalid_grant/code was revoke
400 invalid_grant/token deactivated
400 unsupported_grant_type/unsupported grant_type
403 forbidden/app token refresh too early
"""


def rows(text: str) -> list[list[str]]:
    """Return the lines, each as its status and the rest."""
    return [line.split(" ", 1) for line in text.strip().splitlines()]


def found(failure: Failure | None) -> Entry:
    """Return what explains the only error of a response, which the catalog knows."""
    assert failure is not None
    assert () == failure.unmapped
    (only,) = failure.found
    return only.entry


@pytest.mark.parametrize(("status", "code"), rows(ROWS))
def test_rows(status: str, code: str) -> None:
    """Each row of the page is known by all its parts, with its status."""
    entry = found(resilient.classify("hh", status=int(status), body=bodies.hh(code)))
    assert code == entry.code
    assert entry.http_status == int(status) or f"400 {code}" in ROWS


@pytest.mark.parametrize(("status", "rest"), rows(FIELDS))
def test_rows_of_fields(status: str, rest: str) -> None:
    """A value that names a field is known whatever the field."""
    code, entry = rest.split()
    assert entry == found(resilient.classify("hh", status=int(status), body=bodies.hh(code))).code


@pytest.mark.parametrize("reason", REASONS.split())
def test_reasons(reason: str) -> None:
    """Each reason why a vacancy is not accepted is known, whatever the field."""
    body = bodies.hh(f"bad_json_data/description/{reason}")
    entry = found(resilient.classify("hh", status=400, body=body))
    assert (f"bad_json_data/*/{reason}", "fail_fast") == (entry.code, entry.policy)


@pytest.mark.parametrize(("status", "code"), rows(TOKEN))
def test_tokens(status: str, code: str) -> None:
    """Each error of the token endpoint is known, with its status."""
    body = bodies.hh_token(*code.split("/"))
    entry = found(resilient.classify("hh", status=int(status), method="POST", body=body))
    assert (code, int(status)) == (entry.code, entry.http_status)


def test_the_lists_are_whole() -> None:
    """The lists are as long as the page's tables, two rows for two statuses."""
    assert (55, 5, 19, 19) == (
        len(rows(ROWS)),
        len(rows(FIELDS)),
        len(REASONS.split()),
        len(rows(TOKEN)),
    )
