"""One server and one client for all tests of the loopback server; every test finds them as if they were new."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from support import server_packages
from threadfan.testing import MessagesServer

if not server_packages.INSTALLED:
    collect_ignore_glob = ["test_messages_*"]


class Asker:
    """Asks the server as `client` does, with defaults for what a test does not care about."""

    def __init__(self, client):
        self._create = client.messages.create

    def __call__(self, prompt, **arguments):
        """Returns the message that answers the prompt."""
        messages = [{"role": "user", "content": prompt}]
        return self._create(**{"model": "test-model", "max_tokens": 500, "messages": messages, **arguments})

    def by(self, client):
        """Returns a function like this one for another client."""
        return Asker(client)

    def text(self, prompt, **arguments):
        """Returns the answer's only text."""
        (block,) = self(prompt, **arguments).content
        return block.text


@pytest.fixture(scope="session")
def _running():
    with MessagesServer() as server:
        yield server


@pytest.fixture(scope="session")
def _client(_running):
    return _running.client()


@pytest.fixture
def server(_running):
    """A server whose counts and options are fresh."""
    _running.reset()
    return _running


@pytest.fixture
def client(server, _client):
    """A real client of the server."""
    return _client


@pytest.fixture
def ask(client):
    """A short way to ask the server."""
    return Asker(client)


@pytest.fixture
def post(server):
    """A function that posts a body to the Messages API without its client; the key is good unless given."""

    def post(body, **headers):
        return requests.post(
            f"{server.url}/v1/messages", json=body, headers=headers or {"x-api-key": "test"}, timeout=30
        )

    return post


@pytest.fixture
def pool():
    """Eight threads."""
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def hang(server):
    """A function that opens so many connections whose requests hang; a test that is done with one closes it."""
    connections = []

    def open_connections(count):
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)
            connections.append(connection)
            connection.sendall(b"GET /hang HTTP/1.1\r\nhost: test\r\n\r\n")
        return connections

    yield open_connections
    for connection in connections:
        connection.close()
