"""Errors out of a pickle: instances of the same class, with the same text, and without anything of a request."""

import io
import json
import pickle
import subprocess
import threading
import urllib.error

import anthropic
import pytest
import requests
import tenacity

from support.sdk_http import http as httpx2
from threadfan import LimitExhausted, Outcome, TaskCancelled, TaskSkipped, TaskTimeout
from threadfan._core.base.outcome import FAILED
from threadfan._core.base.pickling.unpicklable import Unpicklable

KEY = "sk-ant-S3CRET"
URL = f"https://me:{KEY}@host/v1?api_key={KEY}"


def raised(error, cause=None):
    """The error with a traceback."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def travelled(error):
    """The error after a journey, which took no secret along; a second journey changes nothing."""
    data = pickle.dumps(Outcome((0, None, 0.0, FAILED, error, 1.0, 2.0, "pool_0")))
    assert b"S3CRET" not in data
    again = pickle.loads(data)  # noqa: S301
    twice = pickle.loads(pickle.dumps(again)).error  # noqa: S301
    assert (type(twice).__qualname__, str(twice)) == (type(again.error).__qualname__, str(again.error))
    return again.error


def answer(library, status=503):
    """An answer to a request with a key in every place."""
    headers = {"x-api-key": KEY, "authorization": f"Bearer {KEY}", "cookie": f"session={KEY}"}
    request = library.Request("POST", URL, headers=headers)
    return library.Response(status, request=request, headers={"request-id": "req_1", "x-request-id": "req_1"})


def http_errors(library):
    """Those of httpx, or of what looks like it."""
    request = answer(library).request
    try:
        answer(library).raise_for_status()
    except library.HTTPStatusError as error:
        yield error
    yield library.ConnectError(f"no connection to {URL}", request=request)
    yield library.ReadTimeout("too late", request=request)
    yield library.StreamConsumed()


def api_errors(library, http):
    """Those of the SDKs over it."""
    request = answer(http).request
    yield library.RateLimitError("slow down", response=answer(http, 429), body={"error": {"type": "rate_limit_error"}})
    yield library.InternalServerError("oops", response=answer(http, 500), body=None)
    yield library.APITimeoutError(request)
    yield library.APIResponseValidationError(answer(http), None)
    yield raised(library.APIConnectionError(request=request), http.ConnectError(URL, request=request))


def requests_errors():
    """Those of requests, raised by itself."""
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {KEY}"
    with pytest.raises(requests.ConnectionError) as caught:
        session.get(f"http://127.0.0.1:1/?api_key={KEY}")
    yield caught.value
    refused = requests.Response()
    refused.status_code, refused.url, refused.reason = 404, URL, "Not Found"
    refused.request = session.prepare_request(requests.Request("GET", URL))
    with pytest.raises(requests.HTTPError) as caught:
        refused.raise_for_status()
    yield caught.value


ALL = [*http_errors(httpx2), *api_errors(anthropic, httpx2), *requests_errors()]


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_errors_of_clients(error):
    """They are caught by the same clauses, and say the same, without the key in the URL."""
    again = travelled(raised(error))
    assert isinstance(again, type(error))
    assert str(again) == str(error).replace(f"me:{KEY}@", "***@").replace(f"api_key={KEY}", "api_key=***")
    assert "S3CRET" not in f"{vars(again)}{again!r}"
    assert "in raised" in again.traceback_text
    assert "raise error" not in again.traceback_text  # a line of code may have a key in it


@pytest.mark.parametrize(("http", "sdk"), [("httpx", "openai")])
def test_errors_of_other_clients(http, sdk):
    """The same holds for httpx and openai, where they are installed."""
    http, sdk = pytest.importorskip(http), pytest.importorskip(sdk)
    for error in [*http_errors(http), *api_errors(sdk, http)]:
        again = travelled(raised(error))
        assert isinstance(again, type(error))
        assert "S3CRET" not in f"{again}{vars(again)}"


def test_what_is_known_of_an_answer():
    """The status and the id of the request, on the error and on what stands for its response; the body's data too."""
    again = travelled(next(api_errors(anthropic, httpx2)))
    assert (again.status_code, again.request_id) == (429, "req_1")
    assert getattr(again, "type", "rate_limit_error") == "rate_limit_error"  # older versions of the SDK do not say it
    assert (again.response.status_code, again.response.request_id) == (429, "req_1")
    assert again.body == {"error": {"type": "rate_limit_error"}}
    assert again.request is None
    status_error = travelled(next(http_errors(httpx2)))
    assert (status_error.status_code, status_error.response.status_code) == (503, 503)
    assert travelled(list(requests_errors())[1]).response.status_code == 404


