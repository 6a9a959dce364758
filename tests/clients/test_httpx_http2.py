"""HTTP/2, where calls share a connection: one that ends at its deadline does no harm to the others."""

import importlib
import threading

import pytest

from support.controlled import PATIENCE
from support.loopback import Loopback
from support.scope_ends import LIBRARIES, SOON
from support.scoped import call
from threadfan import CallCancelled, Scope, TaskTimeout, fail_after
from threadfan.clients import httpcore as seam
from threadfan.clients.httpx import attach

pytest.importorskip("h2")


class Http2Server(Loopback):
    """Speaks HTTP/2 without TLS; ``/hang`` is answered when ``let_go`` is set, everything else at once."""

    def __init__(self):
        super().__init__()
        self.let_go = threading.Event()

    def _serve(self, sock):
        from h2.config import H2Configuration
        from h2.connection import H2Connection
        from h2.events import RequestReceived

        state, sending = H2Connection(H2Configuration(client_side=False)), threading.Lock()

        def send():
            sock.sendall(state.data_to_send())

        def answer(stream):
            with sending:
                state.send_headers(stream, [(":status", "200")])
                state.send_data(stream, b"ok", end_stream=True)
                send()

        def answer_late(stream):
            if self.let_go.wait(PATIENCE):
                answer(stream)

        late = []
        with sending:
            state.initiate_connection()
            send()
        while data := sock.recv(65536):
            with sending:
                events = state.receive_data(data)
                send()
            for event in events:
                if isinstance(event, RequestReceived):
                    if dict(event.headers)[b":path"] == b"/hang":
                        late.append(threading.Thread(target=answer_late, args=(event.stream_id,), daemon=True))
                        late[-1].start()
                    else:
                        answer(event.stream_id)
                    self._note_request()
        self.let_go.set()
        for thread in late:
            thread.join(PATIENCE)


@pytest.fixture(params=LIBRARIES)
def client(request):
    """An attached client that speaks nothing but HTTP/2."""
    library = importlib.import_module(request.param)
    with attach(library.Client(http1=False, http2=True, timeout=60, trust_env=False)) as client:
        yield client


@pytest.fixture
def server():
    """A server whose calls hang until it is told otherwise."""
    with Http2Server() as server:
        yield server
        server.let_go.set()


def test_the_readers_deadline_leaves_the_connection_to_the_others(client, server, monkeypatch):
    """A call that waits on the same connection, without a deadline, gets its answer."""
    url = f"http://{server.address}"
    assert client.get(f"{url}/").text == "ok"
    patient = []

    def read(stream, *args, **options):
        if not patient:  # the first is the one that reads for both
            patient.append(call(Scope(), client.get, f"{url}/hang"))
        return usual(stream, *args, **options)

    usual = seam.Stream.read
    monkeypatch.setattr(seam.Stream, "read", read)
    with pytest.raises(TaskTimeout), fail_after(SOON):
        client.get(f"{url}/hang")
    server.let_go.set()
    assert patient[0].result(PATIENCE).text == "ok"
    for _ in range(20):
        assert client.get(f"{url}/").text == "ok"
    assert server.accepted == 1


def test_a_call_alone_ends_at_its_deadline(client, server):
    """And the next ones succeed."""
    url = f"http://{server.address}"
    with pytest.raises(TaskTimeout) as caught, fail_after(SOON):
        client.get(f"{url}/hang")
    assert isinstance(caught.value.__cause__, CallCancelled)
    for _ in range(20):
        assert client.get(f"{url}/").text == "ok"
