"""Attached managers of urllib3: requests that end with their scope."""

import contextlib

import pytest

import threadfan
from support.faulty_server import FaultyServer, Proxy
from support.scope_ends import WAYS
from threadfan import CallCancelled, Fan, RateLimit, fail_after
from threadfan.clients import urllib3 as seam

urllib3 = pytest.importorskip("urllib3")


@contextlib.contextmanager
def attached(**options):
    """An attached manager."""
    with urllib3.PoolManager(**options) as manager:
        assert threadfan.attach(manager) is manager
        yield manager


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("path", ["/hang", "/drip"])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_request_ends_with_its_scope(path, streamed, end):
    """While it waits for the answer, or for the rest of it, read at once or not; the server sees it go."""

    def read():
        answer = manager.request("GET", server.url(path), preload_content=not streamed)
        return answer.read()

    with FaultyServer() as server, attached() as manager:
        end(read, lambda: server.wait_for_requests(1))
        server.wait_until_closed()


RETRY = urllib3.Retry(total=5, backoff_factor=600, status_forcelist=[503])


@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("given", ["manager", "request"])
def test_the_wait_before_another_attempt_ends_with_the_scope(given, end):
    """Whoever has set the retries."""
    of_manager, of_request = ({"retries": RETRY}, {})[:: 1 if given == "manager" else -1]
    with FaultyServer() as server, attached(**of_manager) as manager:
        url = server.url("/status/503")
        end(lambda: manager.request("GET", url, **of_request), lambda: server.wait_for_requests(2))
        assert server.requests == 2


@pytest.mark.parametrize("end", WAYS)
def test_tls_through_a_proxy(end):
    """The CONNECT tunnel, the handshake and what follows end with the scope too."""
    with Proxy() as proxy, FaultyServer(tls=True) as server:
        manager = urllib3.ProxyManager(proxy.url(), ca_certs=str(server.ca_file))
        with threadfan.attach(manager):
            end(lambda: manager.request("GET", server.url("/hang")), lambda: server.wait_for_requests(1))
            server.wait_until_closed()


def test_everything_else_is_as_ever():
    """In a scope and outside of any: answers, attempts, redirects; connections are kept."""
    with FaultyServer() as server, attached() as manager:
        for block in (contextlib.nullcontext(), fail_after(60)):
            with block:
                for retries in (None, 2, False, urllib3.Retry(1)):
                    assert manager.request("GET", server.url("/status/200"), retries=retries).status == 200
                before = server.requests
                again = urllib3.Retry(2, status_forcelist=[500])
                with pytest.raises(urllib3.exceptions.MaxRetryError):
                    manager.request("GET", server.url("/status/500"), retries=again)
                assert server.requests == before + 3
        kind = type(manager)
        threadfan.attach(manager)
        assert type(manager) is kind


def test_requests_are_under_the_limit_of_their_call():
    """And nothing works after the end of their scope."""
    with FaultyServer() as server, attached() as manager:
        url = server.url("/status/200")
        with Fan(2, rate=RateLimit(60_000, burst=100)) as fan:
            assert fan.run(lambda _: [manager.request("GET", url) for _ in range(3)], [0]).ok
        with fail_after(60) as scope:
            scope.cancel()
            with pytest.raises(CallCancelled):
                manager.request("GET", url)
        assert server.requests == 3


def test_what_cannot_be_attached_says_so():
    """A pool alone, and other things."""
    with pytest.raises(TypeError, match=r"right is a urllib3\.PoolManager or ProxyManager"):
        threadfan.attach(urllib3.HTTPConnectionPool("127.0.0.1"))
    with pytest.raises(TypeError, match=r"right is a urllib3\.PoolManager or ProxyManager"):
        seam.attach(urllib3)