def test_the_error_behind_it():
    """What an error was raised from goes along in the same form, and whether it hides what it was raised on top of."""
    again = travelled(list(api_errors(anthropic, httpx2))[-1])
    assert isinstance(again.__cause__, httpx2.ConnectError)
    assert str(again.__cause__) == "https://***@host/v1?api_key=***"
    assert again.__suppress_context__
    own = list(http_errors(httpx2))[1]
    error = KeyError("beside")
    error.__context__ = own
    assert isinstance(travelled(error).__context__, httpx2.ConnectError)
    error.__suppress_context__ = True
    assert travelled(error).__context__ is None  # nobody would see it


def test_a_long_chain_has_an_end():
    """Hundreds of errors, each raised from the one before, are no depth that a pickle could not bear."""
    error = ValueError("first")
    for number in range(1000):
        error = raised(ValueError(number), error)
    again, links = travelled(error), 0
    while again is not None:
        again, links = again.__cause__, links + 1
    assert links == 21


def test_tenacity_gave_up():
    """What it gave up on is the cause; the attempt itself, which cannot be pickled, says so."""

    def fail():
        raise httpx2.ConnectError(URL, request=answer(httpx2).request)

    with pytest.raises(tenacity.RetryError) as caught:
        tenacity.Retrying(stop=tenacity.stop_after_attempt(1))(fail)
    again = travelled(caught.value)
    assert isinstance(again, tenacity.RetryError)
    assert str(again) == str(caught.value)
    assert isinstance(again.__cause__, httpx2.ConnectError)
    with pytest.raises(AttributeError, match="it could not be pickled"):
        again.last_attempt.exception()
    with pytest.raises(AttributeError, match="there is no 'attempts'"):
        again.attempts  # noqa: B018


def test_botocore():
    """Its error has a dictionary for a response: that is kept, without headers."""
    exceptions = pytest.importorskip("botocore.exceptions")
    response = {
        "Error": {"Code": "ThrottlingException", "Message": "slow"},
        "ResponseMetadata": {"RequestId": "r1", "HTTPStatusCode": 429, "HTTPHeaders": {"x": KEY}},
    }
    again = travelled(exceptions.ClientError(response, "Converse"))
    assert isinstance(again, exceptions.ClientError)
    assert again.response["Error"] == response["Error"]
    assert (again.status_code, again.request_id, again.operation_name) == (429, "r1", "Converse")
    assert str(travelled(exceptions.EndpointConnectionError(endpoint_url=URL))).count("***") == 2


class Stopped(Exception):
    """An error of a client that wants more than its text, and holds much of it."""

    def __init__(self, request, *, status):
        super().__init__(f"{status} for {request}")
        self.request = request
        self.status = status
        self.headers = {"authorization": KEY}
        self.api_key = KEY
        self.session_lock = threading.Lock()
        self.details = {"url": URL, "headers": {"x-api-key": KEY}, "api_key": KEY, "tokens": 5, "codes": [1, (2,)]}


class Request:
    """What it holds."""

    def __init__(self):
        self.headers = {"x-api-key": KEY}

    def __str__(self):
        return f"POST {URL}"


def test_what_is_kept_of_attributes():
    """Plain data; not what has to do with a request, nor a secret, nor what cannot be pickled."""
    again = travelled(Stopped(Request(), status=503))
    assert type(again) is Stopped
    assert str(again) == "503 for POST https://***@host/v1?api_key=***"
    assert (again.request, again.headers, again.api_key, again.status) == (None, None, None, 503)
    assert isinstance(again.session_lock, Unpicklable)
    url = "https://***@host/v1?api_key=***"
    assert again.details == {"url": url, "headers": None, "api_key": None, "tokens": 5, "codes": [1, (2,)]}


class Plain(Exception):
    """One's own, with nothing to hide."""


class Counted(Exception):
    """One's own, with a constructor of its own."""

    def __init__(self, count, *, unit="calls"):
        super().__init__(f"{count} {unit}")
        self.count = count
        self.unit = unit


