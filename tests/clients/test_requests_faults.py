"""Calls of requests that a server or a proxy keeps waiting, in every way there is, end with their scope."""

import contextlib
import socket
import threading

import pytest

from support.controlled import PATIENCE
from support.faulty_server import FaultyServer, Proxy
from support.requests_sessions import ENDS, expect_health, read_in_pieces, session_for
from threadfan.clients import connections as seam
from threadfan.clients.requests import Session
from threadfan.clients.sockets import begin_connect

FAULTS = ["/hang", "/headers-drip", "/drip", "/drip-close", "/stall"]


@pytest.fixture(params=["plain", "tls", "ipv6"])
def server(request):
    """A server of each kind."""
    family = socket.AF_INET6 if request.param == "ipv6" else socket.AF_INET
    try:
        server = FaultyServer(tls=request.param == "tls", family=family)
    except OSError:
        pytest.skip("this machine has no ::1")
    with server:
        yield server


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_hangs_ends_with_its_scope(server, fault, end):
    """It raises inside, times out outside, the server sees it go, and the session is as good as before."""
    with session_for(server) as session:
        end(lambda: session.get(server.url(fault)), lambda: server.wait_for_requests(1))
        server.wait_until_closed()
        expect_health(session, server)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("fault", ["/drip", "/drip-close", "/stall"])
def test_a_streamed_body_ends_with_the_scope(server, fault, end):
    """What comes in pieces, or stops coming, is ended in the middle."""
    with session_for(server) as session:
        end(lambda: read_in_pieces(session, server.url(fault)), lambda: server.wait_for_requests(1))
        server.wait_until_closed()
        expect_health(session, server)


@pytest.mark.parametrize("end", ENDS)
def test_a_connection_from_the_pool_is_ended_too(server, end):
    """A call that hangs on a connection that served others before ends, and does not leave it to the next."""
    with session_for(server) as session:
        expect_health(session, server)
        end(lambda: session.post(server.url("/hang"), data=b"x"), lambda: server.wait_for_requests(101))
        server.wait_until_closed()
        expect_health(session, server)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("fault", ["/hang", "/drip"])
def test_redirects_count_as_one_call(server, fault, end):
    """The scope bounds all steps of a redirect together."""
    with session_for(server) as session:
        end(lambda: session.get(server.url(f"/redirect/3?to={fault}")), lambda: server.wait_for_requests(4))
        server.wait_until_closed()
        expect_health(session, server)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_through_a_proxy(server, fault, end):
    """Forwarded or tunnelled, a call that hangs ends with its scope, and the proxy and the server see it go."""
    with Proxy() as proxy, session_for(server, proxy=proxy) as session:
        end(lambda: session.get(server.url(fault)), lambda: server.wait_for_requests(1))
        proxy.wait_until_closed()
        server.wait_until_closed()
        expect_health(session, server)
        assert len(proxy.seen) == 2


@pytest.mark.parametrize("end", ENDS)
def test_a_tunnel_that_is_never_opened(end):
    """A proxy that does not answer CONNECT holds nobody longer than the scope lasts."""
    with FaultyServer(tls=True) as server, Proxy(hang_connect=True) as proxy:
        with session_for(server, proxy=proxy) as session:
            end(lambda: session.get(server.url()), lambda: proxy.wait_for_requests(1))
            proxy.wait_until_closed()
        assert not server.accepted


@pytest.mark.parametrize("end", ENDS)
def test_a_handshake_that_never_ends(end):
    """A server that accepts and does not answer the hello holds nobody longer than the scope lasts."""
    with FaultyServer(handshake_hang=True) as server, session_for(server) as session:
        end(lambda: session.get(server.url()), lambda: server.wait_for_requests(1))
        server.wait_until_closed()


@pytest.mark.parametrize("end", ENDS)
def test_a_connect_that_gets_no_answer(end, monkeypatch):
    """A host that does not answer the first packet holds nobody longer than the scope lasts."""
    begun = threading.Event()

    def begin(sock, address):
        code = begin_connect(sock, address)
        begun.set()
        return code

    monkeypatch.setattr(seam, "begin_connect", begin)
    with mute_host() as address, Session() as session:
        end(lambda: session.get(f"http://{address}/"), lambda: begun.wait(PATIENCE))
    assert begun.is_set()


@contextlib.contextmanager
def mute_host():
    """An address whose queue of connections is full, so that the system drops what comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as fillers:
        for _ in range(3):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
