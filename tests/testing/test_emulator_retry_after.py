from datetime import UTC, datetime

import aiohttp
import pytest
from emulated import protected
from hypothesis import given
from hypothesis import strategies as st

from resilient.clock import Clock
from resilient.core.retry_after import http_date as read_date
from resilient.core.retry_after import retry_after as read
from resilient.testing import Emulator, RetryAfter
from resilient.testing.emulator.retry_after import FORMS, Form, http_date

AT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
"""The time that RFC 9110 gives as its example."""


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("imf-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("rfc850", "Sunday, 06-Nov-94 08:49:37 GMT"),
        ("asctime", "Sun Nov  6 08:49:37 1994"),
    ],
)
def test_the_forms_are_those_of_the_rfc(form: Form, text: str) -> None:
    """RFC 9110 section 5.6.7 writes its example so in the three forms."""
    assert text == http_date(AT + 0.9, form)


@given(st.floats(0, 4e9), st.integers(0, 2_000_000), st.sampled_from(FORMS))
def test_every_form_is_read_back(wall: float, seconds: int, form: Form) -> None:
    """The library reads from each form what was asked, or up to a second more, never less."""
    headers = [
        ("Date", http_date(wall)),
        ("Retry-After", RetryAfter(seconds, form).written(wall)),
    ]
    found = read(headers, now=wall)
    assert found is not None
    assert seconds <= found <= seconds + (0 if form == "seconds" else 2)


@pytest.mark.parametrize(("told", "form"), [(True, "seconds"), *((each, each) for each in FORMS)])
async def test_refusals_speak_in_the_form_that_was_chosen(told: bool | Form, form: Form) -> None:
    """A limit's refusal says in each form when there is room, and the library comes then."""
    async with Emulator("hh", retry_after=told) as emulator, aiohttp.ClientSession() as bare:
        for _ in range(9):
            await bare.get(f"{emulator.url}/vacancies")
        async with bare.get(f"{emulator.url}/vacancies") as response:
            header = response.headers["Retry-After"]
        assert header.isdecimal() == (form == "seconds")
        wait = read(response.headers.items(), now=0.0)
        assert wait is not None
        assert 1 <= wait <= 2


@pytest.mark.parametrize("form", FORMS)
async def test_a_script_has_a_form_of_its_own(form: Form) -> None:
    """The library waits as long as any form asks, and at most two seconds longer."""
    async with Emulator("http", retry_after="asctime") as emulator, protected(emulator) as http:
        emulator.script(429, retry_after=RetryAfter(30, form))
        began = Clock.now()
        async with http.get(emulator.url) as response:
            assert 200 == response.status
        assert 30 <= Clock.now() - began < 35


async def test_a_number_is_written_as_the_emulator_does() -> None:
    """Seconds of a script follow the emulator's form; text is sent as it is."""
    async with Emulator("http", retry_after="rfc850") as emulator, aiohttp.ClientSession() as bare:
        emulator.script(429, retry_after=30).then(429, retry_after="soon").then(429)
        told = []
        for _ in range(3):
            async with bare.get(emulator.url) as response:
                told.append(response.headers.get("Retry-After", ""))
        assert (True, "soon", "") == (told[0].endswith(" GMT"), told[1], told[2])


async def test_dates_are_of_the_emulators_own_clock() -> None:
    """Date and Retry-After come from `wall`, so a server whose clock is wrong can be played."""
    async with Emulator("http", wall=lambda: AT) as emulator, aiohttp.ClientSession() as bare:
        emulator.script(503, retry_after=RetryAfter(3, "imf-fixdate"))
        async with bare.get(emulator.url) as response:
            assert "Sun, 06 Nov 1994 08:49:37 GMT" == response.headers["Date"]
            assert "Sun, 06 Nov 1994 08:49:40 GMT" == response.headers["Retry-After"]


async def test_the_wall_clock_runs_with_virtual_time() -> None:
    """Four minutes later by the loop it is four minutes later by Date."""
    async with Emulator("http") as emulator, aiohttp.ClientSession() as bare:
        dates = []
        emulator.script(None, latency=240.0, after=1)
        for _ in range(3):
            async with bare.get(emulator.url) as response:
                date = read_date(response.headers["Date"], now=0.0)
                assert date is not None
                dates.append(date)
        assert 0 <= dates[1] - dates[0] <= 1
        assert 240 <= dates[2] - dates[1] <= 241


def test_seconds_are_written_in_digits() -> None:
    """The header takes whole seconds (RFC 9110 section 10.2.3): parts of one are rounded up."""
    assert ["0", "3", "1000000000"] == [RetryAfter(n).written(AT) for n in (0, 2.5, 1e9)]
