"""Exceptions of every kind that a call may raise, and some that lie about themselves."""

import asyncio
import concurrent.futures
import queue
import subprocess

import threadfan


class Liar(Exception):
    """It says that it is another class."""

    @property
    def __class__(self):
        return KeyboardInterrupt


class Stranger(Exception):
    """Its class cannot be asked for."""

    @property
    def __class__(self):
        raise ZeroDivisionError


class Mute(Exception):
    """It has no text."""

    def __str__(self):
        raise ZeroDivisionError

    __repr__ = __str__


class Unequal(Exception):
    """It cannot be compared, and is false."""

    def __eq__(self, other):
        raise ZeroDivisionError

    __hash__ = None

    def __bool__(self):
        return False


class Grabby(Exception):
    """Whatever is asked of it, it raises something that ends programs."""

    def __getattr__(self, name):
        raise SystemExit(name)


class Answered(Exception):
    """It has an answer with a status and headers that cannot be read."""

    status_code = "four hundred and twenty-nine"

    class response:  # noqa: N801 - it stands in for an attribute
        """What it was answered."""

        status_code = 429
        headers = [("retry-after", object())]  # noqa: RUF012 - no mapping at all


class Demanding(Exception):
    """It cannot be made again from its arguments."""

    def __init__(self, first, second, *, third):
        super().__init__(first)
        self.second, self.third = second, third


class Bare(BaseException):
    """It is no Exception."""


def _deep(depth=0):
    return _deep(depth + 1)


def _in_a_circle():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def _out_of_depth():
    try:
        _deep()
    except RecursionError as error:
        return error.with_traceback(None)


ERRORS = {
    "a value": lambda: ValueError("no"),
    "a connection": lambda: ConnectionError("gone"),
    "memory": MemoryError,
    "the end": lambda: SystemExit(3),
    "a ctrl-c": KeyboardInterrupt,
    "a generator's end": GeneratorExit,
    "an iterator's end": lambda: StopIteration(1),
    "an async iterator's end": StopAsyncIteration,
    "asyncio's cancel": asyncio.CancelledError,
    "a future's cancel": concurrent.futures.CancelledError,
    "a time that is up": TimeoutError,
    "a timeout of another call": lambda: threadfan.TaskTimeout("another's"),
    "a cancel of another call": lambda: threadfan.TaskCancelled("another's"),
    "a queue": queue.Empty,
    "a process": lambda: subprocess.CalledProcessError(-9, "x"),
    "a closed fan": lambda: threadfan.FanClosed("another's"),
    "a broken pool": lambda: threadfan.BrokenThreadPool("another's"),
    "depth": _out_of_depth,
    "a circle": _in_a_circle,
    "a group": lambda: ExceptionGroup("some", [ConnectionError(), ExceptionGroup("more", [TimeoutError()])]),
    "a bare group": lambda: BaseExceptionGroup("some", [KeyboardInterrupt(), ValueError()]),
    "bare": Bare,
    "a liar": Liar,
    "a stranger": Stranger,
    "mute": Mute,
    "unequal": Unequal,
    "grabby": Grabby,
    "answered": Answered,
    "demanding": lambda: Demanding(1, 2, third=3),
}
"""Name -> what makes one."""
