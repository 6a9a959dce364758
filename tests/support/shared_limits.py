"""Places where limits are shared, and programs that share them, for tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

WORKER = """
import json, sys
import requests
from threadfan import Fan
from threadfan._core.policies.rate_limit import RateLimit

url, shared, items, per_minute, burst = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
limit = RateLimit(per_minute, burst=burst, shared=shared)

def ask(item):
    response = requests.Session.get(session, url + "/limited?seconds=0")
    response.raise_for_status()
    sys.stdout.write("done\\n")  # in one piece, whatever other threads write
    sys.stdout.flush()

with requests.Session() as session, Fan(6, rate=limit) as fan:
    session.trust_env = False
    print("ready", flush=True)
    sys.stdin.readline()
    report = fan.run(ask, range(items))
print(json.dumps({"succeeded": len(report.succeeded), "overloads": limit.overloads}), flush=True)
"""


class Worker:
    """A process of its own that makes requests under a shared limit, when it is told to go."""

    def __init__(self, url, shared, *, items, per_minute, burst):
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", WORKER, url, shared, str(items), str(per_minute), str(burst)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def go(self):
        """Have it start."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def wait_for(self, calls):
        """Wait until so many more of its calls have ended."""
        for _ in range(calls):
            assert self._process.stdout.readline() == "done\n"

    def kill(self):
        """End it at once."""
        self._process.kill()

    def result(self):
        """Wait for its end; gives what it reports."""
        *_, last = self._process.stdout
        return json.loads(last)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.kill()
        self._process.communicate()


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def redis_server(folder, port=None):
    """A Redis server of the test's own; gives its URL and its process."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server; on Debian: apt-get install -y redis-server")
    port = port or _free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 10.0
            while not _answers(port):
                assert process.poll() is None, "redis-server has ended"
                assert time.monotonic() < end, "redis-server does not answer"
                time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0", process
        finally:
            process.kill()
