"""Functions that other processes call, and an executor of which a test says when it does what."""

import os
import threading
import time
from concurrent.futures import Executor, Future
from pathlib import Path

import threadfan
from support.controlled import PATIENCE


def double(number):
    """A call that takes no time."""
    return 2 * number


def place(_=None):
    """In which process it runs."""
    return os.getpid()


def together(folder, name, count):
    """Return when so many of these calls run at the same time."""
    Path(folder, str(name)).touch()
    end = time.monotonic() + PATIENCE
    while len(os.listdir(folder)) < count:
        assert time.monotonic() < end, "the others did not come"
        time.sleep(0.001)
    return os.getpid()


def refuse(number):
    """A call that fails, with an error that has an attribute."""
    error = KeyError("no", number)
    error.number = number
    raise error


class HardToMake(Exception):
    """One that pickle can write and not read."""

    def __init__(self, text, *, code):
        super().__init__(text)
        self.code = code


def refuse_hard(number):
    """A call that fails with such an error."""
    raise HardToMake(f"refused {number}", code=17)


class Thing:
    """What can be watched until it dies."""


def thing(_):
    """A call that returns one."""
    return Thing()


def odd(_):
    """A call whose result cannot be pickled."""
    return threading.Lock()


def until_ended(folder):
    """A call that hangs until its scope ends, and then says so."""
    try:
        threadfan.sleep(PATIENCE)
    finally:
        Path(folder, "ended").touch()


def deaf(_=None):
    """A call that hangs and heeds nothing."""
    time.sleep(PATIENCE)


def hang_at(number, hanging):
    """One of several calls hangs, until its scope ends."""
    if number == hanging:
        threadfan.sleep(PATIENCE)
    return number


def deaf_at(number, hanging):
    """The same, and heeds nothing."""
    if number == hanging:
        deaf()
    return number


def touch_and_hang(path):
    """Say that it runs, and hang."""
    Path(path).touch()
    deaf()


def die_once(number, path):
    """One call ends its process, the first time that it is made."""
    if number == 3 and not os.path.exists(path):
        Path(path).touch()
        os._exit(1)
    return number


def use_tokens(number):
    """A call that notes what it has used."""
    threadfan.current_scope().add_usage(threadfan.Usage(number, 1))
    return number


def bound(_=None):
    """What structlog has bound here."""
    import structlog

    return structlog.contextvars.get_contextvars()


def trace(_=None):
    """The trace that is current here."""
    from opentelemetry import trace

    return trace.get_current_span().get_span_context().trace_id


def seconds_left(_=None):
    """What the scope has left."""
    return threadfan.current_scope().remaining()


class ByHand(Executor):
    """An executor that does what it was given when a test says so, in the test's thread.

    Attributes:
        tasks: what was handed in, each with its future, and not done yet.
        refusal: raised by ``submit``, if there is one.
    """

    def __init__(self):
        self.tasks = []
        self.sizes = []
        self.refusal = None
        self.closed = False

    def submit(self, fn, /, *args, **kwargs):
        """Take a task."""
        if self.refusal is not None:
            raise self.refusal
        future = Future()
        self.sizes.append(len(args[2]))
        self.tasks.append((future, fn, args, kwargs))
        return future

    def do(self):
        """Do the first one; whether it was wanted."""
        future, fn, args, kwargs = self.tasks.pop(0)
        if not future.set_running_or_notify_cancel():
            return False
        future.set_result(fn(*args, **kwargs))
        return True

    def fail(self, error):
        """Have the first one end with an error of the executor's."""
        self.tasks.pop(0)[0].set_exception(error)

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Say so."""
        self.closed = True
