"""Requests that the real API refuses are refused with its errors."""

import pytest
import requests


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
    ],
)
def test_wrong_field(post, wrong):
    """A field of a wrong type or value gets a 400 that names it."""
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **wrong}
    answer = post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(next(iter(wrong)))


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_no_json_object(server, body):
    """A body that is no JSON object gets a 400."""
    answer = requests.post(f"{server.url}/v1/messages", body, headers={"x-api-key": "test"}, timeout=30)
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
