"""What attached clients read keeps a call from being idle."""

import os
import socket
import sys
import threading

import pytest

from support.controlled import PATIENCE, until
from threadfan import Fan, TaskTimeout, current_scope
from threadfan.clients import subprocess as scoped_subprocess
from threadfan.clients.httpx import attach
from threadfan.clients.requests import Session

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"


@pytest.fixture
def listener():
    """A server of which the test sends each byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def with_requests(url):
    """A body that is read as it comes."""
    with Session() as session:
        session.trust_env = False
        return session.get(url).content


def with_httpx(url):
    """The same."""
    import httpx

    with attach(httpx.Client(trust_env=False)) as client:
        return client.get(url, timeout=None).content


@pytest.mark.parametrize("get", [with_requests, with_httpx])
def test_bytes_of_an_answer(clock, listener, get):
    """Each that arrives puts the end off; when none does the call times out, and its connection is shut."""
    pytest.importorskip(get.__name__.removeprefix("with_"))
    scopes, begun = [], threading.Event()

    def call(url):
        scopes.append(current_scope())
        begun.set()
        return get(url)

    with Fan(1, idle_timeout=5) as fan:
        future = fan.submit(call, f"http://127.0.0.1:{listener.getsockname()[1]}/")
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            connection.recv(65536)
            assert begun.wait(PATIENCE)
            for moment, piece in ((3, HEAD), (6, b"a"), (9, b"b")):
                clock.advance(moment - clock.monotonic())
                connection.sendall(piece)
                until(lambda: scopes[0].pulse[0] == moment)  # noqa: B023 -- done in the round
            clock.wait_for_sleepers(until=14)
            assert not future.done()
            clock.advance(5)
            with pytest.raises(TaskTimeout, match="idle_timeout"):
                future.result(PATIENCE)
            assert connection.recv(1) == b""


@pytest.mark.skipif(sys.platform == "win32", reason="what a process writes is read there by the standard library")
def test_what_a_process_writes(clock):
    """Each piece of its output does, too."""
    read, write = os.pipe()
    scopes = []

    def call():
        scopes.append(current_scope())
        return scoped_subprocess.run(["cat"], stdin=read, capture_output=True, check=True).stdout

    with Fan(1, idle_timeout=5) as fan:
        future = fan.submit(call)
        until(lambda: scopes and scopes[0].pulse)
        for moment in (3, 6, 9):
            clock.advance(3)
            os.write(write, b"x")
            until(lambda: scopes[0].pulse[0] == moment)  # noqa: B023 -- done in the round
        os.close(write)
        assert future.result(PATIENCE) == b"xxx"
        os.close(read)
