"""Fuzz recognition: any status, headers and body, against every shipped catalog.

`make fuzz` runs it for a while; a finding is written to a file, which can be given to it again.
"""

import sys
from functools import cache

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["resilient"]):
    import resilient
    from resilient.config.build import one_service
    from resilient.config.resources import names
    from resilient.core.text import printable

CATALOGS = tuple(names("catalogs"))
TYPES = ("application/json", "text/xml", "text/html", "text/plain; charset=utf-16", "")

service = cache(one_service)


def test_one_input(data: bytes) -> None:
    """Recognise one made-up response: nothing may be raised, and nothing shown that is not fit."""
    made = atheris.FuzzedDataProvider(data)
    name = CATALOGS[made.ConsumeIntInRange(0, len(CATALOGS) - 1)]
    status = made.ConsumeIntInRange(200, 599)
    kind = TYPES[made.ConsumeIntInRange(0, len(TYPES) - 1)]
    headers = [("Content-Type", kind), ("Retry-After", made.ConsumeUnicode(20))]
    body = made.ConsumeBytes(sys.maxsize)
    failure = resilient.classify(service(name), status=status, headers=headers, body=body)
    for each in failure.found if failure else ():
        for text in (each.code or "", each.message):
            assert printable(text, 10**6) == text


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
