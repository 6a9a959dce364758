"""Sessions of requests: made abortable, shared, pooled, and otherwise as ever."""

import logging
import pickle
import socket
import ssl
import threading
from http.client import HTTPResponse

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.util import Retry

from support.controlled import PATIENCE, elapse, until
from support.faulty_server import BODY, FaultyServer, Proxy
from support.requests_sessions import expect_health, session_for
from support.scope_ends import SOON
from support.scoped import call
from threadfan import Fan, Scope, TaskTimeout, fail_after, move_on_after
from threadfan.clients import sockets
from threadfan.clients.connections import AbortableConnection, _Reading
from threadfan.clients.pools import _Idle
from threadfan.clients.requests import Session, attach, install


class Own(HTTPAdapter):
    """A user's adapter, with settings for TLS and a header of its own."""

    def __init__(self, context=None, **options):
        self.context = context
        super().__init__(**options)

    def init_poolmanager(self, *args, **kwargs):
        """With the user's TLS."""
        super().init_poolmanager(*args, ssl_context=self.context, **kwargs)

    def add_headers(self, request, **kwargs):
        """With the user's header."""
        request.headers["X-Own"] = "yes"


class Elsewhere(BaseAdapter):
    """An adapter that uses no urllib3."""

    def send(self, request, **kwargs):
        """Answer at once."""
        response = requests.Response()
        response.status_code = 299
        response._content = b""
        response.request, response.url, response.raw = request, request.url, Raw()
        return response

    def close(self):
        """Nothing is open."""


class Raw:
    """What is left of an answer without a connection."""

    _original_response = None


def expect_end(session, server, fault="/hang"):
    """A call that hangs ends at a block's deadline."""
    with pytest.raises(TaskTimeout), fail_after(SOON):
        session.get(server.url(fault))
    server.wait_until_closed()


def test_attach_changes_the_adapters_in_place(server):
    """The session and its adapters are the same objects as before, with their settings, and now end with the scope."""
    with requests.Session() as session:
        adapter = Own()
        session.mount("http://", adapter)
        assert attach(attach(session)) is session
        assert session.get_adapter("http://x") is adapter
        assert isinstance(adapter, Own)
        expect_end(session, server)
        assert session.get(server.url()).request.headers["X-Own"] == "yes"


def test_attach_reaches_what_was_used_before(server):
    """Connections, through a proxy too, that the session had before are replaced."""
    with Proxy() as proxy, session_for(server, proxy=proxy, make=requests.Session) as session:
        assert session.get(server.url()).ok
        attach(session)
        server.wait_until_closed()
        expect_end(session, server)
        expect_health(session, server)


def test_attach_keeps_the_users_tls():
    """An adapter with a context of its own goes on using it."""
    with FaultyServer(tls=True) as server, requests.Session() as session:
        session.mount("https://", Own(ssl.create_default_context(cafile=server.ca_file)))
        attach(session)
        expect_end(session, server)
        assert session.get(server.url()).ok


def test_an_adapter_of_another_kind_is_refused():
    """The error names the adapter and what would be right, and nothing was changed."""
    with requests.Session() as session:
        session.mount("mock://", Elsewhere())
        kinds = [type(adapter) for adapter in session.adapters.values()]
        with pytest.raises(TypeError, match=r"adapter for 'mock://' is a Elsewhere.*right would be"):
            attach(session)
        assert [type(adapter) for adapter in session.adapters.values()] == kinds
    with Session() as session, pytest.raises(TypeError, match="the adapter is a Elsewhere"):
        session.mount("mock://", Elsewhere())


def test_what_is_mounted_on_a_session_of_ours_is_attached(server):
    """An adapter that is mounted later ends with the scope too."""
    with Session() as session:
        session.mount("http://", Own(max_retries=3))
        assert session.get_adapter("http://x").max_retries.total == 3
        expect_end(session, server)


@pytest.mark.parametrize("make", [lambda: Session(pool_size=0), lambda: attach(requests.Session(), pool_size=0)])
def test_a_pool_without_room_is_refused(make):
    """The error names the size and what would be right."""
    with pytest.raises(ValueError, match=r"pool_size=0.*must be at least 1"):
        make()


