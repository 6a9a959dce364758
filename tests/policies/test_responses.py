"""What is read off the answer that an error carries: its status, its headers, and when to come back."""

import builtins
import contextlib
import email.message
import io
import urllib.error
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.refusals import closed
from threadfan._core.policies.asking import is_bare
from threadfan._core.policies.responses import is_overload
from threadfan._core.policies.retry_after import (
    LONGEST,
    headers_of,
    retry_after,
    retry_after_of,
    silence,
    told_to_retry,
)
from threadfan._core.policies.statuses import own_status, status_of
from threadfan._core.policies.words import own_words

WALL = 1_000_000_000.0  # Sun, 09 Sep 2001 01:46:40 GMT


def error(**attributes):
    """An error with these attributes."""
    made = Exception("made")
    vars(made).update(attributes)
    return made


def answered(status, **headers):
    """An error of a client that got an answer with this status and these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error(response=SimpleNamespace(status_code=status, headers=named))


def raised_from(cause):
    """An error of a tool's that was raised from `cause`."""
    wrapped = RuntimeError("the tool failed")
    wrapped.__cause__ = cause
    return wrapped


class TestStatus:
    """`status_of`."""

    @pytest.mark.parametrize(
        ("given", "status"),
        [
            (error(status_code=429), 429),
            (error(status=503), 503),
            (answered(404), 404),
            (error(code=500, headers={}), 500),
            (error(code=500, response=object()), 500),
            (closed(urllib.error.HTTPError("http://x", 502, "bad", email.message.Message(), io.BytesIO())), 502),
            (raised_from(raised_from(answered(529))), 529),
            (error(code=404), None),
            (error(status="429"), None),
            (error(status_code=True), None),
            (error(status=7), None),
            (error(status=600), None),
            (error(status_code=None, response=None), None),
            (SystemExit(404), None),
            (OSError(429, "an errno"), None),
            (ValueError(429), None),
        ],
        ids=repr,
    )
    def test_where_it_is_read(self, given, status):
        """In the places where clients put it, from 100 to 599, and nowhere else."""
        assert status_of(given) == status

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"type": "error", "error": {"type": "overloaded_error"}}, 529),
            ({"type": "error", "error": {"type": "rate_limit_error"}}, 429),
            ({"type": "server_error", "message": "…"}, 500),
            ({"type": "error", "error": {"type": "what nobody knows"}}, 200),
            ({"type": ["a list"]}, 200),
            ("no mapping", 200),
        ],
    )
    def test_an_error_in_a_stream(self, body, status):
        """The stream began with 200; what the provider reports in it counts as its status elsewhere."""
        assert status_of(error(status_code=200, body=body)) == status

    def test_the_status_of_the_answer_before_what_its_body_says(self):
        """A body does not change the status of an answer that is an error anyway."""
        assert status_of(error(status_code=400, body={"error": {"type": "overloaded_error"}})) == 400

    def test_attributes_that_fail(self):
        """A property that raises, as those of httpx do, is as good as none."""

        class Sly(Exception):
            @property
            def response(self):
                raise RuntimeError("not set")

            status_code = headers = body = response

        assert (status_of(Sly()), headers_of(Sly()), retry_after_of(Sly())) == (None, None, None)

    def test_a_circle_of_causes(self):
        """Errors raised from one another in a circle are each looked at once."""
        first, second = ValueError(), TypeError()
        first.__cause__, second.__cause__ = second, first
        assert status_of(first) is None


