"""What heeds no scope is left behind at its timeout, or cannot even be timed out; `docs/ends.md` tells it by these."""

import contextlib
import ctypes
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from support.controlled import PATIENCE
from support.faulty_server import FaultyServer
from support.scope_ends import LIBRARIES, SOON, noting, wait_until_back
from threadfan import CallCancelled, Fan
from threadfan.clients import sqlite3 as seam


def expect_left_behind(act, let_go):
    """At the timeout outcome and slot are back, though the call goes on until it is let go; gives what came of it."""
    ends = queue.SimpleQueue()
    with Fan(1, timeout=SOON) as fan:
        assert fan.gather(noting(act, ends))[0].status == "timed_out"
        assert fan.with_options(timeout=None).submit(pow, 2, 3).result(PATIENCE) == 8  # by another thread
        assert fan.snapshot()["abandoned"] == 1
        assert ends.empty()
        let_go()
        end = ends.get(timeout=PATIENCE)
        wait_until_back(fan)
    return end


def test_a_plain_request():
    """A session that nothing is attached to reads until the other side ends the connection."""
    requests = pytest.importorskip("requests")

    def hang_up():
        listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listener, requests.Session() as session:
        session.trust_env = False
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        end = expect_left_behind(lambda: session.get(url, timeout=60), hang_up)
    assert isinstance(end, requests.ConnectionError)


def test_a_plain_subprocess():
    """`subprocess.run` waits until its program ends, and nobody ends that."""
    read, write = os.pipe()
    with open(read, "rb") as end_to_read, open(write, "wb") as end_to_write:
        program = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        done = expect_left_behind(lambda: subprocess.run(program, stdin=end_to_read, check=True), end_to_write.close)
    assert done.returncode == 0


def test_a_plain_socket():
    """A socket of one's own is read until something comes."""
    one, other = socket.socketpair()
    with one, other:
        assert expect_left_behind(lambda: one.recv(1), lambda: other.sendall(b".")) == b"."


def test_a_plain_lock():
    """A lock of the standard library's is waited for until somebody lets it go."""
    lock = threading.Lock()
    lock.acquire()
    assert expect_left_behind(lock.acquire, lock.release) is True


def test_a_plain_event():
    """An event of the standard library's is waited for until it is set."""
    event = threading.Event()
    assert expect_left_behind(event.wait, event.set) is True


def test_a_plain_queue():
    """A queue of the standard library's is waited for until there is an item."""
    items = queue.Queue()
    assert expect_left_behind(items.get, lambda: items.put("late")) == "late"


def test_a_loop_that_does_not_ask():
    """Python code that never looks at its scope goes on to its own end."""
    enough = []

    def loop():
        while not enough:
            pass
        return "done"

    assert expect_left_behind(loop, lambda: enough.append(True)) == "done"


@pytest.mark.parametrize("client", ["requests", *LIBRARIES])
def test_a_look_up(client, monkeypatch):
    """The system's look-up of a name wakes for nobody; the call ends as soon as it is over, and connects no more."""
    library = pytest.importorskip(client)
    answered = threading.Event()

    def look_up(*args, **kwargs):
        assert answered.wait(PATIENCE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    if client == "requests":
        from threadfan.clients.requests import attach

        made = library.Session()
    else:
        from threadfan.clients.httpx import attach

        made = library.Client(trust_env=False)
    attach(made)
    with made:
        end = expect_left_behind(lambda: made.get("http://somewhere.invalid/"), answered.set)
    assert isinstance(end, CallCancelled)


def test_the_sleeps_of_openai(monkeypatch):
    """Its sleep before it repeats a request is a plain one; the call ends as soon as that is over."""
    pytest.importorskip("openai")
    from openai import DefaultHttpxClient, OpenAI, _base_client

    from threadfan.clients.httpx import attach

    slept = threading.Event()
    sleeping = SimpleNamespace(**{**vars(time), "sleep": lambda _: slept.wait(PATIENCE)})
    monkeypatch.setattr(_base_client, "time", sleeping)
    http = attach(DefaultHttpxClient(trust_env=False))
    with (
        FaultyServer() as server,
        OpenAI(api_key="test", base_url=server.url("/status/503"), http_client=http) as client,
    ):
        end = expect_left_behind(client.models.list, slept.set)
        assert server.requests == 1
    assert isinstance(end, CallCancelled)


def test_a_lock_of_sqlite(tmp_path):
    """The wait for it is SQLite's own, which no interrupt ends."""
    holder = seam.connect(tmp_path / "x.db", check_same_thread=False, isolation_level=None)
    waiter = seam.connect(tmp_path / "x.db", check_same_thread=False, isolation_level=None, timeout=60)
    with contextlib.closing(holder), contextlib.closing(waiter):
        holder.execute("BEGIN IMMEDIATE")
        end = expect_left_behind(lambda: waiter.execute("BEGIN IMMEDIATE"), holder.rollback)
        assert isinstance(end, seam.Cursor)


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to keep")
@pytest.mark.skipif(sys.platform == "win32", reason="a function of the C library's is called")
def test_c_code_that_keeps_the_gil():
    """While it runs nobody else does, so even the outcome comes only at its end."""
    held = 0.5
    sleep = ctypes.PyDLL(None).usleep  # a PyDLL calls without letting go of the GIL
    with Fan(1, timeout=SOON) as fan:
        report = fan.run(sleep, [int(held * 1e6)])
        wait_until_back(fan)
    assert report.stats.wall >= held > SOON
