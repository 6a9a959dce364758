"""Calls of httpx's clients that the server keeps waiting, in every way there is, end with their scope."""

import contextlib
import selectors
import socket
import ssl
import threading

import pytest

from support.controlled import PATIENCE
from support.faulty_server import FaultyServer, Proxy
from support.scope_ends import WAYS, by_cancel
from support.scoped import call
from threadfan import CallCancelled, Scope, fail_after, move_on_after
from threadfan.clients import httpcore as seam
from threadfan.clients.httpx import Transport, attach

FAULTS = ["/hang", "/headers-drip", "/drip", "/stall"]


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def server(request):
    """A server of both kinds."""
    with FaultyServer(tls=request.param) as server:
        yield server


@contextlib.contextmanager
def client_of(library, server=None, **options):
    """An attached client that trusts a server, past the environment's proxies."""
    trusted = ssl.create_default_context(cafile=server.ca_file) if server and server.ca_file else True
    with library.Client(**{"trust_env": False, "timeout": 60, "verify": trusted, **options}) as client:
        yield attach(client)


def read(client, url):
    """Get a page and read its body in pieces."""
    with client.stream("GET", url) as response:
        for _ in response.iter_bytes():
            pass


def expect_health(client, server):
    """A hundred calls in a row succeed, and all go by one connection."""
    client.get(server.url("/ok"))
    before = server.accepted
    for _ in range(100):
        assert client.get(server.url("/ok")).json() == {"ok": True}
    assert server.accepted == before


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_hangs_ends_with_its_scope(library, server, fault, end):
    """It raises inside, times out outside, the server sees it go, and the client is as good as before."""
    with client_of(library, server) as client:
        end(lambda: client.get(server.url(fault)), lambda: server.wait_for_requests(1))
        server.wait_until_closed()
        expect_health(client, server)


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("fault", ["/drip", "/stall"])
def test_a_streamed_body_ends_with_the_scope(library, server, fault, end):
    """What comes in pieces, or stops coming, is ended in the middle."""
    with client_of(library, server) as client:
        end(lambda: read(client, server.url(fault)), lambda: server.wait_for_requests(1))
        server.wait_until_closed()
        expect_health(client, server)


@pytest.mark.parametrize("end", WAYS)
def test_a_body_begun_outside_ends_with_the_scope_it_is_read_in(library, server, end):
    """The scope that counts is that of the read."""
    with client_of(library, server) as client, client.stream("GET", server.url("/drip")) as response:
        pieces = response.iter_bytes()
        next(pieces)
        end(lambda: list(pieces), lambda: None)
        server.wait_until_closed()


@pytest.mark.parametrize("end", WAYS)
def test_redirects_count_as_one_call(library, server, end):
    """The scope bounds the whole way to a page that drips."""
    with client_of(library, server, follow_redirects=True) as client:
        end(lambda: client.get(server.url("/redirect/3?to=/drip")), lambda: server.wait_for_requests(4))
        server.wait_until_closed()


@pytest.mark.parametrize("end", WAYS)
def test_a_handshake_that_hangs_ends_with_its_scope(library, end):
    """TLS that never comes about is ended."""
    with FaultyServer(handshake_hang=True) as server, client_of(library) as client:
        end(lambda: client.get(server.url()), lambda: server.wait_for_requests(1))
        server.wait_until_closed()


@pytest.mark.parametrize("end", WAYS)
def test_a_connect_that_hangs_ends_with_its_scope(library, end, monkeypatch):
    """A connection that nobody accepts is given up."""
    under_way = threading.Event()

    def finish(sock, code, timeout):
        under_way.set()
        return usual(sock, code, timeout)

    usual = seam.finish_connect
    monkeypatch.setattr(seam, "finish_connect", finish)
    with full_listener() as port, client_of(library) as client:
        end(lambda: client.get(f"http://127.0.0.1:{port}/"), lambda: under_way.wait(PATIENCE))
    assert under_way.is_set()


