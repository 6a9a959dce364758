"""The tokens that calls of the attached Anthropic client use are noted on their scope, whatever becomes of the call."""

import base64
import contextlib
import json
import struct
import threading
import zlib
from inspect import signature

import pytest

from support.controlled import PATIENCE
from support.faulty_server import read_head
from support.loopback import Loopback, until_gone
from support.scoped import call
from support.scripted_server import ScriptedServer
from threadfan import CallCancelled, Fan, Scope
from threadfan._core.base.usage import Usage
from threadfan._core.scope.scope import scope_var
from threadfan.clients.anthropic import attach

anthropic = pytest.importorskip("anthropic", exc_type=ImportError)
pydantic = pytest.importorskip("pydantic")

REQUEST = {"model": "test-model", "max_tokens": 50, "messages": [{"role": "user", "content": "hello there"}]}


class Broadcast(Loopback):
    """A server that answers one request with some events of a stream, and then is silent.

    Args:
        events: what it sends; with ``ends`` it then closes.
    """

    def __init__(self, events, *, ends):
        super().__init__()
        self._events = events
        self._ends = ends
        self.sent = threading.Event()

    def _serve(self, sock):
        with sock.makefile("rb") as stream:
            _, headers = read_head(stream)
            stream.read(int(headers["content-length"]))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in self._events:
            sock.sendall(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        self._note_request()
        if not self._ends:
            until_gone(sock)


def start(**usage):
    """The first event of a stream."""
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": None}
    return {"type": "message_start", "message": {**message, "stop_sequence": None, "usage": usage}}


def delta(**usage):
    """An event that says more about the usage."""
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}


@pytest.fixture
def ledger():
    """What is noted on the scope of the test."""
    noted = []
    token = scope_var.set(Scope(ledger=noted.append))
    yield noted
    scope_var.reset(token)


@contextlib.contextmanager
def attached(client):
    """An attached copy of a client, closed at the end."""
    with client, attach(client) as copied:
        yield copied


@contextlib.contextmanager
def client_of(server):
    """An attached client of a loopback server."""
    http = anthropic.DefaultHttpxClient(trust_env=False)
    options = {"base_url": f"http://{server.address}", "http_client": http, "max_retries": 0}
    with attached(anthropic.Anthropic(api_key="test", **options)) as client:
        yield client


def total(noted):
    """All that was noted, in one."""
    return sum(noted[1:], noted[0])


def test_a_plain_call(messages_server, ledger):
    """Noted once, as the response says."""
    with attached(messages_server.client()) as client:
        message = client.messages.create(**REQUEST)
        assert ledger == [Usage.of(message.usage)]
        assert ledger[0].input_tokens > 0
        assert ledger[0].output_tokens > 0


@pytest.mark.parametrize("made", ["with_options", "copy"])
def test_a_call_of_a_client_made_from_it(messages_server, ledger, made):
    """Clients with other options note as well, and not twice."""
    with attached(messages_server.client()) as client:
        message = getattr(getattr(client, made)(timeout=60), made)(max_retries=1).messages.create(**REQUEST)
        assert ledger == [Usage.of(message.usage)]


def test_streams(messages_server, ledger):
    """The helper and raw events note the same as a plain call: one request, the last sums."""
    with attached(messages_server.client()) as client:
        plain = client.messages.create(**REQUEST)
        ledger.clear()
        with client.messages.stream(**REQUEST) as stream:
            stream.until_done()
        assert total(ledger) == Usage.of(plain.usage)
        ledger.clear()
        with client.messages.create(**REQUEST, stream=True) as events:
            for _ in events:
                pass
        assert total(ledger) == Usage.of(plain.usage)
        ledger.clear()
        with client.beta.messages.stream(**REQUEST) as stream:
            stream.until_done()
        assert total(ledger) == Usage.of(plain.usage)


def test_raw_responses_are_noted_when_parsed(messages_server, ledger):
    """Parsing twice notes once."""
    with attached(messages_server.client()) as client:
        raw = client.messages.with_raw_response.create(**REQUEST)
        noted = len(ledger)
        message = raw.parse()
        raw.parse(to=type(message))
        assert noted <= 1
        assert ledger == [Usage.of(message.usage)]


