"""The table of what is recognised (docs/limits.md), each row by the real errors of the library it names.

None of them needs an account or a server; a library that is not installed skips its row.  `test_shapes_of_errors.py`
has errors of the same shapes for everybody.
"""

import json
import re
from pathlib import Path

import pytest

from threadfan._core.policies.responses import is_overload
from threadfan._core.policies.retry_after import retry_after_of
from threadfan._core.policies.retryable import worth_retrying
from threadfan._core.policies.words import final_word

REFUSED, PASSES, STAYS, FINAL = "refused", "passes", "stays", "final"
URL = "http://127.0.0.1:1/"


def verdict(error):
    """What is said of an error, in one word."""
    if final_word(error) is not None:
        assert not worth_retrying(error)
        assert not is_overload(error)
        return FINAL
    if is_overload(error):
        assert worth_retrying(error)
        return REFUSED
    return PASSES if worth_retrying(error) else STAYS


def botocore():
    """What a service has answered, by its status or by its word alone, and what came of the connection."""
    kinds = pytest.importorskip("botocore.exceptions")

    def answer(code, status=None, **headers):
        meta = {} if status is None else {"ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
        return kinds.ClientError({"Error": {"Code": code, "Message": "…"}, **meta}, "Converse")

    yield answer("ThrottlingException", 429), REFUSED
    yield answer("ThrottlingException", 400), REFUSED
    yield answer("SlowDown", 503), PASSES
    yield answer("ServiceUnavailableException", 503, **{"retry-after": "1"}), REFUSED
    yield answer("InternalServerException", 500), PASSES
    yield answer("ModelTimeoutException", 408), PASSES
    yield answer("ValidationException", 400), STAYS
    yield answer("AccessDeniedException", 403), STAYS
    for code, expected in [
        ("throttlingException", REFUSED),
        ("internalServerException", PASSES),
        ("modelStreamErrorException", PASSES),
        ("serviceUnavailableException", PASSES),
        ("validationException", STAYS),
    ]:
        yield kinds.EventStreamError({"Error": {"Code": code, "Message": "…"}}, "ConverseStream"), expected
    yield kinds.EndpointConnectionError(endpoint_url=URL), PASSES
    yield kinds.ReadTimeoutError(endpoint_url=URL), PASSES
    yield kinds.NoCredentialsError(), STAYS


def google():
    """The base of Google's clients: a status, or the name of gRPC's."""
    kinds = pytest.importorskip("google.api_core.exceptions")
    yield kinds.TooManyRequests("…"), REFUSED
    yield kinds.ResourceExhausted("…"), REFUSED
    yield kinds.ServiceUnavailable("…"), PASSES
    yield kinds.DeadlineExceeded("…"), PASSES
    yield kinds.Aborted("…"), PASSES
    yield kinds.BadRequest("…"), STAYS
    yield kinds.Cancelled("…"), STAYS
    if kinds.AlreadyExists.grpc_status_code is not None:  # else gRPC is not installed, and it is a plain 409
        yield kinds.AlreadyExists("…"), FINAL


def genai():
    """The SDK of Gemini, whose body says how long to wait."""
    kinds = pytest.importorskip("google.genai.errors")
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}

    def made(kind, code, **more):
        body = {"error": {"code": code, **more}}
        try:
            return kind(code, body)
        except AttributeError:  # its first versions want the answer itself, one of requests
            answer = pytest.importorskip("requests").Response()
            answer.status_code, answer._content = code, json.dumps(body).encode()
            return kind(code, answer)

    refused = made(kinds.ClientError, 429, status="RESOURCE_EXHAUSTED", details=[wait])
    assert retry_after_of(refused) == 34.0
    yield refused, REFUSED
    yield made(kinds.ServerError, 503, status="UNAVAILABLE"), PASSES
    yield made(kinds.ClientError, 400, status="INVALID_ARGUMENT"), STAYS


def grpc():
    """Errors whose `code` is a method: one of a call to a place where nobody is, and one of each kind."""
    library = pytest.importorskip("grpc")
    with library.insecure_channel("127.0.0.1:1") as channel:
        try:
            channel.unary_unary("/nobody/there")(b"", timeout=5)
        except library.RpcError as error:
            yield error, PASSES
    code = library.StatusCode
    for kind, expected in [
        (code.RESOURCE_EXHAUSTED, REFUSED),
        (code.UNAVAILABLE, PASSES),
        (code.DEADLINE_EXCEEDED, PASSES),
        (code.ABORTED, PASSES),
        (code.INVALID_ARGUMENT, STAYS),
        (code.PERMISSION_DENIED, STAYS),
        (code.ALREADY_EXISTS, FINAL),
        (code.UNIMPLEMENTED, FINAL),
    ]:
        yield library.aio.AioRpcError(kind, library.aio.Metadata(), library.aio.Metadata()), expected


def redis():
    """Connections and servers that start; never what it is no use to repeat."""
    kinds = pytest.importorskip("redis.exceptions")
    for name in ("ConnectionError", "TimeoutError", "BusyLoadingError", "ClusterDownError", "TryAgainError"):
        yield getattr(kinds, name)("…"), PASSES
    for name in ("AuthenticationError", "ResponseError", "DataError", "LockError"):
        yield getattr(kinds, name)("…"), STAYS


