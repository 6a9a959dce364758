"""The attached client of the OpenAI SDK: calls that end with their scope, are counted, and say what they have used."""

import contextlib
import json

import pytest

from support.controlled import PATIENCE, until
from support.faulty_server import FaultyServer
from support.scope_ends import WAYS
from support.scripted_server import ScriptedServer
from threadfan import CallCancelled, Fan, RateLimit, Scope, attach, fail_after
from threadfan._core.base.usage import Usage
from threadfan._core.scope.scope import scope_var
from threadfan.clients import openai as seam

openai = pytest.importorskip("openai", exc_type=ImportError)

REQUEST = {"model": "test-model", "messages": [{"role": "user", "content": "hello there"}]}


@contextlib.contextmanager
def attached(url, kind=openai.OpenAI, **options):
    """An attached copy of a client, closed at the end."""
    http = openai.DefaultHttpxClient(trust_env=False)
    with kind(**{"api_key": "test", "base_url": url, "http_client": http, "max_retries": 0, **options}) as client:
        yield attach(client)


@pytest.fixture
def client(messages_server):
    """An attached client of the loopback server."""
    with attached(f"{messages_server.url}/v1") as client:
        yield client


@pytest.fixture
def ledger():
    """What is noted on the scope of the test."""
    noted = []
    token = scope_var.set(Scope(ledger=noted.append))
    yield noted
    scope_var.reset(token)


def ask(client):
    """A chat completion."""
    return client.chat.completions.create(**REQUEST)


def ask_streaming(client):
    """One that is streamed."""
    return list(client.chat.completions.create(**REQUEST, stream=True))


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("way", [ask, ask_streaming])
def test_a_call_that_hangs_ends_with_its_scope(way, end):
    """Plain or streamed: it ends, and the server sees it go."""
    with FaultyServer() as server, attached(server.url("/hang"), max_retries=1000) as client:
        end(lambda: way(client), lambda: server.wait_for_requests(1))
        server.wait_until_closed()


def test_its_sleeps_are_the_scopes(messages_server, monkeypatch):
    """Between its attempts it sleeps no moment in a way of its own, which no cancel would reach."""
    slept = []
    monkeypatch.setattr(openai._base_client.time, "sleep", slept.append)
    refusal = (503, "busy", {"retry-after-ms": "1"})
    with ScriptedServer(refusal, refusal, ("application/json", "{}")) as server:
        with attached(server.url, max_retries=2) as client, fail_after(PATIENCE):
            ask(client)
        assert len(server.asked) == 3
    assert not any(slept)


def test_a_plain_call(client, ledger):
    """Noted once, as the response says."""
    completion = ask(client)
    assert ledger == [Usage.of(completion.usage)]
    assert ledger[0].input_tokens > 0
    assert ledger[0].output_tokens > 0


@pytest.mark.parametrize("made", ["with_options", "copy"])
def test_a_call_of_a_client_made_from_it(client, ledger, made):
    """Clients with other options note as well, and not twice."""
    ask(getattr(getattr(client, made)(timeout=60), made)(max_retries=1))
    assert len(ledger) == 1


def test_streams(client, ledger):
    """Raw events and the helper note the same as a plain call, if the stream is asked to say it."""
    told = {"stream_options": {"include_usage": True}}
    ask(client)
    for _ in client.chat.completions.create(**REQUEST, stream=True, **told):
        pass
    manager = getattr(client.chat.completions, "stream", None) or client.beta.chat.completions.stream
    with manager(**REQUEST, **told) as events:
        events.until_done()
    assert len(ledger) == 3
    assert len(set(ledger)) == 1
    ask_streaming(client)
    assert len(ledger) == 3


def response(**usage):
    """What the Responses API answers."""
    return {
        "id": "r", "object": "response", "model": "test-model", "created_at": 0, "output": [], "status": "completed",
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": {"total_tokens": 9, **usage},
    }  # fmt: skip


CACHED = {"input_tokens": 7, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 5}}


def test_responses(ledger):
    """Whole or streamed; what came from a cache counts against limits, and is no input that was read anew."""
    whole = response(**CACHED, output_tokens_details={"reasoning_tokens": 0})
    events = [
        {"type": "response.created", "sequence_number": 0, "response": {**whole, "usage": None}},
        {"type": "response.completed", "sequence_number": 1, "response": whole},
    ]
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    answers = ("application/json", json.dumps(whole)), ("text/event-stream", stream)
    with ScriptedServer(*answers) as server, attached(server.url) as client:
        client.responses.create(model="test-model", input="hello")
        list(client.responses.create(model="test-model", input="hello", stream=True))
    assert [(used.input_tokens, used.output_tokens, used.cache_read_input_tokens) for used in ledger] == [(2, 2, 5)] * 2
    assert [used.limited_input_tokens for used in ledger] == [7, 7]
    assert [used.requests for used in ledger] == [1, 1]


