"""The life of the server's process, and what importing its handle costs."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import anthropic
import pytest
import requests

from threadfan.testing import MessagesServer


def test_stop_with_open_requests(pool):
    """Stopping ends the process although requests hang, and its clients learn of it."""
    with MessagesServer() as server:
        call = pool.submit(requests.get, f"{server.url}/hang", timeout=30)
        server.wait_for(open=1)
    assert isinstance(call.exception(), requests.ConnectionError)
    assert repr(server) == "<MessagesServer stopped>"
    with pytest.raises(RuntimeError, match="is stopped; call start"):
        server.stats()


def test_stop_ends_calls(ask, pool):
    """A thread that hangs in a call of the server's own client is set free by stopping."""
    with MessagesServer() as server:
        calls = [pool.submit(ask.by(server.client()), "[fault:hang]") for _ in range(8)]
        server.wait_for(open=8)
    assert all(isinstance(call.exception(), anthropic.APIConnectionError) for call in calls)


def test_restart(ask):
    """A stopped server starts again with the options of its constructor, and stopping twice is harmless."""
    server = MessagesServer(replies={"hello": "scripted"})
    for _ in range(2):
        assert ask.by(server.start().client()).text("hello") == "scripted"
        server.configure(replies={})
        server.stop()
        server.stop()


def test_start_twice(server):
    """A second start is refused with the name of what to do instead."""
    with pytest.raises(RuntimeError, match=r"running at http://127.0.0.1:\d+> runs already; call stop\(\)"):
        server.start()


def test_loopback_only(server):
    """The server listens on 127.0.0.1 and on no other address of this machine."""
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match=r"refused|assign|timed out"):
        socket.create_connection(("127.0.0.2", port), timeout=30)


def test_dead_process():
    """A call to a server whose process has died tells how it ended."""
    with MessagesServer() as server:
        server._process._process.kill()
        server._process._process.wait()
        with pytest.raises(ConnectionError, match=r"ended with exit code -9 at http.* does not answer"):
            server.stats()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_dies_with_its_parent():
    """The process ends when its parent is killed in a way that the parent cannot notice."""
    code = "from threadfan.testing import MessagesServer; print(MessagesServer().start().url, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        host, port = parent.stdout.readline().strip().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"GET /hang HTTP/1.1\r\nhost: test\r\n\r\n")
            os.kill(parent.pid, signal.SIGKILL)
            with suppress(ConnectionResetError):  # as good an end as an empty read
                assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
@pytest.mark.parametrize(("method", "action"), [("POST", "reset"), ("POST", "configure"), ("GET", "stats")])
def test_controls_are_closed_to_pages(server, ask, headers, method, action):
    """What a browser sends for a page, whatever name that has for this machine, changes and tells nothing."""
    server.configure(replies={"hello": "scripted"})
    answer = requests.request(method, f"{server.url}/_control/{action}", data="{}", headers=headers, timeout=30)
    assert answer.status_code == 403
    assert "requests" not in answer.text
    assert ask.text("hello") == "scripted"
    assert server.stats().requests == 1


def test_the_environment_stays_at_home(monkeypatch):
    """Keys and all else that the process does not need to start do not reach it; its modules do."""
    seen = {}

    class Spied(subprocess.Popen):
        def __init__(self, *args, env, **options):
            seen.update(env)
            super().__init__(*args, env=env, **options)

    monkeypatch.setattr(subprocess, "Popen", Spied)
    for name in ("ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY", "HTTP_PROXY", "PYTHONSTARTUP", "PYTHON_SECRET"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    with MessagesServer() as server:
        assert server.stats().requests == 0
    assert "secret" not in seen.values()
    assert seen["PYTHONHASHSEED"] == "7"
    assert seen["PATH"] == os.environ["PATH"]


def test_missing_package(monkeypatch):
    """Without its packages the server names the command that installs them."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"uvicorn cannot be imported.*pip install .threadfan\[cli\]"):
        MessagesServer().start()


def test_broken_start(monkeypatch, tmp_path):
    """A process that ends before it listens leaves its standard error in the error."""
    (tmp_path / "uvicorn.py").write_text("raise SystemError('this uvicorn is broken')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)exit code 1 before.*this uvicorn is broken"):
        MessagesServer().start()


def test_proxies_are_left_aside(ask, monkeypatch):
    """A proxy in the environment, which could not reach this machine's loopback, is not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with MessagesServer() as server:
        assert ask.by(server.client()).text("hello")
        assert server.stats().requests == 1


@pytest.mark.parametrize(
    ("settings", "error", "right"),
    [
        ({"latncy": 1}, TypeError, "latncy"),
        ({"latency": -1}, ValueError, "0 or more"),
        ({"faults": {"flood": 0.1}}, ValueError, "kinds are 429"),
        ({"faults": {"429": 0.7, "hang": 0.7}}, ValueError, "at most 1"),
        ({"faults": {"429": -0.1}}, ValueError, "from 0"),
        ({"retry_after": -1}, ValueError, "0 or more"),
        ({"drip_interval": -1}, ValueError, "0 or more"),
        ({"replies": {"x": []}}, ValueError, "a sequence of texts"),
    ],
)
def test_wrong_options(settings, error, right):
    """A wrong option is refused where it is written, before any process starts."""
    with pytest.raises(error, match=right):
        MessagesServer(**settings)


@pytest.mark.parametrize("module", ["threadfan.testing", "threadfan.testing.plugin", "threadfan.testing.server"])
def test_light(module):
    """Importing the package, the plugin or the server's handle imports no optional package."""
    code = f"import pytest, sys; import {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"anthropic", "starlette", "uvicorn", "requests"} & set(loaded)


def test_unknown_name():
    """A misspelt name is an AttributeError that lists the names."""
    import threadfan.testing

    with pytest.raises(AttributeError, match=r"no attribute 'Server'; it has .*MessagesServer"):
        _ = threadfan.testing.Server
    assert {"Fixed", "LogNormal", "MessagesServer"} <= set(dir(threadfan.testing))


def test_plugin(tmp_path):
    """The fixture hands every test a running server with fresh counts and options."""
    (tmp_path / "test_it.py").write_text(
        "def test_one(messages_server):\n"
        "    messages_server.configure(replies={'hello': 'scripted'})\n"
        "    messages = [{'role': 'user', 'content': 'hello'}]\n"
        "    answer = messages_server.client().messages.create(model='m', max_tokens=9, messages=messages)\n"
        "    assert answer.content[0].text == 'scripted'\n"
        "def test_two(messages_server):\n"
        "    assert messages_server.stats().requests == 0\n"
    )
    # Loaded by name, since the entry point exists only where the package is installed.
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "threadfan.testing.plugin", str(tmp_path)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert "2 passed" in run.stdout, run.stdout + run.stderr