@contextlib.contextmanager
def full_listener():
    """The port of a listener that has no room for one more connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(16):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(sock, selectors.EVENT_WRITE)
            if not selector.select(0.1):
                break
        else:
            pytest.skip("this system queues connections without end")
        yield listener.getsockname()[1]


@pytest.mark.parametrize("end", WAYS)
def test_a_tunnel_that_hangs_ends_with_its_scope(library, end):
    """A proxy that never answers CONNECT is left."""
    with Proxy(hang_connect=True) as proxy, client_of(library, proxy=proxy.url()) as client:
        end(lambda: client.get("https://localhost:1/"), lambda: proxy.wait_for_requests(1))
        proxy.wait_until_closed()


@pytest.mark.parametrize("end", WAYS)
def test_calls_through_a_proxy_end_with_their_scope(library, server, end):
    """Forwarded or through a tunnel: both connections go, and the next calls get through."""
    with Proxy() as proxy, client_of(library, server, proxy=library.Proxy(proxy.url())) as client:
        end(lambda: client.get(server.url("/drip")), lambda: server.wait_for_requests(1))
        proxy.wait_until_closed()
        server.wait_until_closed()
        expect_health(client, server)
        assert len(proxy.seen) == proxy.accepted


def test_ipv6(library):
    """Addresses of the other family are reached and left in the same way."""
    with FaultyServer(family=socket.AF_INET6) as server, client_of(library) as client:
        by_cancel(lambda: client.get(server.url("/hang")), lambda: server.wait_for_requests(1))
        server.wait_until_closed()
        expect_health(client, server)


def test_a_socket_of_this_machine(library, tmp_path):
    """A Unix socket ends with its scope too."""
    path = str(tmp_path / "listener")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        accepted = []

        def accept():
            accepted.append(listener.accept()[0])
            accepted[0].recv(65536)

        with library.Client(transport=Transport(library.HTTPTransport(uds=path))) as client:
            by_cancel(lambda: client.get("http://localhost/"), accept)
            with accepted[0] as sock:
                assert sock.recv(1) == b""


def test_nothing_works_after_the_end(library, server):
    """A scope that has ended lets no operation through, buffered bytes included; only closing works."""
    with client_of(library, server) as client, move_on_after(60) as scope:
        response = client.send(client.build_request("GET", server.url("/ok")), stream=True)
        scope.cancel()
        with pytest.raises(CallCancelled):
            response.read()
        for _ in range(3):
            with pytest.raises(CallCancelled):
                client.get(server.url("/ok"))
        assert server.requests == 1
        response.close()
    assert scope.cancelled_caught is False


def test_the_users_timeout_holds_where_it_is_shorter(library, server):
    """Then it is the client's own error, and the scope goes on."""
    with client_of(library, server, timeout=0.1) as client, fail_after(60):
        with pytest.raises(library.ReadTimeout):
            client.get(server.url("/hang"))
        server.wait_until_closed()
        expect_health(client, server)


def test_a_refused_connection_is_the_clients_own_error(library):
    """Failures that are not the scope's are not translated, in a scope and outside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with client_of(library) as client:
        with pytest.raises(library.ConnectError), fail_after(60):
            client.get(url)
        with pytest.raises(library.ConnectError):
            client.get("http://nobody.invalid/")


def test_attempts_to_connect_wait_through_the_scope(library):
    """The pauses between a transport's retries end with it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with client_of(library, transport=library.HTTPTransport(retries=1000)) as client:
        for end in WAYS:
            end(lambda: client.get(url), lambda: None)


def test_a_loop_that_retries_for_ever_ends(library, server):
    """`while True: try … except` around the client's errors does not hold the call back."""

    def obstinate():
        while True:
            with contextlib.suppress(library.HTTPError):
                client.get(server.url("/status/503")).raise_for_status()

    with client_of(library, server) as client:
        scope = Scope()
        future = call(scope, obstinate)
        server.wait_for_requests(3)
        scope.cancel()
        assert isinstance(future.exception(PATIENCE), CallCancelled)
