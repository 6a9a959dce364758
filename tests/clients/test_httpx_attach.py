"""What attaching leaves as it was, what it refuses, and where it holds on to httpx and httpcore."""

import importlib
import socket
import ssl
import threading
from types import SimpleNamespace

import pytest

from support.controlled import PATIENCE
from support.faulty_server import Proxy
from support.scope_ends import LIBRARIES, SOON, WAYS
from support.scoped import call
from threadfan import CallCancelled, Fan, Scope, current_scope, fail_after
from threadfan.clients import httpcore as seam
from threadfan.clients.httpx import Transport, attach


def test_the_seam_is_where_it_was(library, server):
    """A real call goes through the backend and the stream that are put in; if not, the client has moved them."""
    with attach(library.Client(trust_env=False)) as client:
        transport = client._transport
        pool = transport.wrapped._pool
        assert isinstance(transport, library.BaseTransport)
        assert isinstance(pool._network_backend, seam.Backend)
        assert pool._max_connections == transport._semaphore._free == 100
        core = importlib.import_module(library.__name__.replace("httpx", "httpcore"))
        assert type(pool._network_backend._inner) is core.SyncBackend
        assert core._backends.sync.SyncStream
        response = client.get(server.url("/ok"))
        assert isinstance(response.extensions["network_stream"], seam.Stream)


def test_a_call_registers_with_its_scope_once(library, server):
    """However many requests it makes and operations they are; between them nothing is left to be shut."""

    def call(_):
        for _ in range(3):
            assert client.get(server.url("/ok")).json()["ok"]
        scope = current_scope()
        return len(scope._callbacks), len(scope.acts)

    with attach(library.Client(trust_env=False)) as client, Fan(1, timeout=PATIENCE) as fan:
        assert fan.run(call, range(2)).unwrap() == [(1, 0)] * 2


def test_what_the_user_has_set_stays(library, server):
    """Hooks, timeouts, headers, cookies, limits and TLS are those of before, and it is the same client."""
    seen = []
    trusted = ssl.create_default_context()
    limits = library.Limits(max_connections=7, max_keepalive_connections=3, keepalive_expiry=11)
    client = library.Client(
        event_hooks={"request": [lambda _: seen.append("request")], "response": [lambda _: seen.append("response")]},
        timeout=library.Timeout(3, connect=2),
        headers={"x-mine": "yes"},
        cookies={"crumb": "1"},
        limits=limits,
        verify=trusted,
        trust_env=False,
    )
    with client:
        assert attach(client) is client
        request = client.get(server.url("/ok")).request
        pool = client._transport.wrapped._pool
        assert seen == ["request", "response"]
        assert (request.headers["x-mine"], request.headers["cookie"]) == ("yes", "crumb=1")
        assert request.extensions["timeout"] == {"connect": 2, "read": 3, "write": 3, "pool": 3}
        assert (pool._max_connections, pool._max_keepalive_connections, pool._keepalive_expiry) == (7, 3, 11)
        assert pool._ssl_context is trusted


def test_a_request_keeps_its_own_timeouts(library, server):
    """What a scope takes away from them is back for the next use of the same request."""
    with attach(library.Client(timeout=60, trust_env=False)) as client:
        request = client.build_request("GET", server.url("/ok"))
        before = dict(request.extensions["timeout"])
        with fail_after(30):
            client.send(request)
        assert request.extensions["timeout"] == before
        assert client.send(request).status_code == 200


@pytest.mark.parametrize("end", WAYS)
def test_the_environments_proxies_stay(library, server, end, monkeypatch):
    """Mounted transports are wrapped too, and calls through them end with their scope."""
    for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Proxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url())
        with attach(library.Client()) as client:
            assert client.get(server.url("/ok")).json() == {"ok": True}
            assert proxy.seen == [f"GET {server.url('/ok')} HTTP/1.1"]
            end(lambda: client.get(server.url("/hang")), lambda: server.wait_for_requests(2))
            proxy.wait_until_closed()


def test_mounts_stay_what_they_were(library):
    """A transport that is mounted twice stays one, and a mount of none stays none."""
    shared = library.HTTPTransport()
    mounts = {"http://a": shared, "http://b": shared, "http://c": None}
    with attach(library.Client(transport=shared, mounts=mounts, trust_env=False)) as client:
        made = {pattern.pattern: transport for pattern, transport in client._mounts.items()}
        assert made["http://a"] is made["http://b"] is client._transport
        assert made["http://a"].wrapped is shared
        assert made["http://c"] is None


