"""Waking a thread that waits for descriptors: a pipe to itself, of which it waits for one end too."""

from __future__ import annotations

import os
import sys

from .._core.base.locks import Lock

_WORD = (1).to_bytes(8, sys.byteorder)  # what an eventfd takes


class SelfPipe:
    """Wakes the thread that waits for it among other descriptors; where the system has it, by an eventfd.

    ``wake`` may be called from any thread, and does nothing once it is closed.
    """

    def __init__(self) -> None:
        if hasattr(os, "eventfd"):
            self._ends = [os.eventfd(0, os.EFD_CLOEXEC)]
        else:
            self._ends = list(os.pipe())
        self._closed = False
        self._lock = Lock()  # held while it is written to, or the descriptor could be somebody else's by then

    def forked(self) -> None:
        """In the child of a fork: whoever waits is the parent's."""
        self._lock = Lock()
        self.close()

    def wake(self) -> None:
        """Wake the thread, now or as soon as it waits."""
        with self._lock:
            if not self._closed:
                os.write(self._ends[-1], _WORD)

    def clear(self) -> None:
        """Let the thread wait again."""
        os.read(self._ends[0], 512)  # more often than that nobody wakes it

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._ends[0]

    def close(self) -> None:
        """Let nobody wake it any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for end in self._ends:
                    os.close(end)
