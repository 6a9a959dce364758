"""A block in which all that the engine waits with is the harness's: locks, gates, threads and time.

Nothing in the product knows of it: files have these things by their names (``base.locks``, ``base.threads``,
``base.clock`` make the rest of them), and there they are replaced.
"""

import _thread
import pkgutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from itertools import count
from queue import SimpleQueue
from unittest.mock import patch

import threadfan._core
from threadfan._core.base import clock, locks
from threadfan._core.calls import short_waits
from threadfan._core.pool import shutdown
from threadfan._core.scope import alarms

from . import primitives
from .primitives import on
from .schedule import FOREVER, GivenUpError, Schedule

RealLock = locks.Lock
REPLACED = {RealLock: primitives.RLock, SimpleQueue: primitives.SimpleQueue}
_start_bare = _thread.start_new_thread
_start_joinable = getattr(_thread, "start_joinable_thread", None)
_join, _is_alive = threading.Thread.join, threading.Thread.is_alive


def begin(function, arguments):
    """Start a thread, really."""
    return _start_bare(function, arguments)


def _new_bare(function, arguments, *keywords):
    schedule = on()
    if schedule is None:
        return _start_bare(function, arguments, *keywords)
    thread = getattr(function, "__self__", None)
    thread = thread if isinstance(thread, threading.Thread) else None
    made = schedule.add("bare" if thread is None else thread.name, thread)
    if thread is not None:
        thread.__dict__["_in_schedule"] = made
    ident = _start_bare(schedule.wrapped(made, function), arguments, *keywords)
    schedule.point()
    return ident


def _new_joinable(function, handle=None, daemon=True):
    schedule = on()
    if schedule is None:
        return _start_joinable(function, handle=handle, daemon=daemon)
    thread = getattr(function, "__self__", None)
    made = schedule.add(thread.name, thread)
    thread.__dict__["_in_schedule"] = made
    started = _start_joinable(schedule.wrapped(made, function), handle=handle, daemon=daemon)
    schedule.point()
    return started


def _joined(thread, timeout=None):
    schedule, known = on(), thread.__dict__.get("_in_schedule")
    if schedule is None or known is None:
        _join(thread, timeout)
        return
    if known is schedule.current:
        raise RuntimeError("cannot join current thread")
    schedule.point()
    until = FOREVER if timeout is None else schedule.time + max(0.0, timeout)
    while not known.ended and schedule.block(known.joiners, until):
        pass


def _lives(thread):
    known = thread.__dict__.get("_in_schedule")
    return _is_alive(thread) if known is None or on() is None else not known.ended


def _sleep_until(moment):
    primitives.sleep(max(0.0, moment - primitives.monotonic()))


def _died(told):
    """In the place of ``threading.excepthook``."""
    if told.exc_type is not GivenUpError and Schedule.on is not None:
        Schedule.on.complain(f"a thread has died of {told.exc_type.__name__}: {told.exc_value}", told.exc_value)


def _modules():
    for found in pkgutil.walk_packages(threadfan._core.__path__, "threadfan._core."):
        if found.name != "threadfan._core.fan.signatures":  # which is for type checkers alone
            yield import_module(found.name)


@contextmanager
def patched():
    """The block; schedules run in it."""
    modules = list(_modules())  # all of them: one that is imported in the block would keep what it finds
    with ExitStack() as stack:

        def put(owner, name, value):
            stack.enter_context(patch.object(owner, name, value))

        for module in modules:
            for name, value in list(vars(module).items()):
                if isinstance(value, type) and value in REPLACED:
                    put(module, name, REPLACED[value])
                elif type(value) is RealLock:
                    put(module, name, primitives.RLock())
        put(clock.Clock, "monotonic", staticmethod(primitives.monotonic))
        put(clock.Clock, "processor", staticmethod(float))
        put(clock, "_asleep", {})
        put(clock, "chores", [])
        put(ThreadPoolExecutor, "_counter", ThreadPoolExecutor._counter)
        put(short_waits, "_sleep_until", _sleep_until)
        put(shutdown, "_schedulers", set())
        put(time, "monotonic", primitives.monotonic)
        put(time, "sleep", primitives.sleep)
        put(_thread, "start_new_thread", _new_bare)
        for name in ("_start_new_thread", "_start_joinable_thread"):
            if hasattr(threading, name):
                put(threading, name, _new_bare if name == "_start_new_thread" else _new_joinable)
        put(threading, "Lock", primitives.Lock)
        put(threading, "_allocate_lock", primitives.Lock)
        put(threading, "RLock", primitives.RLock)
        put(threading, "_time", primitives.monotonic)
        put(threading, "excepthook", _died)
        put(threading.Thread, "join", _joined)
        put(threading.Thread, "is_alive", _lives)
        stack.enter_context(patch.object(threading.Thread, "_join_really", _join, create=True))
        yield


def start_anew():
    """Before each schedule: nothing of the one before is known."""
    ThreadPoolExecutor._counter = count().__next__  # so that threads have the same names
    alarms._keepers.clear()
    clock._asleep.clear()
    clock.chores.clear()
    for module in sys.modules.copy().values():
        if getattr(module, "__name__", "").startswith("threadfan._core"):
            for name, value in list(vars(module).items()):
                if type(value) is primitives.RLock:
                    setattr(module, name, primitives.RLock())
