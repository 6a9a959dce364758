"""After a call that was ended, a thousand more on the same session or client all succeed."""

import importlib
import importlib.util
from contextlib import closing

import pytest

from support.faulty_server import FaultyServer
from support.requests_sessions import session_for
from support.scope_ends import LIBRARIES, by_fan
from threadfan import Fan
from threadfan.clients.anthropic import attach as attach_anthropic
from threadfan.clients.httpx import attach


def expect_a_thousand(call):
    """A thousand calls from eight threads have the value that one has."""
    with Fan(8) as fan:
        assert fan.run(lambda _: call(), range(1000)).unwrap() == [call()] * 1000


@pytest.mark.parametrize("path", ["/hang", "/headers-drip", "/drip", "/stall"])
@pytest.mark.parametrize("name", ["requests", *LIBRARIES])
def test_of_an_http_client(name, path):
    """Whatever way the server kept the client waiting, nothing of it is left in the pool."""
    with FaultyServer() as server:
        made = (
            session_for(server)
            if name == "requests"
            else attach(importlib.import_module(name).Client(trust_env=False, timeout=60))
        )
        with made as client:
            by_fan(lambda: client.get(server.url(path)), lambda: server.wait_for_requests(1))
            expect_a_thousand(lambda: client.get(server.url("/ok")).json()["ok"])


@pytest.mark.skipif(not importlib.util.find_spec("anthropic"), reason="anthropic is not installed")
@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_of_the_anthropic_client(messages_server, fault):
    """The SDK's client goes on as if nothing had been."""
    with closing(attach_anthropic(messages_server.client())) as client:

        def ask(prompt):
            messages = [{"role": "user", "content": prompt}]
            return client.messages.create(model="test-model", max_tokens=50, messages=messages).content[0].text

        by_fan(lambda: ask(f"[fault:{fault}] hello"), lambda: messages_server.wait_for(open=1))
        expect_a_thousand(lambda: ask("hello"))
