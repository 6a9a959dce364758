"""A real client of a loopback server, and agents that ask it."""

import pytest

from support import server_packages

if not server_packages.INSTALLED:
    collect_ignore_glob = ["test_*"]


@pytest.fixture
def client(messages_server):
    """A real client."""
    with messages_server.client() as client:
        yield client


@pytest.fixture
def make(client):
    """A function that makes an agent on a fan."""
    from threadfan.agents import Agent

    def make(fan, *tools, **options):
        options = {"client": client, "model": "test-model", "fan": fan, "tools": tools, **options}
        return Agent(**options)

    return make
