"""A process, what is written to it and read from it, and the group that is ended with it; for ``subprocess`` here.

The thread of the call alone writes, reads, signals and reaps; others only wake it.  The process is reaped after
the last signal to its group, so that the group's number cannot be another's by then.  There are two exceptions: a group
that was seen to live a moment ago, and systems without ``pidfd_open``, where only reaping tells that a process ended.
"""

from __future__ import annotations

import atexit
import codecs
import os
import select
import signal
import threading
from contextlib import suppress
from io import TextIOWrapper
from subprocess import Popen

from .._core.base import clock as clocks
from .._core.base import forks
from .._core.base.clock import PULSE
from .._core.scope.alarms import set_alarm
from .process_group import Group
from .self_pipe import SelfPipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from typing_extensions import Buffer

    from .._core.scope.scope import Scope

    Pipe = IO[Any]  # in bytes or in text

_LOOK = 0.01
"""Seconds between looks at what cannot be waited for: the end of a process where there is no ``pidfd_open`` (macOS),
and that of a process whose parent is gone.  Arbitrary: noticed neither by who waits nor by the processor."""

_CHUNK = 2**15  # bytes read at once; arbitrary, as in the standard library
_SAFE_WRITE = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe which is ready takes without blocking


class ProcessIO:
    """What goes into a new process and comes out of it, and its end.

    Args:
        scope: that of the call.  What it has started is not left behind at exit when it has ended.
        message: what is written to the process's standard input.
        popenargs: of ``Popen``.
        kwargs: of ``Popen``.
    """

    def __init__(
        self, scope: Scope, message: str | Buffer | None, popenargs: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._scope = scope
        self._clock = scope.clock
        self._popenargs, self._kwargs = popenargs, kwargs
        self._has_group = _given_a_group(popenargs, kwargs)
        self._output: dict[Pipe, list[bytes]] = {}
        self._life: int | None = None  # a descriptor that tells of the process's end
        self._exited = False
        self._finished = False  # the process is reaped, its pipes closed or given up
        self._complete = False  # the process has ended by itself
        self._maker = os.getpid()
        self._message: Any = message  # what is left of it
        self.waker: SelfPipe = SelfPipe()
        self.process: Popen[Any]  # from the start on

    def start(self) -> None:
        """Start the process; from then on ``end`` and ``close`` are due."""
        _open.add(self)
        process = self.process = Popen(*self._popenargs, **self._kwargs)
        if process.stdout is not None:
            self._output[process.stdout] = []
        if process.stderr is not None:
            self._output[process.stderr] = []

    # -- writing and reading -------------------------------------------------------------------------------------------

    def communicate(self, over: Callable[[], bool]) -> bool:
        """Write and read until the process has ended and its pipes are closed; False as soon as it is ``over``.

        That is asked for at first and whenever the thread was woken.
        """
        if not self._communicate(over):
            return False
        self.process.wait()
        self._complete = self._finished = True
        return True

    def _communicate(self, over: Callable[[], bool]) -> bool:
        poll, acts = select.poll(), self._acts()
        for number, (event, _) in acts.items():
            poll.register(number, event)
        while not self._is_over():
            if over():
                return False
            patience = self._patience()
            for number, _ in poll.poll(None if patience is None else patience * 1000):
                if acts[number][1]():
                    poll.unregister(number)
        return True

    def _acts(self) -> dict[int, tuple[int, Callable[[], bool]]]:
        """For each descriptor to wait for: at which event to do what; True says that this was the last."""
        if self._life is None and hasattr(os, "pidfd_open") and not self._exited:
            with suppress(OSError):  # forbidden here, or somebody else has reaped the process
                self._life = os.pidfd_open(self.process.pid)
        acts: dict[int, tuple[int, Callable[[], bool]]] = {self.waker.fileno(): (select.POLLIN, self._note_waking)}
        if self._life is not None and not self._exited:
            acts[self._life] = (select.POLLIN, self._note_exit)
        for stream, chunks in self._output.items():
            if not stream.closed:
                acts[stream.fileno()] = (select.POLLIN, _reader(stream, chunks, self._scope))
        stdin = self.process.stdin
        if stdin is not None and not stdin.closed:
            if self._message:
                acts[stdin.fileno()] = (select.POLLOUT, self._writer(stdin))
            else:
                stdin.close()
        return acts

    def _note_waking(self) -> bool:
        self.waker.clear()
        return False

    def _note_exit(self) -> bool:
        self._exited = True
        return True

    def _writer(self, stdin: Pipe) -> Callable[[], bool]:
        if isinstance(stdin, TextIOWrapper) and isinstance(self._message, str):
            self._message = self._message.encode(stdin.encoding, stdin.errors or "strict")
        self._message = memoryview(self._message).cast("B")

        def write() -> bool:
            try:
                self._message = self._message[os.write(stdin.fileno(), self._message[:_SAFE_WRITE]) :]
            except BrokenPipeError:  # it does not want to hear the rest
                self._message = b""
            if not self._message:
                stdin.close()
            return not self._message

        return write

    def _is_over(self) -> bool:
        for pipe in self._output:
            if not pipe.closed:
                return False
        stdin = self.process.stdin
        if stdin is not None and not stdin.closed:
            return False
        if self._life is None and not self._exited:
            self._exited = self.process.poll() is not None
        return self._exited

    def _patience(self) -> float | None:
        if clocks.chores:  # the system gives no thread for alarms, so that whoever waits sees to them
            clocks.do_chores()
            return clocks.CHORES
        if self._life is None and all(stream.closed for stream in self._output):
            return _LOOK
        # A signal that comes just before the wait does not interrupt it.
        return PULSE if threading.current_thread() is threading.main_thread() else None

    # -- ending ------------------------------------------------------------------------------------------------------

    def end(self, grace: float) -> None:
        """End the group within ``grace`` seconds, and reap the process; nothing if it is over or never began."""
        if self._finished or not hasattr(self, "process"):
            return
        alive = reachable = True
        try:
            if grace > 0:
                self._signal(signal.SIGTERM)
                alive = self._outlives(self._clock.monotonic() + grace)
        finally:
            if alive:
                reachable = self._signal(signal.SIGKILL)
            self._finished = True
            if reachable:
                self.process.wait()
            else:
                self.process.poll()

    def _outlives(self, due: float) -> bool:
        """Wait until the process has ended, at most until ``due``; say whether some of the group may still live."""
        take_back = set_alarm(self._clock, due, self.waker.wake, quick=True)
        try:
            if not self._communicate(lambda: self._clock.monotonic() >= due) or self._output or not self._has_group:
                return True
            # No pipe tells whether there are others in the group, who may be tidying up.
            self.process.wait()
            group = Group(self.process.pid)
            while (others := self._signal(0) and group.may_live()) and self._clock.monotonic() < due:
                select.select([self.waker], [], [], _LOOK)
            return others
        finally:
            take_back()

    def _signal(self, number: int) -> bool:
        """Send a signal to the group; say whether it reached anybody."""
        try:
            if self._has_group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except ProcessLookupError:  # the whole group is gone, and the process is reaped or about to be
            return number == signal.SIGKILL
        except PermissionError:  # all that are left belong to other users
            return False
        return True

    def kill_at_exit(self) -> None:
        """End what a call that is over has not ended yet, its thread being stopped now."""
        begun = hasattr(self, "process") and not self._finished
        if begun and self._scope.cancelled and self._maker == os.getpid():
            self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Close what is open; the process must have been reaped, if there was one."""
        _open.discard(self)
        self.waker.close()
        if self._life is not None:
            os.close(self._life)
            self._life = None
        process = getattr(self, "process", None)
        if process is None:
            return
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    # -- what was read -------------------------------------------------------------------------------------------------

    def bytes_of(self, stream: Pipe | None) -> bytes | None:
        """What one of the process's streams has written so far; None if it is not captured."""
        return None if stream is None else b"".join(self._output[stream])

    def output_of(self, stream: Pipe | None) -> str | bytes | None:
        """The same, in text if the stream is one."""
        data = self.bytes_of(stream)
        if data is None or not isinstance(stream, TextIOWrapper):
            return data
        errors = stream.errors or "strict"
        if not self._complete:  # it may have been cut anywhere
            errors = "replace" if errors == "strict" else errors
        text = codecs.getincrementaldecoder(stream.encoding)(errors).decode(data, self._complete)
        return text.replace("\r\n", "\n").replace("\r", "\n")


def _reader(stream: Pipe, chunks: list[bytes], scope: Scope) -> Callable[[], bool]:
    def read() -> bool:
        chunk = os.read(stream.fileno(), _CHUNK)
        if not chunk:
            stream.close()
            return True
        chunks.append(chunk)
        scope.touch()
        return False

    return read


def _given_a_group(popenargs: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Have the process head a session of its own, unless the user decided otherwise; say whether it heads a group."""
    joined = kwargs.get("process_group")
    if joined is not None and joined >= 0:
        return bool(joined == 0)
    if "start_new_session" not in kwargs:
        kwargs["start_new_session"] = not _is_terminal(popenargs[3] if len(popenargs) > 3 else kwargs.get("stdin"))
    return bool(kwargs["start_new_session"])


def _is_terminal(stdin: int | Pipe | None) -> bool:
    number = 0 if stdin is None else stdin if isinstance(stdin, int) else stdin.fileno()
    return number >= 0 and os.isatty(number)


_open: set[ProcessIO] = set()  # that have not been closed


def _kill_at_exit() -> None:
    for process_io in list(_open):
        process_io.kill_at_exit()


def _in_child() -> None:
    for process_io in list(_open):
        process_io.waker.forked()
    _open.clear()


atexit.register(_kill_at_exit)
forks.in_child(_in_child)
