"""Errors known by their shape alone, and shapes that lie.

Those of the first kind stand in for the libraries of `test_recognised_errors.py`.
"""

from types import SimpleNamespace

import pytest

from threadfan._core.policies.responses import is_overload
from threadfan._core.policies.retry_after import headers_of, plain, retry_after_of
from threadfan._core.policies.retryable import worth_retrying
from threadfan._core.policies.statuses import status_of
from threadfan._core.policies.words import final_word


def error(*args, of=Exception, **attributes):
    """An error with these attributes."""
    made = of(*args)
    vars(made).update(attributes)
    return made


def named(name, *args, base=Exception, **attributes):
    """An error whose class is called so, in no known package."""
    return error(*args, of=type(name, (base,), {"__module__": "some.client"}), **attributes)


def code(name):
    """A method as errors of gRPC have it."""
    return lambda: SimpleNamespace(name=name, value=(0, name.lower()))


def amazon(word, status=None, **headers):
    """As botocore's ClientError."""
    meta = {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}} if status else {}
    return error(response={"Error": {"Code": word}, **meta})


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (error(http_status=429), 429),
        (error(meta=SimpleNamespace(status=503)), 503),
        (error(response=SimpleNamespace(status=502)), 502),
        (error(code=429, grpc_status_code=None), 429),
        (error(code="502", body={}), 502),
        (error(code="50", body={}), None),
        (error(code=429), None),
        (error(code=code("RESOURCE_EXHAUSTED"), trailing_metadata=None), 429),
        (error(code=code("UNAVAILABLE"), trailing_metadata=None), 503),
        (error(code=code("UNAVAILABLE")), None),
        (error(body={"code": 502}), 502),
        (error(body={"code": "rate_limit_exceeded", "type": "tokens"}), 429),
        (error(details={"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}), 429),
        (error(details={"code": 17}), None),
        (amazon("ThrottlingException", 429), 429),
        (amazon("ThrottlingException", 400), 429),
        (amazon("ValidationException", 400), 400),
        (amazon("throttlingException"), 429),
        (amazon("internalServerException"), 500),
        (amazon("modelStreamErrorException"), 500),
        (error(status_code=400, body={"error": {"type": "overloaded_error"}}), 400),
        (error(reason=Exception("too many 429 error responses")), 429),
        (error(error(reason=Exception("too many 503 error responses"))), 503),
        (error(reason=Exception("too many redirects")), None),
        (error(status="unknown"), None),
        (error(status="UNAVAILABLE", response=None), 503),
    ],
)
def test_statuses(given, status):
    """Where it is read, and where a number or a word is none."""
    assert status_of(given) == status


@pytest.mark.parametrize(
    ("given", "worth"),
    [
        (named("APIConnectionError"), True),
        (named("MyOwn", base=type("ServiceResponseError", (Exception,), {})), True),
        (named("AuthenticationError", base=type("ConnectionError", (Exception,), {})), False),
        (named("Timeout"), False),
        (named("OperationalError", "…", connection_invalidated=True), True),
        (named("OperationalError", 2006, "…"), True),
        (named("OperationalError", 1054, "…"), False),
        (named("OperationalError"), False),
        (error(sqlstate="08006"), True),
        (error(pgcode="40P01"), True),
        (error(sqlstate="42P01"), False),
        (error(sqlstate=8006), False),
    ],
)
def test_names_and_states(given, worth):
    """Broken connections by the names of their classes, and what databases say."""
    assert worth_retrying(given) is worth


@pytest.mark.parametrize("word", ["insufficient_quota", "billing_not_active", "account_deactivated", "ALREADY_EXISTS"])
@pytest.mark.parametrize(
    "given",
    [
        lambda word: error(status_code=429, body={"error": {"code": word}}),
        lambda word: error(status_code=429, response=None, code=word),
        lambda word: error(
            status_code=429, response=SimpleNamespace(_content=b'{"error":{"type":"%s"}}' % word.encode())
        ),
        lambda word: error(status_code=429, headers={"x-should-retry": "true"}, body={"type": word}),
        lambda word: ExceptionGroup("…", [error(status_code=429), error(status_code=429, body={"type": word})]),
    ],
)
def test_what_can_never_pass(word, given):
    """A refusal for want of money or of an account is neither an overload nor worth another attempt."""
    refused = given(word)
    assert final_word(refused) == word
    assert not is_overload(refused)
    assert not worth_retrying(refused)


def refusal(status=429, **headers):
    """An answer's."""
    return error(response=SimpleNamespace(status_code=status, headers=headers))


@pytest.mark.parametrize(
    ("members", "status", "worth"),
    [
        ([refusal(429), refusal(429)], 429, True),
        ([refusal(503), refusal(429)], 429, True),
        ([refusal(503), refusal(500)], 503, True),
        ([refusal(429), refusal(404)], 404, False),
        ([refusal(429), ConnectionError()], None, True),
        ([refusal(429), ValueError()], None, False),
        ([ExceptionGroup("…", [refusal(529)]), refusal(500)], 529, True),
        ([ConnectionError(), TimeoutError()], None, True),
    ],
)
def test_groups(members, status, worth):
    """A group is a refusal if one member is and the others may pass as well."""
    group = ExceptionGroup("…", members)
    assert (status_of(group), worth_retrying(group), is_overload(group)) == (status, worth, status in (429, 529))


def test_a_group_waits_for_its_last():
    """Of several refusals the one that asks for the longest wait counts."""
    group = ExceptionGroup("…", [refusal(**{"retry-after": text}) for text in ("2", "7", "1")])
    assert retry_after_of(group) == 7.0


def test_a_wait_in_a_body():
    """As Google's services send it."""
    details = [{"@type": "…"}, {"@type": "…RetryInfo", "retryDelay": "34.5s"}]
    assert retry_after_of(error(details={"error": {"details": details}})) == 34.5
    assert retry_after_of(error(details={"error": {"details": [None, {"retryDelay": "soon"}]}})) is None


class Sly(Exception):
    """Whatever it is asked for fails, in a way that `except Exception` does not catch."""

    def __getattribute__(self, name):
        """Fail, but for what the interpreter needs."""
        if name.startswith("__"):
            return super().__getattribute__(name)
        raise GeneratorExit(name)


class SlyHeaders(dict):
    """Headers that fail when they are read."""

    def get(self, *_):
        """Fail."""
        raise SystemExit

    __iter__ = get


def test_errors_that_fail_when_they_are_looked_at():
    """They say nothing, and what looks at them goes on."""
    for given in (
        Sly(),
        error(headers=SlyHeaders(a="b")),
        error(code=lambda: 1 / 0, response=None),
        error(code=len, body=0),
    ):
        assert (status_of(given), retry_after_of(given), is_overload(given), worth_retrying(given)) == (
            None,
            None,
            False,
            False,
        )
        assert plain(headers_of(given)) is None


def test_plain_headers():
    """A copy that is nobody's."""
    headers = {"Retry-After": "3", "X-Count": 7}
    assert plain(headers_of(error(headers=headers))) == {"Retry-After": "3", "X-Count": "7"}
    assert headers_of(error(headers=headers)) is headers