def pymongo():
    """Connections; a failed operation has a `code` that is no status."""
    kinds = pytest.importorskip("pymongo.errors")
    for name in ("AutoReconnect", "ConnectionFailure", "NetworkTimeout", "ServerSelectionTimeoutError"):
        yield getattr(kinds, name)("…"), PASSES
    yield kinds.OperationFailure("…", 503, {}), STAYS
    yield kinds.DuplicateKeyError("…"), STAYS


def elasticsearch():
    """Answers and connections."""
    library, transport = pytest.importorskip("elasticsearch"), pytest.importorskip("elastic_transport")

    def answer(status, **headers):
        meta = transport.ApiResponseMeta(
            status=status, http_version="1.1", headers=transport.HttpHeaders(headers), duration=0.1, node=None
        )
        return library.ApiError("…", meta=meta, body={"error": {"type": "…"}, "status": status})

    yield answer(429), REFUSED
    yield answer(503), PASSES
    yield answer(503, **{"retry-after": "1"}), REFUSED
    yield answer(404), STAYS
    yield library.ConnectionError("…"), PASSES
    yield library.ConnectionTimeout("…"), PASSES
    yield transport.TlsError("…"), STAYS
    yield library.SerializationError("…"), STAYS


def sqlalchemy():
    """Connections that broke, pools that are used up, and what the drivers beneath say."""
    kinds = pytest.importorskip("sqlalchemy.exc")

    class OperationalError(Exception):
        """A driver's."""

    def wrapped(driver, **options):
        error = kinds.OperationalError("select 1", {}, driver, **options)
        error.__cause__ = driver
        return error

    deadlock = OperationalError("deadlock detected")
    deadlock.sqlstate = "40P01"
    yield wrapped(OperationalError("…"), connection_invalidated=True), PASSES
    yield wrapped(deadlock), PASSES
    yield wrapped(OperationalError(2013, "Lost connection to MySQL server during query")), PASSES
    yield wrapped(OperationalError(1054, "Unknown column")), STAYS
    yield wrapped(OperationalError("no such table: t")), STAYS
    yield kinds.TimeoutError("…"), PASSES
    yield kinds.DisconnectionError("…"), PASSES
    yield kinds.InvalidRequestError("…"), STAYS


def stripe():
    """A status in `http_status`."""
    library = pytest.importorskip("stripe")
    yield library.RateLimitError("…", http_status=429), REFUSED
    yield library.APIError("…", http_status=500), PASSES
    yield library.APIConnectionError("…"), PASSES
    yield library.CardError("…", None, "card_declined", http_status=402), STAYS


def voyageai():
    """The same, and errors without any."""
    kinds = pytest.importorskip("voyageai.error")
    yield kinds.RateLimitError("…", http_status=429), REFUSED
    yield kinds.ServiceUnavailableError("…", http_status=503), PASSES
    for name in ("APIConnectionError", "ServiceUnavailableError", "Timeout", "TryAgain"):
        yield getattr(kinds, name)("…"), PASSES
    yield kinds.InvalidRequestError("…", http_status=400), STAYS


def azure():
    """Answers by their status, and connections by name."""
    kinds = pytest.importorskip("azure.core.exceptions")

    class Response:
        """Of the transport's."""

        reason = "…"

        def __init__(self, status, **headers):
            self.status_code, self.headers = status, headers

        def text(self):
            return ""

        body = content_type = text

    yield kinds.HttpResponseError(response=Response(429)), REFUSED
    yield kinds.HttpResponseError(response=Response(503)), PASSES
    yield kinds.HttpResponseError(response=Response(404)), STAYS
    for name in ("ServiceRequestError", "ServiceResponseError", "ServiceResponseTimeoutError", "IncompleteReadError"):
        yield getattr(kinds, name)("…"), PASSES
    yield kinds.ClientAuthenticationError("…"), STAYS


def openai():
    """Answers, what comes inside a stream (numbers too, as vLLM and OpenRouter send), and no money."""
    library, httpx = pytest.importorskip("openai"), pytest.importorskip("httpx")
    request = httpx.Request("POST", URL)

    def streamed(**body):
        return library.APIError("…", request, body=body)

    def answer(status, **body):
        response = httpx.Response(status, request=request)
        return library.APIStatusError("…", response=response, body=body)

    yield answer(429, code="rate_limit_exceeded", type="requests"), REFUSED
    yield answer(500), PASSES
    yield answer(400, code="invalid_request_error"), STAYS
    yield library.APIConnectionError(request=request), PASSES
    yield library.APITimeoutError(request=request), PASSES
    yield streamed(code="rate_limit_exceeded", type="tokens"), REFUSED
    yield streamed(code="server_error", type="server_error"), PASSES
    yield streamed(code=429), REFUSED
    yield streamed(code="429"), REFUSED
    yield streamed(code=502), PASSES
    yield streamed(code=400), STAYS
    yield streamed(code="context_length_exceeded", type="invalid_request_error"), STAYS
    yield answer(429, code="insufficient_quota", type="insufficient_quota"), FINAL
    yield answer(429, code="billing_hard_limit_reached"), FINAL
    yield answer(429, code="billing_not_active"), FINAL
    yield answer(401, code="account_deactivated"), FINAL
    yield streamed(code="insufficient_quota"), FINAL


