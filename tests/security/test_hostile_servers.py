"""What a server may answer, so that a call is made late, or a program stalled or ended."""

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from support.certificates import certificates
from threadfan import Fan, RateLimit
from threadfan._core.policies.headers import read, span
from threadfan._core.policies.rate_limit import RateLimit as Limit
from threadfan._core.policies.retry_after import LONGEST, retry_after

NUMBERS = [
    "1e308", "-1", "nan", "inf", "-inf", "9" * 60_000, "1e-400", "", "0x10", "\0", "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 99999 23:59:59 GMT",
    "Mon, 01 Jan 0000 00:00:00 +999999", "Mon, 01 Jan 1 00:00:00 -9999", "(" * 60_000, '"' * 60_000, "1s" * 30_000,
    "." * 60_000, "1 Jan " * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS, ids=lambda text: f"{text[:12]!a} {len(text)}")
def test_what_it_asks_to_wait_is_an_hour_at_most(text):
    """Whatever stands in its headers, the wait is none or a number of seconds up to `LONGEST`."""
    dated = {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": text}
    for headers in ({"retry-after": text}, {"retry-after-ms": text}, dated):
        asked = retry_after(headers, 0.0)
        assert asked is None or 0.0 <= asked <= LONGEST
    names = [f"{where}-ratelimit-{name}" for where in ("x", "anthropic") for name in (
        "limit-requests", "remaining-requests", "reset-requests", "requests-limit", "requests-remaining",
        "requests-reset",
    )]  # fmt: skip
    for said in read({"date": text, **dict.fromkeys(names, text)}, 0.0).values():
        assert all(number is None or number >= 0 for number in (said.limit, said.remaining, said.reset))


def test_a_span_of_time_is_short():
    """What nobody writes is not read: each part would be cut off a long rest."""
    assert span("1s" * 30_000) is None
    assert span("1d2h3m4s5ms") == pytest.approx(93784.005)


@pytest.mark.parametrize("limit", ["5e-324", "1e-300", "0.5", "0"])
def test_a_limit_below_one_a_minute_is_none(limit):
    """A server cannot say that nothing may be asked until the sun has burnt out."""
    found = Limit()
    for _ in range(2):
        found.succeeded(found.take(0.0, found.cost()), 0.0, headers={"x-ratelimit-limit-requests": limit})
    assert found.wait(0.0, found.cost()) == 0.0


def test_a_reset_is_an_hour_away_at_most():
    """Where no pace is known, "nothing remaining" holds until the reset, if that is in sight."""
    found = Limit()
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9" * 90 + "d"}
    found.succeeded(found.take(0.0, found.cost()), 0.0, headers=headers)
    assert found.wait(0.0, found.cost()) == LONGEST


def test_a_limit_that_falls_takes_its_burst_along():
    """What the bucket held by the old limit cannot be lacking by the new one."""
    found = Limit(burst=1)
    high, low = (
        {"x-ratelimit-limit-tokens": limit, "x-ratelimit-remaining-tokens": "0"} for limit in ("1000000", "60")
    )
    found.succeeded(found.take(0.0, found.cost()), 0.0, headers=high)
    now = found.wait(0.0, found.cost())
    found.succeeded(found.take(now, found.cost()), now, headers=low)
    assert found.wait(now, found.cost()) < 120.0


@pytest.mark.parametrize("body", [
    b"[" * 100_000, b'{"a":' * 50_000, b'"' + b"a" * 1_000_000, b"\xff\xfe\0", b"9" * 100_000, b"null", b"[1]", b'""',
    b'{"error": 5}', b'{"error": {"details": [[[1]]], "code": {}, "type": []}}',
])  # fmt: skip
def test_a_body_that_is_no_answer_fails_one_call(body, served):
    """A page, a tower of brackets, a megabyte of one letter: the client's error, and the next call is made."""
    anthropic = pytest.importorskip("anthropic")
    from threadfan.clients.anthropic import attach

    url = served(body)
    with (
        attach(anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)) as client,
        Fan(1, rate=RateLimit()) as fan,
    ):
        ask = lambda item: client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])  # noqa: E731
        report = fan.run(ask, [1, 2])
        assert [outcome.status for outcome in report] == ["failed"] * 2
        assert len(str(report)) < 2000
        json.dumps(report.to_dict())


def by_requests(url):
    """Its sessions, attached."""
    from threadfan.clients import requests

    with requests.Session() as session:
        session.get(url)


def by_httpx(url):
    """Its clients, attached."""
    import httpx

    from threadfan.clients.httpx import attach

    with attach(httpx.Client()) as client:
        client.get(url)


def by_anthropic(url):
    """A client of the SDK's."""
    import anthropic

    from threadfan.clients.anthropic import attach

    with attach(anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)) as client:
        client.models.list()


@pytest.mark.parametrize("ask", [by_requests, by_httpx, by_anthropic])
def test_a_certificate_that_nobody_vouches_for_is_refused(ask, served):
    """By attached clients as by those that they are made of."""
    url = served(b"{}", tls=True)
    with Fan(1) as fan:
        error = fan.run(ask, [url])[0].error
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    assert "CERTIFICATE_VERIFY_FAILED" in "".join(texts)


@pytest.fixture
def served():
    """A server that answers each request with status 500 and a body."""
    servers = []

    def serve(body, *, tls=False):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(500)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *args: None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificates()[1:])
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        servers.append((server, thread))
        return f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
