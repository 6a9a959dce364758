"""Which errors are worth another attempt, by the real errors of the real clients."""

import asyncio
import concurrent.futures
import email.message
import errno
import http.client
import io
import json
import socket
import ssl
import subprocess
import urllib.error
from functools import partial

import pytest

from support.refusals import closed
from threadfan import CallCancelled, TaskCancelled, TaskTimeout
from threadfan._core.policies.responses import is_overload
from threadfan._core.policies.retry_after import retry_after_of, silence
from threadfan._core.policies.retryable import worth_retrying
from threadfan._core.policies.statuses import status_of

YES, NO = True, False
URL = "http://127.0.0.1:1/"
STATUSES = [(408, YES), (409, YES), (429, YES), (500, YES), (502, YES), (503, YES), (529, YES)]
STATUSES += [(status, NO) for status in (400, 401, 402, 403, 404, 405, 410, 413, 422)]


def raised(act):
    """The error that `act()` raises, as a caller catches it."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 -- any
        act()
    return caught.value


def chained(outer, inner, *, explicit=True):
    """`outer`, raised while `inner` was handled, or from it."""
    setattr(outer, "__cause__" if explicit else "__context__", inner)
    return outer


def url_error(status):
    """What `urllib.request.urlopen` raises."""
    return closed(urllib.error.HTTPError(URL, status, "…", email.message.Message(), io.BytesIO()))


class AndMore(ConnectionResetError):
    """A class of a user's that says more."""


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (ConnectionError(), YES),
        (ConnectionRefusedError(errno.ECONNREFUSED, "…"), YES),
        (BrokenPipeError(), YES),
        (AndMore(), YES),
        (TimeoutError(), YES),
        (TaskTimeout("call 3 ran for 5 s"), YES),
        (concurrent.futures.TimeoutError(), YES),
        (OSError(errno.ENETUNREACH, "…"), YES),
        (OSError(errno.EHOSTUNREACH, "…"), YES),
        (socket.gaierror(socket.EAI_AGAIN, "…"), YES),
        (socket.gaierror(socket.EAI_NONAME, "…"), NO),
        (http.client.RemoteDisconnected("…"), YES),
        (http.client.IncompleteRead(b"half"), YES),
        (http.client.BadStatusLine("…"), YES),
        (http.client.InvalidURL("…"), NO),
        (ssl.SSLEOFError(8, "…"), YES),
        (ssl.SSLCertVerificationError(1, "…"), NO),
        (urllib.error.URLError(ConnectionRefusedError()), YES),
        (urllib.error.URLError(ssl.SSLCertVerificationError(1, "…")), NO),
        (urllib.error.URLError("unknown url type: htp"), NO),
        (OSError("…"), NO),
        (OSError(errno.ENOSPC, "…"), NO),
        (FileNotFoundError(errno.ENOENT, "…"), NO),
        (PermissionError(errno.EACCES, "…"), NO),
        (subprocess.CalledProcessError(429, ["tool"]), NO),
        (ValueError(), NO),
        (TypeError(), NO),
        (KeyError(), NO),
        (AssertionError(), NO),
        (RuntimeError(), NO),
        (Exception(), NO),
        (CallCancelled(), NO),
        (TaskCancelled(), NO),
        (concurrent.futures.CancelledError(), NO),
        (asyncio.CancelledError(), NO),
        (KeyboardInterrupt(), NO),
        (SystemExit(429), NO),
        (chained(RuntimeError("the tool failed"), TimeoutError()), YES),
        (chained(RuntimeError("the tool failed"), chained(OSError("…"), ConnectionError())), YES),
        (chained(RuntimeError("the tool failed"), url_error(529)), YES),
        (chained(RuntimeError("the tool failed"), url_error(404)), NO),
        (chained(RuntimeError("the tool failed"), CallCancelled()), NO),
        (chained(RuntimeError("a handler failed"), ConnectionError(), explicit=False), NO),
        (chained(ValueError("no answer fits"), ConnectionError()), NO),
        (raised(lambda: json.loads("{")), NO),
        *((url_error(status), worth) for status, worth in STATUSES),
    ],
    ids=repr,
)
def test_the_standard_library(error, worth):
    """Connections, time and the statuses that pass: yes; files, bugs, cancels and what is not known: no."""
    assert worth_retrying(error) is worth


def requests_errors():
    """Real errors of requests and of urllib3 beneath it."""
    requests = pytest.importorskip("requests")
    from urllib3 import exceptions as below

    def answered(status):
        response = requests.Response()
        response.status_code, response.url = status, URL
        return raised(response.raise_for_status)

    broken = requests.Response()
    broken._content = b'{"half":'
    kinds = requests.exceptions
    certificate = chained(below.SSLError("…"), ssl.SSLCertVerificationError(1, "…"), explicit=False)
    yield from ((answered(status), worth) for status, worth in STATUSES)
    yield raised(partial(requests.get, URL, timeout=5)), YES  # refused
    yield raised(broken.json), YES
    for kind in ("ConnectTimeout", "ReadTimeout", "ChunkedEncodingError", "ProxyError", "RetryError", "SSLError"):
        yield getattr(kinds, kind)("…"), YES
    yield chained(kinds.SSLError("…"), chained(below.MaxRetryError(None, URL), certificate), explicit=False), NO
    for kind in (
        "InvalidURL",
        "MissingSchema",
        "TooManyRedirects",
        "InvalidHeader",
        "StreamConsumedError",
        "HTTPError",
    ):
        yield getattr(kinds, kind)("…"), NO
    yield below.ProtocolError("…", ConnectionResetError()), YES
    yield below.ReadTimeoutError(None, URL, "…"), YES
    yield below.IncompleteRead(1, 2), YES
    yield below.MaxRetryError(None, URL), YES
    yield below.LocationParseError("…"), NO