class Frozen(Exception):
    """One's own that cannot be changed."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


class Box:
    """What such an error may hold."""

    def __init__(self, number):
        self.number = number


AS_THEY_ARE = [
    ValueError("x"), KeyError("k"), StopIteration(3), FileNotFoundError(2, "no such file", "f"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), SystemExit(3), ConnectionResetError(104, "reset"),
    ImportError("no", name="n"), json.JSONDecodeError("bad", "doc", 1), subprocess.CalledProcessError(1, ["a"], b"out"),
    Plain("x", 1), Counted(3, unit="dogs"), TaskTimeout("late"), TaskCancelled("over"), LimitExhausted("no"),
    Frozen("f"),
]  # fmt: skip


@pytest.mark.parametrize("error", AS_THEY_ARE, ids=lambda error: type(error).__name__)
def test_plain_errors_are_as_they_were(error):
    """Class, arguments, text, attributes and what the interpreter keeps: nothing is changed."""
    again = travelled(error)
    assert type(again) is type(error)
    assert (again.args, str(again), vars(again)) == (error.args, str(error), vars(error))
    for name in ("errno", "filename", "value", "start", "code", "name", "returncode"):
        assert getattr(again, name, None) == getattr(error, name, None)


def test_attributes_that_are_objects():
    """What can be pickled and has no secret in it is kept as it is; notes are masked."""
    error = Plain("x")
    error.box, error.other, error.cause_of = Box(4), Box(KEY), error
    error.add_note(f"see {URL}")
    again = travelled(error)
    assert again.box.number == 4
    assert isinstance(again.other, Unpicklable)
    assert again.cause_of is again
    assert again.__notes__ == ["see https://***@host/v1?api_key=***"]


def test_classes_that_cannot_be_found():
    """An instance of the nearest base stands for one of a class that is gone, under its name."""

    class Local(LookupError):
        pass

    again = travelled(Local("here"))
    assert isinstance(again, LookupError)
    assert (type(again).__name__, str(again), again.args) == ("Local", "here", ("here",))


def test_groups():
    """Each of the errors in a group is kept by itself."""
    group = ExceptionGroup(f"at {URL}", [ValueError(1), ExceptionGroup("in", [*http_errors(httpx2)])])
    again = travelled(group)
    assert type(again) is ExceptionGroup
    assert again.message == "at https://***@host/v1?api_key=***"
    assert isinstance(again.exceptions[1].exceptions[0], httpx2.HTTPStatusError)


def test_errors_that_hold_themselves():
    """As an argument, an attribute or a cause."""
    error = ValueError("x")
    error.args = ("y", error)
    error.me = error
    error.__cause__ = error
    again = travelled(error)
    assert again.me is again
    assert again.args[0] == "y"


@pytest.mark.timeout(20)
def test_errors_in_a_web():
    """What an error holds may lead back to it in many ways, and hold itself."""
    error = Plain("x")
    for name in "abcdef":
        box = Box(error)
        box.other = [box, error]
        setattr(error, name, box)
    error.list = []
    error.list += [error.list] * 9
    again = travelled(error)
    assert (str(again), type(again)) == ("x", Plain)
    assert isinstance(again.a, Unpicklable)
    assert isinstance(again.list, Unpicklable)


class Trap(Exception):
    """All that it is asked fails."""

    def __init__(self, *args):
        if not args:
            raise RuntimeError("no arguments")
        super().__init__(*args)

    def __str__(self):
        raise RuntimeError("no text")

    def __reduce__(self):
        raise RuntimeError("no way")

    @property
    def response(self):
        """Fail."""
        raise RuntimeError("no response")


def test_errors_that_fail_when_they_are_asked():
    """They travel too."""
    again = travelled(Trap("x"))
    assert isinstance(again, Trap)
    assert str(again) == "<Trap whose str fails>"


def test_what_is_open_is_left_behind():
    """Files of an error are not read."""
    error = urllib.error.HTTPError(URL, 429, "slow", {"authorization": KEY}, io.BytesIO(b"the body"))
    with error:
        again = travelled(error)
    assert isinstance(again, urllib.error.HTTPError)
    assert (again.code, again.status_code, again.fp, again.hdrs) == (429, 429, None, None)


def test_own_errors_carry_their_cause():
    """By themselves too, and without its request."""
    for kind in (TaskSkipped, LimitExhausted, TaskTimeout):
        data = pickle.dumps(raised(kind("because"), next(http_errors(httpx2))))
        assert b"S3CRET" not in data
        again = pickle.loads(data)  # noqa: S301
        assert (type(again), str(again)) == (kind, "because")
        assert isinstance(again.__cause__, httpx2.HTTPStatusError)