def urllib3():
    """What is left of an answer when its own `Retry` has given up."""
    kinds = pytest.importorskip("urllib3.exceptions")

    def given_up(status):
        reason = kinds.ResponseError(kinds.ResponseError.SPECIFIC_ERROR.format(status_code=status))
        return kinds.MaxRetryError(None, URL, reason)

    yield given_up(429), REFUSED
    yield given_up(503), PASSES
    yield given_up(404), STAYS
    yield kinds.MaxRetryError(None, URL, kinds.ReadTimeoutError(None, URL, "…")), PASSES
    yield kinds.ProtocolError("…"), PASSES


def requests():
    """The same through requests; answers, whose content has the provider's word; a body that is no JSON."""
    library, kinds = pytest.importorskip("requests"), pytest.importorskip("urllib3.exceptions")

    def answer(status, content=b""):
        response = library.Response()
        response.status_code, response.url, response._content = status, URL, content
        return caught(lambda: (response.raise_for_status(), response.json()))

    reason = kinds.ResponseError("too many 429 error responses")
    yield library.exceptions.RetryError(kinds.MaxRetryError(None, URL, reason)), REFUSED
    yield library.exceptions.RetryError("…"), PASSES
    yield library.exceptions.ConnectionError("…"), PASSES
    yield library.exceptions.InvalidURL("…"), STAYS
    yield answer(429), REFUSED
    yield answer(429, b'{"error": {"code": "insufficient_quota"}}'), FINAL
    yield answer(429, b'[{"error": {"status": "RESOURCE_EXHAUSTED"}}]'), REFUSED
    yield answer(429, b"{" * 100_000), REFUSED
    yield answer(404), STAYS
    yield answer(200, b'{"half":'), PASSES


def httpx():
    """Answers, connections, and bodies that are neither JSON nor UTF-8."""
    library = pytest.importorskip("httpx")
    request = library.Request("GET", URL)

    def answer(status, content=b""):
        response = library.Response(status, content=content, request=request)
        return caught(lambda: (response.raise_for_status(), response.json()))

    yield answer(429), REFUSED
    yield answer(429, b'{"error": {"type": "insufficient_quota"}}'), FINAL
    yield answer(502), PASSES
    yield answer(422), STAYS
    yield answer(200, b'{"half":'), PASSES
    yield answer(200, b'{"text": "\xff\xfe"}'), PASSES
    yield library.ConnectError("…"), PASSES
    yield library.ReadTimeout("…"), PASSES
    yield library.UnsupportedProtocol("…"), STAYS


def anthropic():
    """Answers, and what comes inside a stream."""
    library = pytest.importorskip("anthropic")
    client = pytest.importorskip("httpx2" if hasattr(library, "DefaultHttpx2Client") else "httpx")
    request = client.Request("POST", URL)

    def answer(status, kind=None, **headers):
        body = None if kind is None else {"type": "error", "error": {"type": kind}}
        response = client.Response(status, headers=headers, request=request)
        return library.APIStatusError("…", response=response, body=body)

    yield answer(429), REFUSED
    yield answer(529), REFUSED
    yield answer(200, "overloaded_error"), REFUSED
    yield answer(200, "api_error"), PASSES
    yield answer(400, "invalid_request_error"), STAYS
    yield library.APIConnectionError(request=request), PASSES


def aiohttp():
    """Answers and connections."""
    library = pytest.importorskip("aiohttp")

    def answer(status):
        return library.ClientResponseError(None, (), status=status)

    yield answer(429), REFUSED
    yield answer(503), PASSES
    yield answer(404), STAYS
    yield library.ServerDisconnectedError(), PASSES
    yield library.ClientPayloadError("…"), PASSES


def caught(act):
    """The error that `act()` raises."""
    try:
        act()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


ROWS = [
    anthropic, openai, genai, botocore, google, grpc, azure, voyageai, stripe, requests, httpx, urllib3, aiohttp,
    redis, pymongo, elasticsearch, sqlalchemy,
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_a_row(row):
    """Each real error is taken for what it is; wrapped by a tool of one's own, in a group and after a pickle too."""
    for number, (error, expected) in enumerate(row()):
        assert (number, repr(error), verdict(error)) == (number, repr(error), expected)
        tool = RuntimeError("the tool failed")
        tool.__cause__ = error
        assert verdict(tool) == expected
        assert verdict(ExceptionGroup("…", [error, ExceptionGroup("…", [error])])) == expected


def test_the_table_in_the_docs_has_these_rows():
    """What the documentation calls recognised is what is tested here, no less and no more."""
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
    table = page.partition("| library | where it says so |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [row.__name__ for row in ROWS]
