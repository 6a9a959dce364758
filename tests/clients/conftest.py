"""What the environment of this machine says about proxies and certificates is nothing to the tests of clients."""

import pytest

FROM_OUTSIDE = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
PROXIES = [f"{scheme}_proxy" for scheme in ("http", "https", "all", "no")]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    """Clients that look into the environment find nothing there."""
    for name in (*FROM_OUTSIDE, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