def test_attaching_twice_is_harmless(library, server):
    """The second time changes nothing."""
    with attach(library.Client(trust_env=False)) as client:
        transport, backend = client._transport, client._transport.wrapped._pool._network_backend
        assert attach(client)._transport is transport
        Transport(transport.wrapped)
        assert transport.wrapped._pool._network_backend is backend
        assert not isinstance(backend._inner, seam.Backend)


def test_connections_from_before_are_not_used(library, server):
    """An idle connection that no scope could end is closed, and the next call opens one that can be ended."""
    with library.Client(trust_env=False) as client:
        client.get(server.url("/ok"))
        attach(client)
        server.wait_until_closed()
        assert isinstance(client.get(server.url("/ok")).extensions["network_stream"], seam.Stream)


@pytest.mark.parametrize("end", WAYS)
def test_transports_within_transports_are_found(library, server, end):
    """One that repeats or caches, around one that connects, ends with its scope too."""

    class Outer(library.BaseTransport):
        def __init__(self):
            self._next = library.HTTPTransport()

        def handle_request(self, request):
            return self._next.handle_request(request)

        def close(self):
            self._next.close()

    with attach(library.Client(transport=Outer(), trust_env=False)) as client:
        end(lambda: client.get(server.url("/hang")), lambda: server.wait_for_requests(1))
        server.wait_until_closed()


def test_whose_a_transport_is_does_not_go_by_names(library, server, monkeypatch):
    """Others set the names of modules on the classes that they pass on: openai does so with ``BaseTransport``."""

    class Outer(library.BaseTransport):
        def handle_request(self, request):
            return library.Response(200, json={"ok": True})

    for kind in (library.BaseTransport, library.Client, library.Request):
        monkeypatch.setattr(kind, "__module__", "openai")
    with attach(library.Client(transport=Outer(), trust_env=False)) as client:
        assert client.get(server.url("/ok")).json() == {"ok": True}
    other = SimpleNamespace(url="http://nowhere/")
    with pytest.raises(TypeError, match=f"made for {library.__name__}, and the request is of types"):
        Transport(Outer()).handle_request(other)


def test_transports_without_a_network(library):
    """One that answers by itself works in a scope, and raises once that has ended."""
    answer = library.MockTransport(lambda request: library.Response(200, json={"ok": True}))
    with library.Client(transport=Transport(answer)) as client, fail_after(60) as scope:
        assert client.get("http://nowhere/").json() == {"ok": True}
        scope.cancel()
        with pytest.raises(CallCancelled):
            client.get("http://nowhere/")


@pytest.mark.parametrize("end", WAYS)
def test_the_wait_for_a_connection_ends_with_the_scope(library, server, end):
    """A call that waits because all connections are taken leaves the queue; the next ones get their turn."""
    with attach(library.Client(limits=library.Limits(max_connections=1), timeout=60, trust_env=False)) as client:
        holder = Scope()
        held = call(holder, client.get, server.url("/hang"))
        server.wait_for_requests(1)
        end(lambda: client.get(server.url("/ok")), lambda: None)
        assert server.requests == 1
        holder.cancel()
        assert isinstance(held.exception(PATIENCE), CallCancelled)
        for _ in range(100):
            assert client.get(server.url("/ok")).status_code == 200
        assert server.accepted == 2


def test_the_users_timeout_for_a_connection_holds(library, server):
    """All connections taken for too long is the client's own error."""
    timeout = library.Timeout(60, pool=SOON)
    with attach(library.Client(limits=library.Limits(max_connections=1), timeout=timeout, trust_env=False)) as client:
        with client.stream("GET", server.url("/stall")), pytest.raises(library.PoolTimeout):
            client.get(server.url("/ok"))
        assert client.get(server.url("/ok")).status_code == 200


def test_more_threads_than_connections(library, server):
    """Each call gets a connection in its turn, whatever the number of threads, and never more are open."""
    with attach(library.Client(limits=library.Limits(max_connections=3), trust_env=False)) as client:
        with Fan(16, timeout=60) as fan:
            report = fan.run(lambda _: client.get(server.url("/ok")).status_code, range(300))
        assert report.unwrap() == [200] * 300
        assert server.accepted <= 3
        assert client._transport._semaphore._free == 3


def test_calls_outside_of_scopes_are_as_ever(library, server):
    """Threads that no fan knows share the client with calls that are cancelled."""
    with attach(library.Client(timeout=60, trust_env=False)) as client:
        scope = Scope()
        hung = call(scope, client.get, server.url("/hang"))
        server.wait_for_requests(1)
        codes = []
        thread = threading.Thread(target=lambda: codes.append(client.get(server.url("/ok")).status_code))
        thread.start()
        scope.cancel()
        thread.join(PATIENCE)
        assert codes == [200]
        assert isinstance(hung.exception(PATIENCE), CallCancelled)


