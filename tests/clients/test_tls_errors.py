"""A connection with TLS that was shut does no harm to the others that its thread uses."""

import importlib
import ssl

import pytest

from support.faulty_server import FaultyServer
from support.requests_sessions import session_for
from support.scope_ends import LIBRARIES
from threadfan import move_on_after
from threadfan.clients.httpx import attach


@pytest.fixture
def servers():
    """The one whose connection is shut, and the one whose connection is well."""
    with FaultyServer(tls=True) as shut, FaultyServer(tls=True) as well:
        yield shut, well


def client_of(name, server):
    """A client that trusts the server."""
    if name == "requests":
        return session_for(server)
    trusted = ssl.create_default_context(cafile=server.ca_file)
    return attach(importlib.import_module(name).Client(verify=trusted, trust_env=False, timeout=60))


@pytest.mark.parametrize("name", ["requests", *LIBRARIES])
def test_what_a_shut_connection_leaves_in_openssl_reaches_no_other(name, servers):
    """From 3.14 on, the thread's next read would fail with the error of the connection that was shut."""
    shut, well = servers
    with client_of(name, well) as client:
        for _ in range(10):
            for server in servers:
                assert client.get(server.url("/ok")).json() == {"ok": True}
            with move_on_after(0.02) as block:
                client.get(shut.url("/hang"))
            assert block.cancelled_caught
            with move_on_after(60):
                assert client.get(well.url("/ok")).json() == {"ok": True}
        assert well.accepted == 1