def test_install_makes_new_sessions_abortable(server):
    """``requests.get`` and adapters that are mounted later included; undone, all is as it was."""
    usual = requests.Session.mount
    with install(), requests.Session() as session:
        expect_end(requests, server)
        expect_end(session, server)
        session.mount("http://", Own())
        expect_end(session, server)
        session.mount("mock://", Elsewhere())
        assert session.get("mock://x").status_code == 299
    assert requests.Session.mount is usual
    with requests.Session() as session:
        assert type(session.get_adapter("http://x")) is HTTPAdapter


def test_several_installs(server):
    """Each takes back itself alone, in any order, and twice is once."""
    usual = requests.Session.mount
    first, second = install(), install()
    first.undo()
    first.undo()
    expect_end(requests, server)
    second.undo()
    assert requests.Session.mount is usual


def test_undoing_leaves_what_others_have_patched_since(monkeypatch):
    """A patch over ours stays, also when it is installed again, and ours beneath it does nothing."""
    installation = install()
    beneath = requests.Session.mount
    seen = []

    def patched(session, prefix, adapter):
        seen.append(prefix)
        beneath(session, prefix, adapter)

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "mount", patched)
        installation.undo()
        with requests.Session() as session:
            assert type(session.get_adapter("http://x")) is HTTPAdapter
        with install(), requests.Session() as session:
            assert type(session.get_adapter("http://x")) is not HTTPAdapter
        assert len(seen) == 4
    install().undo()
    assert requests.Session.mount is not beneath


@pytest.mark.parametrize("make", [Session, lambda: attach(requests.Session())])
def test_many_threads_share_a_session(server, make, caplog):
    """Fifty calls at once use fifty connections, which all stay: none is thrown away for want of room."""
    barrier = threading.Barrier(50)

    def ask(_):
        with session.get(server.url(), stream=True) as response:
            barrier.wait(PATIENCE)
            return response.json()

    with caplog.at_level(logging.WARNING, "urllib3"), make() as session, Fan(50, timeout=PATIENCE) as fan:
        for _ in range(2):
            assert fan.run(ask, range(50)).unwrap() == [{"ok": True}] * 50
        assert server.accepted == 50
    assert not caplog.records


def test_the_wait_for_a_connection_ends_with_the_scope(server):
    """In a pool that blocks, a call that waits for its turn ends, and the turn goes to the next."""
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        attach(session)
        with session.get(server.url("/drip"), stream=True):
            expect_end_of_waiting(session, server)
            waiting = call(Scope(), session.get, server.url())
        assert waiting.result(PATIENCE).ok
        assert session.get(server.url()).ok


def expect_end_of_waiting(session, server):
    """A second call for a pool of one ends without having come to the server."""
    with pytest.raises(TaskTimeout), fail_after(SOON):
        session.get(server.url())
    assert server.requests == 1


def test_a_timeout_of_the_users_is_honoured(server):
    """The smaller of the two wins, and it is the client's own exception then."""
    with session_for(server) as session, fail_after(PATIENCE):
        with pytest.raises(requests.ReadTimeout):
            session.get(server.url("/hang"), timeout=0.05)
        with pytest.raises(requests.ConnectionError):
            session.get(server.url("/stall"), timeout=(5, 0.05))
        with pytest.raises(requests.ConnectionError):
            session.get("http://127.0.0.1:1/", timeout=5)
        assert session.get(server.url(), timeout=5).ok


def test_a_failure_in_a_scope_that_goes_on_is_the_clients_own():
    """A certificate that nobody trusts and a name that nobody knows are told as ever."""
    with FaultyServer(tls=True) as server, Session() as session, fail_after(PATIENCE):
        with pytest.raises(requests.exceptions.SSLError):
            session.get(server.url())
        with pytest.raises(requests.ConnectionError, match="resolve"):
            session.get("http://no-such-host.invalid/")


def test_an_ended_scope_begins_nothing(server):
    """Every later operation raises at once, and the server hears nothing of it."""
    with Session() as session, move_on_after(0) as block:
        session.get(server.url())
    assert block.cancelled_caught
    assert server.accepted == 0


def test_a_body_is_read_in_the_scope_at_hand(server, clock):
    """An answer that outlives the scope it was begun in is not cut by it, but by that of the reader."""
    with Session() as session:
        with fail_after(8) as begun_in:
            response = session.get(server.url("/drip"), stream=True)
        clock.advance(8)
        until(lambda: begun_in.cancelled)
        pieces = response.iter_content(1)
        assert next(pieces) == b"."
        elapse(clock, 8, lambda: None)
        with pytest.raises(TaskTimeout), fail_after(8):
            for _ in pieces:
                pass
        server.wait_until_closed()


