"""Attached clients in the child of a fork: no connection of the parent's is used there, and none is ended."""

import http.server
import os
import signal
import threading
from contextlib import contextmanager

import pytest

from threadfan import fail_after, move_on_after, sleep
from threadfan.clients.condition import Condition
from threadfan.clients.threading import Lock, Queue
from threadfan.testing import ManualClock, no_leaks

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the port of whoever asks, which tells one connection from another."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer; "/slow" in two parts, the second when the test says so."""
        said = b"%d" % self.client_address[1]
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(said)))
        self.end_headers()
        self.wfile.write(said)
        if self.path == "/slow":
            self.server.asked.set()
            self.server.go.wait(10)
        self.wfile.write(said)

    def log_message(self, *_):
        """Nothing is said."""


@pytest.fixture
def server():
    """A server, its address and what lets slow answers go on."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.asked, made.go = threading.Event(), threading.Event()
        made.url = f"http://127.0.0.1:{made.server_port}"
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.go.set()
        made.shutdown()
        thread.join()


@pytest.fixture(params=["requests", "httpx", "httpx through a proxy's mount"])
def client(request, server):  # the server last, which waits for its connections to be closed
    """A client that was attached in the parent."""
    if request.param == "requests":
        requests = pytest.importorskip("requests")
        from threadfan.clients.requests import attach

        with requests.Session() as made:
            made.trust_env = False
            yield attach(made)
        return
    try:
        import httpx
    except ImportError:
        httpx = pytest.importorskip("httpx2")
    from threadfan.clients.httpx import attach

    mounts = {"http://": httpx.HTTPTransport()} if "mount" in request.param else {}
    with httpx.Client(trust_env=False, mounts=mounts) as made:
        yield attach(made)


@contextmanager
def child(act):
    """A child that does ``act`` and says what it returns, and a parent that goes on meanwhile; gives what was said."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        said = b""
        try:
            said = repr(act()).encode()
        except BaseException as error:
            said = repr(error).encode()
        finally:
            os.write(writer, said)
            os._exit(0)
    os.close(writer)
    said = []
    try:
        yield said
    finally:
        with os.fdopen(reader, "rb") as pipe:
            said.append(pipe.read().decode())
        os.waitpid(pid, 0)


def in_child(act):
    """What ``act`` returns in a child."""
    with child(act) as said:
        pass
    return said[0]


def test_connections_are_new_in_the_child(client, server):
    """Those that the parent keeps stay its own, and go on working there."""

    def port():
        return client.get(server.url).text

    before = port()
    assert port() == before
    first, second = in_child(lambda: port() + " " + port()).strip("'").split()
    assert first == second != before
    assert port() == before


def test_connections_in_use_are_not_ended_by_the_child(client, server):
    """Neither by its requests, nor by the end of a scope there, nor by its exit; an answer on its way arrives."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(client.get(server.url + "/slow").status_code))
    thread.start()
    assert server.asked.wait(10)

    def act():
        with fail_after(20):
            return client.get(server.url).status_code

    assert in_child(act) == "200"
    server.go.set()
    thread.join()
    assert answers == [200]


def test_a_streamed_answer_of_the_parent_stays_its_own(client, server):
    """A block around it that ends in the child does not shut the parent's connection."""
    if not callable(getattr(client, "stream", None)):
        pytest.skip("it streams in another way")
    with fail_after(20), client.stream("GET", server.url + "/slow") as answer:
        parts = answer.iter_raw()
        begun = next(parts)

        def act():
            with move_on_after(0.01) as block:
                sleep(20)
            return block.cancelled_caught

        assert in_child(act) == "True"
        server.go.set()
        assert begun + b"".join(parts) == 2 * begun


def test_waiters_of_the_parent_are_not_notified_in_the_child():
    """A notification reaches one who waits there; in the parent the waiter goes on waiting."""
    condition, items = Condition(), Queue()
    waiting = threading.Thread(target=items.get)
    waiting.start()
    notified = threading.Thread(target=lambda: wait_in(condition))
    notified.start()
    while not (condition._waiters and items.not_empty._waiters):
        pass

    def act():
        got = []
        threads = [
            threading.Thread(target=lambda: got.append(items.get(timeout=10))),
            threading.Thread(target=lambda: got.append(wait_in(condition))),
        ]
        for thread in threads:
            thread.start()
        while not (condition._waiters and items.not_empty._waiters):
            pass
        items.put(1)
        with condition:
            condition.notify()
        for thread in threads:
            thread.join()
        return sorted(map(str, got))

    assert in_child(act) == "['1', 'True']"
    items.put(1)
    with condition:
        condition.notify()
    waiting.join()
    notified.join()


def wait_in(condition):
    """Wait until notified."""
    with condition:
        return condition.wait(10)


def test_a_lock_that_the_forking_thread_held_is_its_own_in_the_child():
    """As of the standard library's: the child releases it, and one that another thread held stays held."""
    mine, others = Lock(), Lock()
    thread = threading.Thread(target=others.acquire)
    thread.start()
    thread.join()

    def act():
        mine.release()
        return mine.acquire(timeout=1), others.acquire(blocking=False)

    with mine:
        assert in_child(act) == "(True, False)"


def test_sleepers_of_the_parent_do_not_count_in_the_child():
    """A manual clock has those of the child alone."""
    with ManualClock() as clock:
        thread = threading.Thread(target=sleep, args=(5,))
        thread.start()
        clock.wait_for_sleepers(until=5)
        assert in_child(lambda: repr(clock)) == repr(repr(clock).replace("1 asleep", "0 asleep"))
        clock.advance(5)
        thread.join()


def test_a_leak_check_of_the_parent_says_nothing_in_the_child():
    """The child has what its parent opened meanwhile."""

    def checked():
        with no_leaks(patience=0):
            opened = os.pipe()
            if in_this.append(os.fork()) or in_this[-1]:
                for number in opened:
                    os.close(number)
            else:
                signal.alarm(20)

    in_this = []
    try:
        checked()
    except AssertionError:
        if not in_this[-1]:
            os._exit(1)
        raise
    if not in_this[-1]:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(in_this[-1], 0)[1]) == 0