def test_sums_that_grow_are_noted_once(ledger):
    """Of a stream each of whose events says what was used until then, the last counts."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "test-model", "choices": []}
    events = [{**chunk, "usage": {"prompt_tokens": 9, "completion_tokens": done}} for done in (1, 1, 4)]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    with ScriptedServer(("text/event-stream", stream)) as server, attached(server.url) as client:
        ask_streaming(client)
    assert sum(ledger[1:], ledger[0]) == Usage(9, 4)
    assert len(ledger) == 2


def test_embeddings(ledger):
    """They say what they have read."""
    answer = {"object": "list", "model": "m", "data": [], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    with ScriptedServer(("application/json", json.dumps(answer))) as server, attached(server.url) as client:
        client.embeddings.create(model="m", input="hello", encoding_format="float")
    assert ledger == [Usage(3)]


def test_requests_of_one_call_are_under_its_limit(messages_server):
    """Each waits for a permit of its own, and a refusal pauses all: the SDK's own retries are kept out of it."""
    answers = [("application/json", json.dumps({"usage": {"prompt_tokens": 1, "completion_tokens": 1}}))] * 3
    refusal = (429, "busy", {"retry-after-ms": "1"})
    with ScriptedServer(refusal, *answers) as server, attached(server.url, max_retries=5) as client:
        limit = RateLimit(60_000, burst=100)
        with Fan(2, rate=limit) as fan:
            report = fan.run(lambda _: [ask(client), ask(client), ask(client)], [0])
        assert report.ok
        assert len(server.asked) == 4
    assert report[0].attempts == 2
    assert report[0].usage == Usage(3, 3, requests=3)


def test_azure(ledger):
    """It keeps its type and its way of addressing, and notes what it has used."""
    answer = json.dumps({"usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    options = {"api_version": "1", "azure_endpoint": None, "azure_deployment": None}
    with (
        ScriptedServer(("application/json", answer)) as server,
        attached(f"{server.url}/openai", kind=openai.AzureOpenAI, **options) as client,
    ):
        assert type(client) is openai.AzureOpenAI
        ask(client)
    assert ledger == [Usage(1, 2)]


def test_a_stream_of_texts(messages_server):
    """`fan.stream_text` takes the text out of its events."""
    messages_server.configure(replies={"cats": "They purr. " * 9})
    told = {"stream": True, "stream_options": {"include_usage": True}}
    with attached(f"{messages_server.url}/v1") as client, Fan(2) as fan:

        def write(topic):
            messages = [{"role": "user", "content": topic}]
            return client.chat.completions.create(model="m", messages=messages, **told)

        stream = fan.stream_text(write, ["cats"])
        pieces = [piece for _, piece in stream]
        assert "".join(pieces) == "They purr. " * 9
        assert len(pieces) > 3
        assert stream.report()[0].usage.output_tokens == 25


def test_nothing_works_after_the_end(client):
    """A scope that has ended lets neither a request nor another event through."""
    with fail_after(60) as scope:
        events = client.chat.completions.create(**REQUEST, stream=True)
        next(events)
        scope.cancel()
        with pytest.raises(CallCancelled):
            next(events)
        with pytest.raises(CallCancelled):
            ask(client)


def test_what_cannot_be_attached_says_so():
    """Async clients and other things are refused with the remedy."""
    with pytest.raises(TypeError, match="an async client; right is OpenAI, called from a fan's threads"):
        seam.attach(openai.AsyncOpenAI(api_key="test"))
    for thing in (None, openai, openai.OpenAI):
        with pytest.raises(TypeError, match=r"right is a client of the openai SDK, such as openai\.OpenAI\(\)"):
            seam.attach(thing)


@pytest.mark.parametrize("end", WAYS)
def test_the_sleep_before_a_retry_ends_with_the_scope(end):
    """At once, though the server has asked for a long wait."""
    with ScriptedServer((429, "busy", {"retry-after": "50"})) as server, attached(server.url, max_retries=5) as client:
        end(lambda: ask(client), lambda: until(lambda: server.asked))
        assert len(server.asked) == 1
