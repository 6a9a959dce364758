"""What ``process_io`` has, for systems without process groups and descriptors that can be waited for: Windows."""

from __future__ import annotations

from contextlib import suppress
from subprocess import Popen, TimeoutExpired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from typing_extensions import Buffer

    from .._core.scope.scope import Scope

    Pipe = IO[Any]  # in bytes or in text

_LOOK = 0.02  # seconds between looks whether the call is over; arbitrary
_LAST_WORDS = 0.1  # seconds for the output of a process that was killed; arbitrary


class SelfPipe:
    """Wakes nobody: the thread looks by itself."""

    def wake(self) -> None:
        """Do nothing."""


class ProcessIO:
    """What goes into a new process and comes out of it, in short pieces.  Arguments as in ``process_io``.

    While it writes a message that the process does not read, it cannot look whether the call is over.
    """

    def __init__(
        self, scope: Scope, message: str | Buffer | None, popenargs: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.waker: SelfPipe = SelfPipe()
        self._popenargs, self._kwargs = popenargs, kwargs
        self.process: Popen[Any]  # from the start on
        self._message: Any = message
        self._output: tuple[object, object] = None, None
        self._finished = False

    def start(self) -> None:
        """Start the process; from then on ``end`` and ``close`` are due."""
        self.process = Popen(*self._popenargs, **self._kwargs)

    def communicate(self, over: Callable[[], bool]) -> bool:
        """Write and read until the process has ended and its pipes are closed; False soon after it is ``over``."""
        while not over():
            if self._communicate(_LOOK):
                return True
        return False

    def _communicate(self, seconds: float) -> bool:
        message, self._message = self._message, None
        try:
            self._output = self.process.communicate(message, timeout=seconds)
        except TimeoutExpired as error:
            self._output = error.output, error.stderr
            return False
        self._finished = True
        return True

    def end(self, grace: float) -> None:
        """Kill the process and reap it; nothing if it is over or never began."""
        if self._finished or not hasattr(self, "process"):
            return
        self._finished = True
        self.process.kill()
        with suppress(ValueError):  # interrupted while it communicated
            self._communicate(_LAST_WORDS)
        self.process.wait()

    def close(self) -> None:
        """Close what is open, save pipes that another process and a thread of the standard library's hold."""
        if self._finished:
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()

    def bytes_of(self, stream: Pipe | None) -> object:
        """What one of the process's streams has written; None if it is not captured."""
        return self.output_of(stream)

    def output_of(self, stream: Pipe | None) -> object:
        """The same."""
        return None if stream is None else self._output[0 if stream is self.process.stdout else 1]
