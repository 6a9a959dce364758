"""The server for tests is for this machine, knows no files, and outlives what strangers send."""

import http.client
import socket
import sys
from contextlib import suppress

import pytest

from support import server_packages
from threadfan.testing import MessagesServer

pytestmark = pytest.mark.skipif(not server_packages.INSTALLED, reason="starlette and uvicorn are not installed")


@pytest.fixture(scope="module")
def server():
    """One for all tests of the file."""
    with MessagesServer() as server:
        yield server


def port(server):
    """Where it listens."""
    return int(server.url.rpartition(":")[2])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give the loopback one address")
def test_it_listens_on_one_address(server):
    """Not on the machine's others, by which a network could reach it, nor on the rest of the loopback's."""
    addresses = {"127.0.0.2"}
    with suppress(socket.gaierror):  # not every machine knows its own name
        addresses |= {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    addresses.discard("127.0.0.1")
    for address in addresses:
        with pytest.raises(OSError), socket.create_connection((address, port(server)), timeout=5):  # noqa: PT011
            pass
    with socket.create_connection(("127.0.0.1", port(server)), timeout=5):
        pass


def asked(server, path, headers=None):
    """Status and body of an answer to a path as it is, which no client has tidied up."""
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=30)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in {"host": "x", **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("content-type")
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/messages/../../../etc/passwd", "//etc/passwd",
     "/static/..%2f..%2fetc/passwd", "/status/../../etc/passwd", "/_control/../etc/passwd"],
)  # fmt: skip
def test_it_serves_no_files(server, path):
    """Whatever the path looks like."""
    status, body, _ = asked(server, path)
    assert status in (400, 403, 404)
    assert b"root:" not in body


def test_what_it_echoes_is_no_page(server):
    """A browser that is led to it shows text."""
    status, body, kind = asked(server, "/echo?x=%3Cscript%3Ealert(1)%3C/script%3E")
    assert (status, kind) == (200, "application/json")
    assert body


@pytest.mark.parametrize("headers", [{"x": "a" * 200_000}, {f"h{number}": "a" * 1000 for number in range(200)}])
def test_headers_without_an_end_end_one_request(server, headers):
    """It refuses them, or cuts the connection; and answers the next."""
    with suppress(http.client.HTTPException, OSError):
        assert asked(server, "/echo", headers)[0] in (400, 431)
    assert asked(server, "/echo?x=1")[:2] == (200, b'{"x":"1"}')