def test_a_connection_outlives_the_scopes_that_used_it(server):
    """Back in the pool, it is no more the affair of the call that had it."""
    with Session() as session:
        for _ in range(20):
            scope = Scope()
            assert call(scope, session.get, server.url()).result(PATIENCE).ok
            scope.cancel()
        assert server.accepted == 1


@pytest.mark.parametrize("path", ["/ok", "/close", "/status/503"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_answers_are_as_ever(server, path, method):
    """In a scope and without one, each kind of answer is what requests gives."""
    if method == "HEAD":
        path = "/empty"
    with requests.Session() as plain, Session() as session:
        usual = plain.request(method, server.url(path))
        with fail_after(PATIENCE):
            ours = session.request(method, server.url(path))
        assert (ours.status_code, ours.content, ours.headers) == (usual.status_code, usual.content, usual.headers)


def test_a_default_timeout_for_sockets_changes_nothing(server):
    """Sockets that the library makes for itself leave those of the client as they are: blocking, if they were."""
    socket.setdefaulttimeout(PATIENCE)
    try:
        with Session() as session, fail_after(PATIENCE):
            for _ in range(3):
                assert session.post(server.url(), data=b"x" * 1_000_000).ok
    finally:
        socket.setdefaulttimeout(None)


@pytest.mark.parametrize("tls", [False, True])
def test_the_seam_is_where_it_was(tls):
    """Fails if a new urllib3 or requests no longer comes by where connections are made, used, read and given back."""
    with FaultyServer(tls=tls) as server, session_for(server) as session, fail_after(PATIENCE) as scope:
        response = session.get(server.url(), stream=True)
        connection = response.raw.connection
        assert isinstance(connection, AbortableConnection)
        assert connection._connects_as_usual()
        assert connection._guard.scope is scope
        assert connection._guard.how == socket.SHUT_RDWR
        assert isinstance(response.raw._fp.fp.raw, _Reading)
        assert response.content
        assert connection._guard is None
        assert isinstance(response.raw._pool.pool, _Idle)


@pytest.mark.parametrize("tls", [False, True])
def test_a_request_in_flight_holds_one_descriptor(tls, monkeypatch):
    """As without the seam; but while TLS is set up there are two, and one again when it is."""
    handles = []
    monkeypatch.setattr(
        sockets, "_second_handle", lambda sock, usual=sockets._second_handle: handles.append(usual(sock)) or handles[-1]
    )
    with FaultyServer(tls=tls) as server, session_for(server) as session, fail_after(PATIENCE):
        for _ in range(2):  # on a new connection, and on one that is known
            response = session.get(server.url(), stream=True)
            connection = response.raw.connection
            assert connection._guard._handle is connection.sock
            assert response.content
    assert len(handles) == tls
    assert all(handle.fileno() == -1 for handle in handles)


def test_a_connection_is_let_go_before_it_is_closed(server, monkeypatch):
    """Its number may be another's the moment it is closed, and no scope may shut that one."""
    open_at_release = []
    release = sockets.Guard.release

    def releasing(guard):
        open_at_release.append(guard._handle.fileno() >= 0)
        release(guard)

    monkeypatch.setattr(sockets.Guard, "release", releasing)
    with Session() as session, fail_after(PATIENCE):
        assert session.get(server.url()).ok
        assert session.get(server.url(), headers={"Connection": "close"}).ok
        response = session.get(server.url(), stream=True)
        response.close()
    assert len(open_at_release) >= 3
    assert all(open_at_release)


def test_an_answer_that_the_next_user_of_its_connection_closes(server, monkeypatch):
    """Two threads that close one answer at once, its reader and who has the connection by then, do not trip."""

    def flush(answer):
        connection.close()  # what the other thread does, at the worst moment
        usual(answer)

    usual = HTTPResponse.flush
    monkeypatch.setattr(HTTPResponse, "flush", flush)
    with Session() as session:
        response = session.get(server.url(), stream=True)
        connection = response.raw.connection
        assert b"".join(response.iter_content(5)) == BODY


def test_sessions_pickle(server):
    """As sessions of requests do; what comes out is abortable again."""
    with Session(pool_size=7) as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(2, backoff_factor=1)))
        twin = pickle.loads(pickle.dumps(session))  # noqa: S301
    with twin:
        assert twin.get_adapter("http://x").max_retries.backoff_factor == 1
        expect_end(twin, server)
        assert twin.get(server.url()).ok