def test_other_answers_are_no_usage(messages_server, ledger):
    """Errors and counted tokens use nothing."""
    with attached(messages_server.client()) as client:
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(**{**REQUEST, "messages": [{"role": "user", "content": "[fault:429]"}]})
        assert ledger == []


def test_a_stream_that_stalls_keeps_what_it_said(messages_server):
    """Its first event tells the input, which is noted though the stream is cancelled then."""
    noted = []
    known = threading.Event()
    scope = Scope(ledger=lambda usage: (noted.append(usage), known.set()))
    with Broadcast([start(input_tokens=70, output_tokens=1)], ends=False) as server, client_of(server) as client:
        future = call(scope, lambda: list(client.messages.create(**REQUEST, stream=True)))
        assert known.wait(PATIENCE)
        scope.cancel()
        assert isinstance(future.exception(PATIENCE), CallCancelled)
        server.wait_until_closed()
    assert noted == [Usage(70, 1)]


def test_sums_that_grow_are_not_added_up(ledger):
    """Each event gives the sum until then, and what it leaves out stays."""
    events = [
        start(input_tokens=70, output_tokens=1, cache_read_input_tokens=5),
        delta(output_tokens=30),
        delta(output_tokens=50, input_tokens=None, cache_creation_input_tokens=2),
    ]
    with Broadcast(events, ends=True) as server, client_of(server) as client:
        list(client.messages.create(**REQUEST, stream=True))
    assert total(ledger) == Usage(70, 50, 2, 5, requests=1)
    assert len(ledger) == 3


def test_a_call_that_fails_later_has_used_its_tokens(messages_server):
    """The outcome of a call that raises after its answer has the tokens, and two answers add up."""

    def careless(_):
        for _ in range(2):
            client.messages.create(**REQUEST)
        raise KeyError("later")

    with attached(messages_server.client()) as client, Fan(2, timeout=60) as fan:
        one = Usage.of(client.messages.create(**REQUEST).usage)
        (outcome,) = fan.run(careless, [None])
        assert isinstance(outcome.error, KeyError)
        assert outcome.usage == one + one
        assert outcome.usage.requests == 2


def test_a_parse_that_fails_has_used_its_tokens(messages_server, ledger):
    """Tokens are noted before the SDK makes objects of the answer."""
    with attached(messages_server.client()) as client:
        if not hasattr(client.messages, "parse"):
            pytest.skip("this version of the SDK does not parse")
        with pytest.raises(pydantic.ValidationError):
            client.messages.parse(**REQUEST, output_format=int)
        assert total(ledger).requests == 1


MESSAGE = {**start(input_tokens=7, output_tokens=3)["message"], "content": [{"type": "text", "text": "hi"}]}
STREAMED = [start(input_tokens=7, output_tokens=1), delta(output_tokens=3), {"type": "message_stop"}]


def frame(event):
    """An event as Bedrock sends it: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    said = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in said.items()
    )
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


@pytest.mark.parametrize("platform", ["Bedrock", "Vertex"])
def test_other_platforms(ledger, platform):
    """What Bedrock and Vertex answer is noted as well, plain or streamed."""
    kind = getattr(anthropic, f"Anthropic{platform}")
    aws, google = {"api_key": "k", "aws_region": "r"}, {"region": "r", "project_id": "p", "access_token": "t"}
    options = aws if platform == "Bedrock" else google
    if not options.keys() <= signature(kind.__init__).parameters.keys():
        pytest.skip("this version of the SDK takes no key for it")
    streamed = ("events", STREAMED)
    if platform == "Bedrock":
        pytest.importorskip("botocore")
        streamed = ("application/vnd.amazon.eventstream", b"".join(map(frame, STREAMED)))
    http = anthropic.DefaultHttpxClient(trust_env=False)
    with (
        ScriptedServer(("message", MESSAGE), streamed) as server,
        attached(kind(base_url=server.url, http_client=http, max_retries=0, **options)) as client,
    ):
        client.messages.create(**REQUEST)
        assert ledger == [Usage(7, 3)]
        assert len(list(client.messages.create(**REQUEST, stream=True))) == 3
        assert total(ledger) == Usage(14, 6, requests=2)
