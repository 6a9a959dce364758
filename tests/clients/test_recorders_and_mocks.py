"""Tools that record, replay or forbid traffic in tests: attached clients go through them as plain ones do."""

import io
import re
import socket

import pytest
import requests

from support.controlled import PATIENCE, run_program
from support.faulty_server import FaultyServer
from support.scoped import call
from threadfan import CallCancelled, Scope
from threadfan.clients.httpx import attach as attach_httpx
from threadfan.clients.requests import Session, attach, install

TOOLS = ("httpx", "requests_mock", "responses", "respx", "vcr")
httpx, requests_mock, responses, respx, vcr = map(pytest.importorskip, TOOLS)


def installed():
    """A plain session that is made while all are made abortable."""
    with install():
        return requests.Session()


SESSIONS = {
    "plain": requests.Session,
    "Session": Session,
    "attach": lambda: attach(requests.Session()),
    "install": installed,
}
CLIENTS = {**SESSIONS, "plain httpx": httpx.Client, "attached httpx": lambda: attach_httpx(httpx.Client())}
clients = pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
sessions = pytest.mark.parametrize("make", SESSIONS.values(), ids=SESSIONS)
when_made = pytest.mark.parametrize("before", [True, False], ids=["made before", "made inside"])


@pytest.fixture
def server():
    """One that must not be asked more often than is right."""
    with FaultyServer() as running:
        yield running


def get(client, url):
    """Ask in a call that can be cancelled."""
    return call(Scope(), client.get, url).result(PATIENCE)


def cassette(path, mode):
    """A recording in a file; ports differ from run to run."""
    return vcr.use_cassette(str(path / "cassette.yaml"), record_mode=mode, match_on=["method", "path"])


@clients
@when_made
def test_what_vcrpy_has_recorded_is_replayed(server, tmp_path, make, before):
    """The first run is taped, the second asks nobody, and afterwards the network is used again."""
    clients = [make(), make()] if before else []
    for number, mode in enumerate(("once", "none")):
        with cassette(tmp_path, mode) as tape:
            clients = clients if before else [*clients, make()]
            assert get(clients[number], server.url()).status_code == 200
            assert (len(tape), tape.play_count, server.requests) == (1, number, 1)
    for client in clients:
        assert get(client, server.url()).status_code == 200
        client.close()
    assert server.requests == 3


@sessions
def test_a_session_that_was_used_before_replays_too(server, tmp_path, make):
    """A connection that is idle from before the cassette is not used within it."""
    with make() as session:
        assert get(session, server.url()).status_code == 200
        with cassette(tmp_path, "once") as tape:
            assert get(session, server.url()).status_code == 200
        with cassette(tmp_path, "none") as tape:
            assert get(session, server.url()).status_code == 200
            assert tape.all_played
    assert server.requests == 2


@sessions
def test_what_is_not_on_the_tape_is_refused(server, tmp_path, make):
    """A cassette that may not record says so, and nobody is asked."""
    with (
        make() as session,
        cassette(tmp_path, "none"),
        pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
    ):
        get(session, server.url())
    assert server.requests == 0


@pytest.mark.parametrize("name", ["Session", "attach", "install"])
def test_a_replay_ends_with_its_scope(server, tmp_path, name):
    """A call that was cancelled gets nothing of the tape either."""
    with cassette(tmp_path, "once"), SESSIONS[name]() as session:
        get(session, server.url())
    scope = Scope()
    scope.cancel()
    with cassette(tmp_path, "none") as tape, SESSIONS[name]() as session:
        with pytest.raises(CallCancelled):
            call(scope, session.get, server.url()).result(PATIENCE)
        assert tape.play_count == 0


def test_an_import_within_a_cassette_takes_the_real_classes():
    """What is imported for the first time while vcrpy has its classes in place is no worse for it afterwards."""
    program = """
import vcr, urllib3.connection
with vcr.use_cassette("never-written.yaml"):
    from threadfan.clients.connections import AbortableConnection
assert AbortableConnection.__mro__[1] is urllib3.connection.HTTPConnection, AbortableConnection.__mro__
"""
    assert run_program(program, timeout=60) == ("", "")


@sessions
@when_made
def test_responses_answers(server, make, before):
    """What is registered with responses is answered by it."""
    early = make() if before else None
    with responses.RequestsMock() as mocked:
        mocked.get(re.compile(".*"), body="made up")
        assert get(early or make(), server.url()).text == "made up"
    assert server.requests == 0


@sessions
@when_made
def test_requests_mock_answers(server, make, before):
    """What is registered with requests-mock is answered by it."""
    early = make() if before else None
    with requests_mock.Mocker() as mocked:
        mocked.get(requests_mock.ANY, text="made up")
        assert get(early or make(), server.url()).text == "made up"
    assert server.requests == 0


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
@pytest.mark.parametrize("make", [httpx.Client, CLIENTS["attached httpx"]], ids=["plain", "attached"])
@when_made
def test_respx_answers(server, make, before, using):
    """What is registered with respx is answered by it, at either place where it steps in."""
    early = make() if before else None
    with respx.mock(using=using) as mocked:
        mocked.get().respond(text="made up")
        client = early or make()
        assert get(client, server.url()).text == "made up"
    assert server.requests == 0
    client.close()


@clients
def test_who_forbids_connections_is_heard(server, make, monkeypatch):
    """Tools such as pytest-socket watch over ``socket.connect``."""

    class Forbidden(Exception):
        """Raised for every address."""

    def connect(sock, address):
        sock.close()  # plain clients forget it when what is raised is no OSError
        raise Forbidden

    with make() as client:
        monkeypatch.setattr(socket.socket, "connect", connect)
        with pytest.raises(Forbidden):
            get(client, server.url())
        monkeypatch.undo()
    assert server.requests == 0


class MadeUp:
    """A socket without a network, as mocket and httpretty make them."""

    def __init__(self, *args):
        self.answer = io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nmade up")

    def settimeout(self, timeout):
        """Do nothing."""

    def makefile(self, *args):
        """The answer; not a reader around a socket."""
        return self.answer

    def recv(self, size, *args):
        """The answer, for who does not want a file."""
        return self.answer.read(size)

    def fileno(self):
        """None."""
        return -1

    def nothing(self, *args):
        """Do nothing."""

    def send(self, data):
        """All of it."""
        return len(data)

    connect = bind = setsockopt = sendall = shutdown = close = nothing


@clients
def test_made_up_sockets_are_used(make, monkeypatch):
    """Where a test has put sockets of its own in the place of Python's, clients connect in their own way."""
    monkeypatch.setattr(socket, "socket", MadeUp)
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: MadeUp())
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("a", 80))])
    with make() as client:
        assert get(client, "http://nowhere.test/").text == "made up"
