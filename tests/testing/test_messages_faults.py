"""Each way to fail, as a client meets it, and what decides which request fails."""

import json

import anthropic
import pytest
import requests


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("429", anthropic.RateLimitError, 429),
        ("529", anthropic.APIStatusError, 529),  # of another class in other versions of the SDK
        ("500", anthropic.InternalServerError, 500),
    ],
)
def test_status(server, ask, kind, error, status):
    """A marker in the prompt makes the real client raise the error of that status."""
    with pytest.raises(error) as caught:
        ask(f"hello [fault:{kind}]")
    assert caught.value.status_code == status
    assert server.stats().faults == {kind: 1}


def test_retry_after(server, ask):
    """A 429 carries the configured retry-after, and the other statuses carry none."""
    server.configure(retry_after=2.5)
    with pytest.raises(anthropic.RateLimitError) as limited:
        ask("[fault:429]")
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        ask("[fault:529]")
    assert limited.value.response.headers["retry-after"] == "2.5"
    assert "retry-after" not in overloaded.value.response.headers


def test_hang(server, ask):
    """A hung request ends with the client's own timeout, which the server counts as a disconnect."""
    with pytest.raises(anthropic.APITimeoutError):
        ask("[fault:hang]", timeout=0.05)
    assert server.wait_for(disconnects=1, open=0).statuses == {}


def test_reset(server, ask):
    """A reset reaches the client as a broken connection, not as an orderly end, and is no disconnect of its own."""
    with pytest.raises(anthropic.APIConnectionError) as caught:
        ask("[fault:reset]")
    assert "reset" in str(caught.value.__cause__).lower()
    assert server.stats().disconnects == 0


def test_broken(post):
    """A broken answer has status 200 and half a body."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "[fault:broken]"}]}
    answer = post(body)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_broken_stream(ask):
    """A broken stream begins well and ends before the message does."""
    with ask("[fault:broken]", stream=True) as stream:
        kinds = [event.type for event in stream]
    assert (kinds[0], kinds[-1]) == ("message_start", "content_block_delta")


def test_drip(server, ask):
    """A dripping answer is whole when its last byte has come."""
    server.configure(drip_interval=0.0005)
    assert ask.text("hello [fault:drip]") == ask.text("hello")


def test_drip_begins_with_headers(server):
    """A dripping answer shows its headers long before its body, so a read timeout never fires on them."""
    server.configure(drip_interval=3600)
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "[fault:drip]"}]}
    url, headers = f"{server.url}/v1/messages", {"x-api-key": "test"}
    with requests.post(url, json=body, headers=headers, stream=True, timeout=30) as answer:
        assert answer.status_code == 200
    assert server.wait_for(disconnects=1).statuses == {200: 1}


def test_dripping_stream(server, ask):
    """A dripping stream sends one event at a time."""
    server.configure(drip_interval=0.001)
    with ask("[fault:drip]", stream=True) as stream:
        assert [event.type for event in stream][-1] == "message_stop"


def test_first_requests_fail(server, ask):
    """With xN the first requests with a prompt fail, and the client's own retries reach the answer."""
    server.configure(retry_after=0.001)
    patient = ask.by(server.client(max_retries=2))
    assert patient.text("hello [fault:429 x2]") == ask.text("hello")
    assert server.stats().statuses == {429: 2, 200: 2}


def test_faults_in_turn(server, ask):
    """Several markers take their turns, the answer comes after them."""
    prompt = "hello [fault:500 x1] [fault:429 x2] [fault:529 x1]"
    for status in (500, 429, 429, 529):
        with pytest.raises(anthropic.APIStatusError) as caught:
            ask(prompt)
        assert caught.value.status_code == status
    assert ask.text(prompt) == ask.text("hello")


def test_prompts_fail_apart(ask):
    """Each prompt has its own count of failures."""
    for prompt in ("one [fault:500 x1]", "two [fault:500 x1]"):
        with pytest.raises(anthropic.InternalServerError):
            ask(prompt)
        assert ask.text(prompt)


def test_odds(server, ask):
    """Odds under a seed give the same failures in every run, and about as many as asked for."""

    def run(**settings):
        server.configure(faults={"429": 0.3, "500": 0.2}, **settings)
        return "".join(map(outcome, range(100)))

    def outcome(number):
        try:
            return ask(f"question {number}").type[0]
        except anthropic.APIStatusError as error:
            return str(error.status_code)[0]

    first = run(seed=1)
    assert first == run(seed=1) != run(seed=2)
    assert 15 < first.count("4") < 45
    assert 8 < first.count("5") < 35


def test_marker_beats_odds(server, ask):
    """A prompt whose markers are used up is answered, whatever the odds."""
    server.configure(faults={"500": 1.0})
    with pytest.raises(anthropic.RateLimitError):
        ask("[fault:429 x1]")
    assert ask.text("[fault:429 x1]")


def test_unknown_kind(ask):
    """A misspelt marker is an error that lists the kinds."""
    with pytest.raises(anthropic.BadRequestError, match=r"no fault 'hung'; the kinds are 429, .*hang"):
        ask("[fault:hung]")
