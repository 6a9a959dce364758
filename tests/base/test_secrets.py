"""Texts without secrets: what is masked, and what is left as it is."""

import pytest

from threadfan._core.base.texts import MASK, masked, masked_url

SECRET = "s3cr3t-Value"  # noqa: S105


@pytest.mark.parametrize(
    "text",
    [
        "https://user:{}@host/x",
        "https://{}@github.com/a.git",
        "redis://:{}@host:6379/0",
        "redis://:{}/and#more?yet@host:6379/0",
        "redis://:{}@more@host",
        "'postgresql+psycopg://me:{}@[::1]:5432/db' failed",
        "https://host/?next=http://me:{}@other/",
        "503 for url 'https://host/p?key={}'",
        "https://host/p?x=1&api_key={}&y=2",
        "https://host/p?X-Amz-Signature={}",
        "https://host/p?X-Amz-Credential={}%2F20260101",
        "https://host/p?sv=1&sig={}",
        "https://host/p?accessToken={}",
        "https://host/p?user[password]={}",
        "https://host/#access_token={}",
        "Max retries exceeded with url: /v1?client_secret={} (Caused by",
        "Authorization: Bearer {}",
        "b'Basic {}='",
        "Illegal header value b'sk-ant-{}\\n'",
    ],
)
def test_a_secret_is_masked(text):
    """It does not stand in the text any more, the rest does, and a second time changes nothing."""
    found = masked(text.format(SECRET))
    assert SECRET not in found
    assert MASK in found
    assert found.startswith(text.partition("{")[0].rpartition("://")[0][:10])
    assert masked(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "could not convert string to float: 'x'",
        "https://medium.com/@user/post",
        "https://host:8080/a@b",
        "http://[::1]:80/a@b",
        "mail me@example.com",
        "https://host/?monkey=1&page=2&design=3",
        "Bearer authentication failed",
        'Basic realm="x"',
        "basic training",
        "a task-force",
        "key=value",
    ],
)
def test_what_is_no_secret_stays(text):
    """A text that has none is the same afterwards."""
    assert masked(text) == text


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:12/pw@host:6379/0", "redis://***@host:6379/0"),
        ("redis://me:1?a@b#c@host", "redis://***@host"),
        ("redis://host/0?password=x", "redis://host/0?password=***"),
        ("nothing", "nothing"),
        ("redis:/:pw@host", "***@host"),
    ],
)
def test_a_whole_url(url, seen):
    """Where a text is known to be one URL, nothing before its last @ is shown, however it was written."""
    assert masked_url(url) == seen
