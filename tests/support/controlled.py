"""Calls that start and end when a test says so, and waits that end in a failure and not in a hang."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future

from threadfan import current_scope

PATIENCE = 20.0  # real seconds after which a wait counts as a hang; nothing healthy comes near it


def aside(fn, *args, **kwargs):
    """Run a function in a plain thread of its own; gives a standard future of its result."""
    future = Future()

    def run():
        try:
            result = fn(*args, **kwargs)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future


def elapse(clock, seconds, started):
    """Let so much time pass on a manual clock, in another thread, as soon as a call has come to where it should be.

    A call with a short real timeout may be over before its function's first line has run.

    Args:
        clock: a ``ManualClock``.
        seconds: how much; somebody must sleep until then or less.
        started: an event that the call sets, or a function that waits for it.
    """

    def pass_on():
        if isinstance(started, threading.Event):
            assert started.wait(PATIENCE)
        else:
            started()
        clock.wait_for_sleepers(until=clock.monotonic() + seconds)
        clock.advance(seconds)

    return aside(pass_on)


def within_patience(fn, *args, **kwargs):
    """The result of a function that might hang."""
    return aside(fn, *args, **kwargs).result(PATIENCE)


class Gate:
    """A function that runs until it is let go: each call says that it has started, and then waits."""

    def __init__(self):
        self._changed = threading.Condition()
        self._open = False
        self.started = []  # what it was called with, in order of start
        self.running = Counter()  # the same, for calls that have not returned
        self.most = 0  # how many ran at once

    def __call__(self, item=None):
        """Wait until the gate opens; returns the item."""
        with self._changed:
            self.started.append(item)
            self.running[item] += 1
            self.most = max(self.most, self.running.total())
            self._changed.notify_all()
            opened = self._changed.wait_for(lambda: self._open, PATIENCE)
            self.running[item] -= 1
        assert opened, f"nobody opened the gate for {item!r}"
        return item

    def open(self):
        """Let every call go, now and later."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wait_for(self, count):
        """Wait until so many calls have started."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.started) >= count, PATIENCE), (
                f"{len(self.started)} calls have started, not {count}"
            )

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.open()


def meet(fan, count):
    """Have ``count`` calls of the fan run at the same moment: as many slots are there and none is lost."""
    barrier = threading.Barrier(count)
    futures = [fan.submit(barrier.wait, PATIENCE) for _ in range(count)]
    assert sorted(future.result(PATIENCE) for future in futures) == list(range(count))


def run_program(text, *flags, timeout=120.0):
    """Run a program in a new interpreter, to its end; gives what it wrote to its two outputs.

    Args:
        text: the program.
        flags: further options of the interpreter.
        timeout: real seconds after which it counts as hanging.
    """
    done = subprocess.run(
        [sys.executable, *flags, "-P", "-c", text],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def until(condition):
    """Wait for something that tells nobody when it comes true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{condition} did not come true"
        time.sleep(0)


def until_cancelled(*_):
    """What a call does that runs until nobody wants its result any more."""
    told = threading.Event()
    current_scope().on_cancel(told.set)
    assert told.wait(PATIENCE)


def heed_cancel(started=None):
    """The same for a call that then leaves, as a tool does that heeds its scope.

    Args:
        started: an event to set once the call would notice its cancel.
    """
    scope, told = current_scope(), threading.Event()
    scope.on_cancel(told.set)
    if started is not None:
        started.set()
    assert told.wait(PATIENCE)
    scope.check()
