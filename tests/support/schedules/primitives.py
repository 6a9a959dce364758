"""What threads meet at, as the standard library has it, for threads of a schedule.

In other threads, or when no schedule is on, nobody waits: then there is one thread that uses them.
"""

import time
from collections import deque
from queue import Empty
from types import GenericAlias

from .schedule import FOREVER, Schedule

really_monotonic, really_sleep = time.monotonic, time.sleep


def on():
    """The schedule that is on, if this thread is of it."""
    schedule = Schedule.on
    return schedule if schedule is not None and schedule.is_mine() else None


def monotonic():
    """The time of the schedule."""
    schedule = on()
    return really_monotonic() if schedule is None else schedule.time


def sleep(seconds):
    """Let others run, until that time has passed."""
    schedule = on()
    if schedule is None:
        really_sleep(seconds)
    elif seconds > 0:
        schedule.block(None, schedule.time + seconds)
    else:
        schedule.point()


def _until(schedule, timeout):
    return FOREVER if timeout is None or timeout < 0 else schedule.time + timeout


class Lock:
    """``threading.Lock``."""

    def __init__(self):
        self._taken = False
        self._waiting = []

    def acquire(self, blocking=True, timeout=-1):
        """Take it."""
        schedule = on()
        if schedule is None:
            free, self._taken = not self._taken, True
            return free
        schedule.point()
        until = _until(schedule, timeout)
        while self._taken:
            if not blocking or not schedule.block(self._waiting, until):
                return False
        self._taken = True
        return True

    def release(self):
        """Give it back."""
        if not self._taken:
            raise RuntimeError("release unlocked lock")
        self._taken = False
        if Schedule.on is not None:
            Schedule.on.release(self._waiting)

    def locked(self):
        """Whether somebody has it."""
        return self._taken

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()

    def _at_fork_reinit(self):
        self.__init__()


class RLock:
    """``threading.RLock``."""

    def __init__(self):
        self._owner = None
        self._count = 0
        self._waiting = []

    def acquire(self, blocking=True, timeout=-1):
        """Take it, or once more."""
        schedule = on()
        me = None if schedule is None else schedule.current
        if schedule is not None:
            if self._owner is not me:
                schedule.point()
                until = _until(schedule, timeout)
                while self._count:
                    if not blocking or not schedule.block(self._waiting, until):
                        return False
            elif schedule.given_up:
                schedule.leave()
        self._owner = me
        self._count += 1
        return True

    def release(self):
        """Give it back once."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            if Schedule.on is not None:
                Schedule.on.release(self._waiting)

    def locked(self):
        """Whether it is held; `Condition` looks for this from CPython 3.14 on."""
        return bool(self._count)

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()

    def _is_owned(self):
        schedule = on()
        return self._count > 0 and (schedule is None or schedule.given_up or self._owner is schedule.current)

    def _recursion_count(self):
        return self._count if self._is_owned() else 0

    def _release_save(self):
        count, self._count, self._owner = self._count, 0, None
        if Schedule.on is not None:
            Schedule.on.release(self._waiting)
        return count

    def _acquire_restore(self, count):
        self.acquire()
        self._count = count

    def _at_fork_reinit(self):
        self.__init__()


class SimpleQueue:
    """``queue.SimpleQueue``."""

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self):
        self._items = deque()
        self._waiting = []

    def put(self, item, block=True, timeout=None):
        """Add an item."""
        schedule = on()
        if schedule is not None:
            schedule.point()
        self._items.append(item)
        if Schedule.on is not None:
            Schedule.on.release(self._waiting)

    def get(self, block=True, timeout=None):
        """Take one, once there is one."""
        schedule = on()
        if schedule is not None:
            schedule.point()
            until = _until(schedule, timeout)
            while not self._items:
                if not block or not schedule.block(self._waiting, until):
                    raise Empty
        if not self._items:
            raise Empty
        return self._items.popleft()

    def put_nowait(self, item):
        """Add an item."""
        self.put(item)

    def get_nowait(self):
        """Take one, if there is one."""
        return self.get(False)

    def empty(self):
        """Whether there is none."""
        return not self._items

    def qsize(self):
        """How many there are."""
        return len(self._items)
