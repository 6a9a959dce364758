"""A server that counts how often each item was asked for, and a program that asks it for many, with a journal.

The program is ``python -m support.calls_counted PATH PORT ITEMS WORKERS WAY``, where WAY is a method of a fan.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from support.controlled import PATIENCE

ROOT = Path(__file__).parents[2]


class CountingServer:
    """Answers each line with twice its number, and counts; use it with ``with``.

    Args:
        delay: seconds before each answer, by an event that nobody sets.
    """

    def __init__(self, delay=0.0):
        self._delay = delay
        self._never = threading.Event()
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._threads = []
        self._connections = []
        self.port = self._listener.getsockname()[1]
        self.calls = Counter()

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info):
        self._never.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError), connection.makefile("rw") as lines:
            for line in lines:
                with self._changed:
                    self.calls[int(line)] += 1
                    self._changed.notify_all()
                self._never.wait(self._delay)
                lines.write(f"{2 * int(line)}\n")
                lines.flush()

    def wait_for(self, number):
        """Wait until so many calls were made, all in all; False if it takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self.calls.total() >= number, PATIENCE)


def start(path, server, items, workers, way="run"):
    """The program, as a child."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    command = [sys.executable, "-m", "support.calls_counted", str(path), *map(str, (server.port, items, workers)), way]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(child):
    """End it at once, and wait for that."""
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=PATIENCE)


def drain(child):
    """Tell it to end, and wait for that; with its standard error."""
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode in (128 + signal.SIGTERM, -signal.SIGTERM), err  # the latter if it had not begun


def ended(child):
    """What it has printed, once it has ended by itself."""
    out, err = child.communicate(timeout=6 * PATIENCE)
    assert child.returncode == 0, err
    return out


def main(path, port, items, workers, way):
    """Ask for every item, and print the sum of the answers and how many there are; at SIGTERM, drain."""
    from threadfan import Fan, drain_on_signals

    drain_on_signals()
    connections = threading.local()

    def twice(item):
        if not hasattr(connections, "lines"):
            connections.lines = socket.create_connection(("127.0.0.1", int(port))).makefile("rw")
        connections.lines.write(f"{item}\n")
        connections.lines.flush()
        return int(connections.lines.readline())

    with Fan(int(workers)) as fan:
        outcomes = getattr(fan, way)(twice, range(int(items)), journal=path)
        values = [outcome.value for outcome in outcomes]
    print(sum(values), len(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
