"""What tests of clients share: libraries, a server, and an environment that says nothing.

What this machine's says about proxies and certificates is nothing to them.
"""

import importlib

import pytest

from support.faulty_server import FaultyServer
from support.scope_ends import LIBRARIES

FROM_OUTSIDE = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
PROXIES = [f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    """Clients that look into the environment find nothing there."""
    for name in (*FROM_OUTSIDE, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=LIBRARIES)
def library(request):
    """Both libraries, as far as they are installed."""
    return importlib.import_module(request.param)


@pytest.fixture
def server():
    """A plain server."""
    with FaultyServer() as server:
        yield server
