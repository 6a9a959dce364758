"""Whether a piece of code ends with as many threads and open descriptors as it began with."""

from __future__ import annotations

import gc
import os
import socket
import stat
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CLOSING = 1.0  # seconds; arbitrary: what it may take a thread that a finalizer has begun
_FOLDERS = ("/proc/self/fd", "/dev/fd")  # where Linux and macOS list a process's descriptors


@contextmanager
def no_leaks(
    *,
    descriptors: bool = True,
    patience: float = 5.0,
    spare: Callable[[threading.Thread], bool] = lambda _: False,
) -> Iterator[None]:
    """Raise at the end of the ``with`` block if threads, sockets, pipes or files are left that it began without.

    Child processes are not looked at, only the pipes to them.  A child that is forked in the block, and leaves it too,
    has what its parent had, so nothing is said there.

    Args:
        descriptors: look at sockets, pipes and files too, where the system lists them.
        patience: real seconds in which a thread that is about to end may do so.
        spare: says of a thread that it may stay.

    Raises:
        AssertionError: something is left; the message names it.
    """
    threads_before, open_before = set(threading.enumerate()), _open_descriptors() if descriptors else {}
    process = os.getpid()
    yield
    if os.getpid() != process:
        return
    left = [f"the thread {thread.name}, {_place(thread)}" for thread in _unjoined(threads_before, patience, spare)]
    if descriptors:
        left += [f"descriptor {number}, {what}" for number, what in _opened_since(open_before, patience)]
    if left:
        raise AssertionError(f"this is left behind: {'; '.join(left)}; right would be to end or close each of them")


def _unjoined(
    before: set[threading.Thread], patience: float, spare: Callable[[threading.Thread], bool]
) -> list[threading.Thread]:
    end = time.monotonic() + patience
    new = [thread for thread in threading.enumerate() if thread not in before and not spare(thread)]
    for hurry in [hurry for thread in new if (hurry := getattr(thread, "hurry", None)) is not None]:
        hurry()  # it would end by itself, but waits a while for more to do
    for thread in new:
        if thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
    return [thread for thread in new if thread.is_alive()]


def _place(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    return "not seen anywhere" if frame is None else f"in {frame.f_code.co_filename}:{frame.f_lineno}"


def _opened_since(before: dict[int, tuple[int, ...]], patience: float) -> list[tuple[int, str]]:
    if _open_descriptors().items() <= before.items():
        return []
    gc.collect()  # what is only held by a cycle is closed late, but closed
    end = time.monotonic() + min(patience, _CLOSING)
    while not _open_descriptors().items() <= before.items() and time.monotonic() < end:
        time.sleep(0.005)  # a finalizer may have left it to another thread to close it
    return [
        (number, _target(number))
        for number, identity in sorted(_open_descriptors().items())
        if before.get(number) != identity and not _of_the_interpreter(number)
    ]


def _of_the_interpreter(number: int) -> bool:
    """Whether libffi holds it: at its first use by ctypes it opens its own file, and never closes it."""
    return os.path.basename(_target(number)).startswith("libffi.so")


def _open_descriptors() -> dict[int, tuple[int, ...]]:
    """What each descriptor leads to, so that a number that is closed and opened again is noticed.  Empty where unknown.

    Devices are left out: what they hold belongs to nobody, and the interpreter opens some for itself.
    """
    found: dict[int, tuple[int, ...]] = {}
    folder = next(filter(os.path.isdir, _FOLDERS), None)
    for name in os.listdir(folder) if folder else ():
        try:
            status = os.fstat(int(name))
        except OSError:  # the listing's own descriptor is closed by now
            continue
        if not stat.S_ISCHR(status.st_mode):
            found[int(name)] = (status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode))
    return found


def _target(number: int) -> str:
    try:
        return os.readlink(f"{_FOLDERS[0]}/{number}") + _peer(number)
    except OSError:
        return "which leads to something that this system does not name"


def _peer(number: int) -> str:
    """Whom a socket is connected to, if it is one, and is."""
    try:
        found = socket.socket(fileno=number)
    except OSError:
        return ""
    try:
        peer = found.getpeername()
    except OSError:
        return ""
    finally:
        found.detach()  # it is not this one's to close
    return f" to {peer[0]}:{peer[1]}" if isinstance(peer, tuple) else f" to {peer!r}" if peer else ""