def test_what_cannot_be_attached_says_so(library):
    """Async clients, transports and other things are refused with the remedy."""
    with pytest.raises(TypeError, match=rf"an async client; right is {library.__name__}\.Client"):
        attach(library.AsyncClient(trust_env=False))
    for thing in (None, library, library.HTTPTransport()):
        with pytest.raises(TypeError, match=r"right is an httpx\.Client or httpx2\.Client"):
            attach(thing)
    with pytest.raises(TypeError, match=r"cannot wrap .* right is a transport for sync clients"):
        Transport(library.AsyncHTTPTransport())
    with pytest.raises(TypeError, match="retries; options go to the wrapped one"):
        Transport(library.HTTPTransport(), retries=1)


@pytest.mark.skipif(len(LIBRARIES) < 2, reason="only one of httpx and httpx2 is installed")
def test_a_transport_for_the_other_library_says_so():
    """The two libraries look alike, and a mix-up is named."""
    import httpx2

    with (
        httpx2.Client(transport=Transport()) as client,
        pytest.raises(TypeError, match=r"made for httpx, and .* right is Transport\(httpx2\.HTTPTransport\(\)\)"),
    ):
        client.get("http://nowhere/")


@pytest.mark.skipif(not LIBRARIES, reason="neither httpx nor httpx2 is installed")
def test_a_new_transport(server):
    """Without one to wrap it makes its own, by the options of the library's."""
    with Transport(retries=1) as transport:
        library = importlib.import_module(type(transport.wrapped).__module__.partition(".")[0])
        assert isinstance(transport, library.BaseTransport)
        assert transport.wrapped._pool._retries == 1
        assert "HTTPTransport" in repr(transport)
    with library.Client(transport=Transport()) as client:
        assert client.get(server.url("/ok")).status_code == 200


@pytest.mark.parametrize("end", WAYS)
def test_openai(server, end):
    """Its sync client ends with the scope, its own retries included."""
    openai = pytest.importorskip("openai")
    http = attach(openai.DefaultHttpxClient(trust_env=False))
    with openai.OpenAI(api_key="test", base_url=server.url("/hang"), http_client=http, max_retries=5) as client:
        end(client.models.list, lambda: server.wait_for_requests(1))
        server.wait_until_closed()


def test_a_connection_whose_answer_is_there_was_not_closed_by_the_server(library):
    """The pool, which takes an idle connection that can be read from for one that was, looks at others' too."""
    core = importlib.import_module(library.HTTPTransport()._pool.__class__.__module__.partition(".")[0])
    made = importlib.import_module(f"{core.__name__}._backends.sync").SyncStream
    ours, theirs = socket.socketpair()
    with theirs:
        stream = seam.Stream(made(ours), shared=False)
        stream.write(b"a request")
        theirs.sendall(b"an answer")
        assert not stream.get_extra_info("is_readable")
        assert stream.read(100) == b"an answer"
        assert not stream.get_extra_info("is_readable")
        theirs.shutdown(socket.SHUT_WR)
        assert stream.get_extra_info("is_readable")
        stream.close()


def test_a_request_that_is_sent_while_the_pool_looks_keeps_its_connection(library):
    """Between its question whether anything is awaited and the one whether anything is there lies a whole request."""
    core = importlib.import_module(library.HTTPTransport()._pool.__class__.__module__.partition(".")[0])
    made = importlib.import_module(f"{core.__name__}._backends.sync").SyncStream
    ours, theirs = socket.socketpair()
    inner = made(ours)

    class Interrupted:
        """The stream within; the request begins, and may end, when it is asked what it knows."""

        then = staticmethod(lambda: None)

        def __getattr__(self, name):
            return getattr(inner, name)

        def get_extra_info(self, info):
            if info == "is_readable":
                self.then()
            return inner.get_extra_info(info)

    within = Interrupted()
    with theirs:
        stream = seam.Stream(within, shared=False)

        def send():
            stream.write(b"a request")
            theirs.sendall(b"an answer")

        def send_and_read():
            stream.read(100)  # the answer from before
            send()
            stream.read(9)
            theirs.shutdown(socket.SHUT_WR)

        within.then = send
        assert not stream.get_extra_info("is_readable")
        stream._awaited = False  # as if the pool had looked before that request was sent
        within.then = send_and_read
        assert not stream.get_extra_info("is_readable")
        within.then = lambda: None
        assert stream.get_extra_info("is_readable")
        stream.close()