class TestRetryAfter:
    """`retry_after`."""

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "3"}, 3.0),
            ({"Retry-After": " 2.5 "}, 2.5),
            ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
            ({"Retry-After-Ms": "1500"}, 1.5),
            ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
            ({"retry-after": "Sun, 09 Sep 2001 01:46:45 GMT"}, 5.0),
            ({"retry-after": "Sun, 09 Sep 2001 01:46:45"}, 5.0),
            ({"retry-after": "Sun, 09 Sep 2001 03:46:45 +0200"}, 5.0),
            ({"retry-after": "Sunday, 09-Sep-01 01:46:45 GMT"}, 5.0),
            ({"retry-after": "Sun, 09 Sep 2001 01:46:45 GMT", "Date": "Sun, 09 Sep 2001 01:46:38 GMT"}, 7.0),
            ({"retry-after": "Sun, 09 Sep 2001 01:40:00 GMT"}, 0.0),
            ({"retry-after": "0"}, 0.0),
            ({"retry-after": "-4"}, 0.0),
            ({"retry-after": "86400"}, LONGEST),
            ({"retry-after": "inf"}, LONGEST),
            ({"retry-after": "Sun, 09 Sep 2035 01:46:45 GMT"}, LONGEST),
            ({"retry-after": "nan"}, None),
            ({"retry-after": "Sun, 09 Sep 99999 01:46:45 GMT"}, None),
            ({"retry-after": "tomorrow"}, None),
            ({"retry-after": ""}, None),
            ({"retry-after": 3}, None),
            ({}, None),
            (None, None),
        ],
        ids=str,
    )
    def test_what_headers_ask_for(self, headers, seconds):
        """Milliseconds before seconds before a date; never less than nothing nor more than an hour."""
        assert retry_after(headers, WALL) == seconds

    def test_a_date_with_nothing_to_compare_it_with(self):
        """Without a clock's time and without the answer's own date, a date says nothing."""
        assert retry_after({"retry-after": "Sun, 09 Sep 2001 01:46:45 GMT"}) is None

    @given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
    def test_garbage(self, thousandths, seconds, date):
        """Whatever stands there, the answer is None or a number within bounds."""
        found = retry_after({"retry-after-ms": thousandths, "retry-after": seconds, "date": date}, WALL)
        assert found is None or 0 <= found <= LONGEST

    def test_of_an_error(self):
        """The answer may hang on what the error was raised from."""
        assert retry_after_of(raised_from(answered(429, retry_after="3"))) == 3.0
        assert retry_after_of(ValueError()) is None


@pytest.mark.parametrize(
    ("given", "overload"),
    [
        (answered(429), True),
        (answered(529), True),
        (raised_from(answered(529)), True),
        (answered(503, retry_after="1"), True),
        (answered(503), False),
        (answered(500, retry_after="1"), False),
        (ConnectionError(), False),
    ],
)
def test_overload(given, overload):
    """429 and 529 say that too much is asked; 503 does if it says when to come back."""
    assert is_overload(given) is overload


@pytest.mark.parametrize(("said", "told"), [("true", True), ("false", False), ("maybe", None), (None, None)])
def test_told_to_retry(said, told):
    """A provider's word is read, also after the SDK has been kept from hearing it, however often."""
    headers = {} if said is None else {"x-should-retry": said}
    refused = error(response=SimpleNamespace(status_code=429, headers=headers))
    assert told_to_retry(refused) is told
    silence(headers)
    silence(headers)
    assert headers["x-should-retry"] == "false"
    assert told_to_retry(refused) is told


def built_in_errors():
    """One error of each of the interpreter's classes of errors that can be made of texts or numbers."""
    for kind in vars(builtins).values():
        if isinstance(kind, type) and issubclass(kind, Exception):
            for args in ((), ("429 Too Many Requests",), (429, "Too Many Requests"), (b"{}", 1.5, None)):
                with contextlib.suppress(TypeError):
                    yield kind(*args)


def test_errors_of_the_interpreter_hold_no_answer():
    """What is passed over unread would have said nothing: no status, no word of a provider's, no header."""
    found = list(built_in_errors())
    assert len(found) > 150
    assert all(map(is_bare, found))
    assert {(own_status(error), tuple(own_words(error)), told_to_retry(error)) for error in found} == {(None, (), None)}


@pytest.mark.parametrize("name", ["status_code", "headers", "__notes__"])
def test_an_error_with_an_attribute_is_read(name):
    """Whatever somebody has put on an error of the interpreter's may be an answer."""
    error = ConnectionError("no")
    setattr(error, name, 429)
    assert not is_bare(error)
    assert status_of(error) == (429 if name == "status_code" else None)


def test_an_error_that_was_made_of_another_is_read():
    """What is in the arguments of an error may say what happened."""
    assert not is_bare(ConnectionError(ValueError("429")))
