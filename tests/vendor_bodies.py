"""What five vendors answer, written from their own pages and from recorded replies.

Apart from the catalogs on purpose: a body made from a catalog's sample would prove nothing.
"""

import json


def radist(code: int, name: str = "SOME_NAME", message: str = "some message") -> bytes:
    """Return an error of the messenger hub."""
    return json.dumps(
        {"error_code": code, "error_name": name, "message": message, "detail": {}}
    ).encode()


def dellin(*codes: int, status: int = 400, key: str = "metadata") -> bytes:
    """Return errors of the freight carrier in JSON; `key` is spelt both ways."""
    head = {"status": status, "detail": "abc", "generated_at": "2015-06-18 12:37:28"}
    errors = [
        {
            "code": code,
            "title": "ошибка",
            "detail": "контрагент не может быть отправителем",
            "link": f"https://dev.dellin.ru/api/ordering/request/#error_{code}",
            "fields": ["receiver"],
        }
        for code in codes
    ]
    return json.dumps({key: head, "errors": errors}, ensure_ascii=False).encode()


def dellin_xml(*codes: int, status: int = 400) -> bytes:
    """Return the same in XML."""
    errors = "".join(
        f"<errors><code>{code}</code><title>ошибка</title><detail>подробности</detail>"
        "<fields>requester</fields><validValues>1</validValues><validValues>2</validValues></errors>"
        for code in codes
    )
    head = f"<metadata><status>{status}</status><detail>abc</detail></metadata>"
    return f'<?xml version="1.0" encoding="UTF-8"?><response>{head}{errors}</response>'.encode()


def unisender(code: str | None, error: str = "AK100310-02") -> bytes:
    """Return an error of the mailing service; its frequent errors have no code of their own."""
    return json.dumps({"error": error} | ({} if code is None else {"code": code})).encode()


def hh(*codes: str) -> bytes:
    """Return errors of the job board from `type/value/reason`."""
    errors = [
        dict(zip(("type", "value", "reason"), code.split("/"), strict=False)) for code in codes
    ]
    return json.dumps({"request_id": "1", "description": "d", "errors": errors}).encode()


def hh_token(error: str, description: str) -> bytes:
    """Return an error of its token endpoint."""
    return json.dumps({"error": error, "error_description": description}).encode()


def amocrm_v2(code: int | str, error: str = "текст") -> bytes:
    """Return an error of the CRM's older API: the code is a text."""
    return json.dumps({"response": {"error": error, "error_code": str(code)}}).encode()


def amocrm_invalid(code: str) -> bytes:
    """Return its answer to data that do not fit."""
    error = {"code": code, "path": "custom_fields_values.0.field_id", "detail": "Not a choice."}
    body = {
        "validation-errors": [{"request_id": "0", "errors": [error]}],
        "title": "Bad Request",
        "type": "https://httpstatus.es/400",
        "status": 400,
        "detail": "Request validation failed",
    }
    return json.dumps(body).encode()


def amocrm_v4(status: int, title: str, detail: str = "", **more: str) -> bytes:
    """Return an error of its newer API, which has no codes."""
    kind = f"https://httpstatus.es/{status}"
    body: dict[str, object] = {
        "title": title,
        "type": kind,
        "status": status,
        "detail": detail,
    }
    return json.dumps(body | more, ensure_ascii=False).encode()


def page(status: int, title: str) -> bytes:
    """Return a page of nginx."""
    head = f"<html>\r\n<head><title>{status} {title}</title></head>\r\n"
    return f"{head}<body>\r\n<center><h1>{status} {title}</h1></center>\r\n</body></html>".encode()
