import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.core import redact

TOKEN = "6f3a9c1e7b2d4058a1b2c3d4"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.x.com/a/b?page=2", "https://api.x.com/a/b?page=2"),
        ("https://user:pass@api.x.com/a", "https://api.x.com/a"),
        ("https://api.x.com:8443/a#secret", "https://api.x.com:8443/a"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("https://x/?api_key=k", "https://x/?api_key=REDACTED"),
        ("https://x/?API_KEY=k", "https://x/?API_KEY=REDACTED"),
        ("https://x/?api%5Fkey=k", "https://x/?api_key=REDACTED"),
        ("https://x/?access_token=k&page=1", "https://x/?access_token=REDACTED&page=1"),
        ("https://x/?password=k", "https://x/?password=REDACTED"),
        ("https://x/?client_secret=k", "https://x/?client_secret=REDACTED"),
        ("https://x/?USER_HASH=k", "https://x/?USER_HASH=REDACTED"),
        ("https://x/?sessionID=k", "https://x/?sessionID=REDACTED"),
        ("https://x/?login=me", "https://x/?login=REDACTED"),
        ("https://x/?code=k", "https://x/?code=REDACTED"),
        (f"https://x/?q={TOKEN}", "https://x/?q=REDACTED"),
        (f"https://x/?{TOKEN}", "https://x/?REDACTED"),
        (f"https://x/hooks/{TOKEN}/send", "https://x/hooks/REDACTED/send"),
        ("https://x/companies/12345678", "https://x/companies/12345678"),
        ("https://x/?filter[id][]=1&flag", "https://x/?filter[id][]=1&flag"),
        ("/a?page=2", ":///a?page=2"),
        ("https://x/?q=6f3a9c1e7b/2d4058a1b2/c3d4==", "https://x/?q=REDACTED"),
        ("https://x/?q=a/short/path", "https://x/?q=a/short/path"),
        ("https://x/?q=a/b1/c/d/e/f", "https://x/?q=a/b1/c/d/e/f"),
        ("https://x/a;jsessionid=k;v=1/b", "https://x/a;jsessionid=REDACTED;v=1/b"),
        (f"https://x/{TOKEN};v=1", "https://x/REDACTED;v=1"),
        (f"https://x/a;{TOKEN}", "https://x/a;REDACTED"),
        ("https://x/?next=https://y/?token%3Dk", "https://x/?next=REDACTED"),
        ("https://x/?next=https://y/?page%3D2", "https://x/?next=https://y/?page%3D2"),
        ("https://x/?text=%D1%8F", "https://x/?text=%D1%8F"),
        ("https://x:99999/", "<unreadable URL>"),
        ("https://[x/", "<unreadable URL>"),
    ],
)
def test_url(url: str, expected: str) -> None:
    """What could be a credential is left out; the rest stays, so that a call can be found."""
    assert expected == redact.url(url)


def test_the_catalogs_own_names() -> None:
    """A field that the catalog names is left out, however harmless its name."""
    assert "https://x/?k=abc" == redact.url("https://x/?k=abc")
    assert "https://x/?k=REDACTED" == redact.url("https://x/?k=abc", ("k",))


def test_urls_are_bounded() -> None:
    """A URL of any length is one short line."""
    assert 2100 > len(redact.url("https://x/?q=" + "a " * 100_000))
    whole = "https://x/" + "a/" * 1019
    assert (2048, whole) == (len(whole), redact.url(whole))
    assert "\n" not in redact.url("https://x/?q=a\nb")


@given(st.text(), st.sampled_from(["api_key", "access_token", "sign", "sid"]))
def test_no_secret_is_shown(text: str, name: str) -> None:
    """Whatever surrounds it, a named secret never shows."""
    secret = "s3cr3t-value"
    assert secret not in redact.url(f"https://x/?{name}={secret}&x={text}")


@given(st.text())
def test_any_text(text: str) -> None:
    """Nothing is so odd that it cannot be redacted, and the result can be written."""
    redact.url(text).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxy: http://me:pass@p:80/", "proxy: http://REDACTED@p:80/"),
        ("a://u@x b://v@y", "a://REDACTED@x b://REDACTED@y"),
        ("mail me@x about //y/z@w", "mail me@x about //y/z@w"),
    ],
)
def test_without_user(text: str, expected: str) -> None:
    """In any text, what stands before the host of a URL is left out, and nothing else."""
    assert expected == redact.without_user(text)
