"""A key in an error's text is in nothing that the library says, draws or stores of it."""

import logging
import pickle
import sqlite3

import httpx
import pytest
import requests

from threadfan import Fan, RateLimit, Report
from threadfan._core.base.texts import masked

SECRET = "s3cr3tValue0123456789"  # noqa: S105


def in_a_url(item):
    """As `requests` tells of a connection that cannot be made."""
    requests.get(f"http://user:{SECRET}@127.0.0.1:1/?api_key={SECRET}", timeout=5)


def with_a_lines_end(item):
    """A key that was read from a file, with the end of its line: the client refuses it, and quotes it."""
    requests.get("http://127.0.0.1:1", headers={"x-api-key": f"{SECRET}\n"}, timeout=5)


def with_a_lines_end_by_httpx(item):
    """The same by what the SDKs ask with."""
    try:
        httpx.get("http://127.0.0.1:1", headers={"x-api-key": f"{SECRET}\n"}, trust_env=False)
    except httpx.ConnectError:  # which versions of its own do not look at what they would send
        raise ValueError(f"Illegal header value b'{SECRET}\\n'") from None


def in_headers(item):
    """A library that tells all that it has sent."""
    raise RuntimeError(f"401 for {{'x-api-key': '{SECRET}', 'Authorization': 'Token {SECRET}'}}")


def of_a_store(item):
    """A Redis server that is not there."""
    Fan(1, rate=RateLimit(60, shared=f"redis://:{SECRET}@127.0.0.1:1/0"))


def beyond_ascii(item):
    """A key with a sign that no header can have: the error holds the whole of it."""
    f"{SECRET}…".encode("ascii")


@pytest.mark.parametrize(
    "call", [in_a_url, with_a_lines_end, with_a_lines_end_by_httpx, in_headers, of_a_store, beyond_ascii]
)
def test_an_errors_key_goes_nowhere(call, tmp_path, caplog, capfd):
    """Not into reports as text, HTML, rows, traces or pickles, nor into journals, saved reports and logs."""
    pytest.importorskip("plotly")
    caplog.set_level(logging.DEBUG)
    with Fan(1, retry=1) as fan:
        report = fan.run(call, [1], journal=tmp_path / "run.db", progress=True)
    assert not report[0].ok
    report.to_html(tmp_path / "report.html")
    report.to_trace(tmp_path / "trace.json")
    report.save(tmp_path / "saved.db")
    again = Report.load(tmp_path / "run.db")
    said = [str(report), repr(report), repr(report[0])]
    said += [report._repr_html_(), str(report.by_error()), str(report.stats.advice), str(report.to_dict())]
    said += [repr({**row, "value": None}) for row in report.rows()]
    said += [caplog.text, *capfd.readouterr(), str(again), str(pickle.loads(pickle.dumps(report)).by_error())]  # noqa: S301
    assert not [text for text in said if SECRET in text]
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file.name
    assert SECRET.encode() not in pickle.dumps(report)


def test_a_command_with_a_key_is_not_in_the_journal(tmp_path):
    """A version, by which runs are told apart, may be a command; the file has it without what is secret."""
    path = tmp_path / "run.db"
    for version, called in (("curl -H 'x-api-key: " + SECRET + "' a", 1), ("curl -H 'x-api-key: other12345678' a", 1)):
        with Fan(1) as fan:
            assert [outcome.attempts for outcome in fan.run(str, [1], journal=path, version=version)] == [called]
            assert [outcome.attempts for outcome in fan.run(str, [1], journal=path, version=version)] == [0]
    assert SECRET.encode() not in path.read_bytes()
    with sqlite3.connect(path) as connection:
        assert {text for (text,) in connection.execute("SELECT version FROM runs")} == {"curl -H 'x-api-key: ***' a"}
    connection.close()


@pytest.mark.parametrize(
    "text",
    [
        "Invalid leading whitespace, reserved character(s), or return character(s) in header value: '{}\\n'",
        "Invalid header value b'{}\\n'",
        "{{'x-api-key': '{}', 'n': 1}}",
        '{{"client_secret": "{}"}}',
        "{{'Cookie': b'session={}'}}",
        "x-api-key: {}",
        "Proxy-Authorization: Token {}",
        "could not connect: user=me password={} host=db",
        "the key AIza{} is not valid",
        "push to ghp_{} refused",
        "hf_{}",
        "github_pat_{}",
        "gsk_{}",
        "xoxb-{}",
    ],
)
def test_a_secret_is_masked(text):
    """It does not stand in the text any more, the rest does, and a second time changes nothing."""
    found = masked(text.format(SECRET))
    assert SECRET not in found
    assert "***" in found
    assert masked(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'token'", "{'key': 'colour', 'token': 'noun'}", "Authorization: required", "max_tokens: 5",
        "no header value given", "hf_hub_download failed", "the password is wrong", "api: key", "cookie: none",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text):
    """Words that only look like it."""
    assert masked(text) == text


@pytest.mark.parametrize(
    "part",
    ["a://x:y", f"{'a' * 30}://", "?apiapi", "a.b-c://", "=&a_b_c_", "'apiapi", "'_key", "authorization: aaaaaaaaaa ",
     "://a:1", "header value '", "'apikey': ", "password=", "hf_aaaa", "bearer Bearer "],
)  # fmt: skip
def test_a_long_text_takes_its_length(part):
    """A server may answer with a text that is made to be looked through for ever."""
    masked(part * (100_000 // len(part)))