def get_with_hook(httpx, hook):
    """A request by a client that calls the user's own code in the middle of it."""
    with httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200)), event_hooks={"response": [hook]}
    ) as it:
        it.get(URL)


def httpx_errors(name):
    """Real errors of httpx, or of its successor httpx2."""
    httpx = pytest.importorskip(name)
    request = httpx.Request("GET", URL)

    def answered(status):
        return raised(httpx.Response(status, request=request).raise_for_status)

    yield from ((answered(status), worth) for status, worth in STATUSES)
    yield answered(302), NO
    yield raised(partial(httpx.get, URL, timeout=5, trust_env=False)), YES  # refused
    yield raised(httpx.Response(200, content=b'{"half":').json), YES
    yield raised(lambda: json.loads(httpx.Response(200, content=b"{").text)), NO
    yield raised(partial(get_with_hook, httpx, lambda _: json.loads("{"))), NO
    for kind in ("ReadError", "WriteError", "CloseError", "RemoteProtocolError", "ReadTimeout", "PoolTimeout"):
        yield getattr(httpx, kind)("…", request=request), YES
    yield httpx.ReadError("…"), YES  # whose `request` property raises
    yield httpx.DecodingError("…"), YES
    yield chained(httpx.ConnectError("…"), ssl.SSLCertVerificationError(1, "…")), NO
    for kind in ("UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects", "InvalidURL"):
        yield getattr(httpx, kind)("…"), NO


def http_of(sdk):
    """The library that an SDK makes its requests with: httpx where it is an older one."""
    return pytest.importorskip(sdk.DefaultHttpxClient.__base__.__module__.partition(".")[0])


def sdk_errors(name):
    """Real errors of the anthropic or of the openai SDK, which are generated from one template."""
    sdk = pytest.importorskip(name)
    httpx = http_of(sdk)
    request = httpx.Request("POST", URL)

    def answered(status, **headers):
        response = httpx.Response(status, headers=headers, request=request)
        return sdk.APIStatusError("…", response=response, body=None)

    yield from ((answered(status), worth) for status, worth in STATUSES)
    yield answered(400, **{"x-should-retry": "true"}), YES
    yield answered(529, **{"x-should-retry": "false"}), NO
    yield sdk.APIConnectionError(request=request), YES
    yield sdk.APITimeoutError(request), YES
    yield chained(sdk.APIConnectionError(request=request), httpx.ReadError("…")), YES
    yield chained(sdk.APIConnectionError(request=request), httpx.LocalProtocolError("a header is wrong")), NO
    yield chained(sdk.APIConnectionError(request=request), httpx.UnsupportedProtocol("…")), NO
    yield sdk.APIResponseValidationError(httpx.Response(200, request=request), None), YES
    yield chained(RuntimeError("the tool failed"), answered(429)), YES


@pytest.mark.parametrize(
    "errors",
    [
        requests_errors,
        partial(httpx_errors, "httpx"),
        partial(httpx_errors, "httpx2"),
        partial(sdk_errors, "anthropic"),
        partial(sdk_errors, "openai"),
    ],
    ids=["requests", "httpx", "httpx2", "anthropic", "openai"],
)
def test_clients(errors):
    """Each real error of a client is judged as its SDK would, or better."""
    wrong = [(error, worth) for error, worth in errors() if worth_retrying(error) is not worth]
    assert wrong == []


def other_errors():
    """Real errors of clients that are less often called from threads."""
    botocore = pytest.importorskip("botocore.exceptions")
    yield botocore.EndpointConnectionError(endpoint_url=URL), YES
    yield botocore.ReadTimeoutError(endpoint_url=URL), YES
    yield botocore.NoRegionError(), NO


def test_other_clients():
    """Connection errors of clients that bring classes of their own are known by name."""
    assert [error for error, worth in other_errors() if worth_retrying(error) is not worth] == []


@pytest.fixture
def ask():
    """Calls the real anthropic SDK, without its own retries, and gets this answer."""
    anthropic = pytest.importorskip("anthropic")
    httpx = http_of(anthropic)

    def ask(status, content, stream=False, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))
        with (
            httpx.Client(transport=transport) as http_client,
            anthropic.Anthropic(api_key="x", base_url=URL, max_retries=0, http_client=http_client) as client,
        ):
            message = {"role": "user", "content": "hello"}
            answer = client.messages.create(max_tokens=9, model="m", messages=[message], stream=stream)
            return list(answer) if stream else answer

    return ask


def test_an_answer_of_the_sdk_that_is_no_json(ask):
    """The decoder is called from the SDK's own code: another attempt may bring a whole answer."""
    error = raised(partial(ask, 200, b'{"id": "half', content_type="application/json"))
    assert isinstance(error, json.JSONDecodeError)
    assert worth_retrying(error)


def test_a_stream_of_the_sdk_that_ends_in_an_overload(ask):
    """The SDK's error has status 200, as the stream began; it counts as the overload that it reports."""
    event = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    error = raised(partial(ask, 200, event, stream=True, content_type="text/event-stream"))
    assert error.status_code == 200
    assert (status_of(error), is_overload(error), worth_retrying(error)) == (529, True, True)


def test_a_refusal_of_the_sdk(ask):
    """What the answer asks for is found on the SDK's error, also once the SDK has been kept from asking again."""
    error = raised(partial(ask, 429, b"{}", retry_after="3", x_should_retry="true"))
    assert retry_after_of(error) == 3.0
    silence(error.response.headers)
    assert error.response.headers["x-should-retry"] == "false"
    assert worth_retrying(error)
