"""Requests that the real API refuses are refused with its errors."""

import anthropic
import pytest
import requests

MOST = 32 * 2**20  # bytes of a body, as many as the API takes
DEEP = 100_000


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_missing_field(post, name):
    """A request without a required field gets the API's error, which names the field."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    del body[name]
    answer = post(body)
    assert answer.status_code == 400
    error = {"type": "invalid_request_error", "message": f"{name}: Field required"}
    assert answer.json() == {"type": "error", "error": error, "request_id": answer.headers["request-id"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"max_tokens": "many"},
        {"model": None},
        {"messages": []},
        {"messages": ["x"]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": ["x"]}]},
        {"messages": [{"role": "assistant", "content": "x"}]},
        {"tools": ["weather"]},
        {"tool_choice": {"type": "some"}},
        {"tool_choice": {"type": []}},
        {"system": 5},
        {"system": ["x"]},
        {"messages": [{"role": [], "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": 5}]}]},
        {"tools": [{"name": []}]},
    ],
)
def test_wrong_field(post, wrong):
    """A field of a wrong type or value gets a 400 that names it."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **wrong}
    answer = post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(next(iter(wrong)))


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * DEEP, b'{"a":' * DEEP, b"[" * DEEP + b"]" * DEEP])
@pytest.mark.parametrize("path", ["messages", "chat/completions"])
def test_no_json_object(server, path, body):
    """A body that is no JSON object gets a 400, and so does one that is nested deeper than can be read."""
    answer = requests.post(f"{server.url}/v1/{path}", body, headers={"x-api-key": "test"}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "headers", [{"x-other": "test"}, {"x-api-key": ""}, {"x-api-key": "invalid"}, {"x-api-key": "revoked"}]
)
def test_key(server, post, headers):
    """A missing, an invalid and a rejected key get a 401."""
    server.configure(reject_keys={"revoked"})
    answer = post({}, **headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


def test_bearer(post):
    """A token in the authorization header is as good as a key."""
    assert post({}, authorization="Bearer token").status_code == 400


@pytest.mark.parametrize("prompt", ["use tool t with " + '{"a":' * DEEP, "half \ud800 a character"])
def test_what_cannot_be_worked_with(post, prompt):
    """A text that breaks whoever reads it is no error of the server's either."""
    tools = [{"name": "t", "input_schema": {"type": "object"}}]
    answer = post({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}], "tools": tools})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_that_is_too_long(server, ask):
    """The real client learns that it is too long, and that of what fits nothing is refused."""
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask("x" * MOST)
    assert caught.value.status_code == 413
    assert caught.value.body["error"]["type"] == "request_too_large"
    assert ask.text("x" * (MOST // 2))
    assert server.stats().statuses == {413: 1, 200: 1}


@pytest.mark.parametrize("path", ["v1/messages", "v1/chat/completions", "_control/configure"])
def test_a_body_that_does_not_say_how_long_it_is(server, path):
    """What counts is what comes; its sender gets the answer though it has not listened before the end."""
    pieces = (b" " * 2**20 for _ in range(33))
    answer = requests.post(f"{server.url}/{path}", pieces, headers={"x-api-key": "test"}, timeout=30)
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")
