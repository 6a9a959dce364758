"""Waking a thread that waits for descriptors."""

from __future__ import annotations

import os

from .._core.base import forks
from .._core.base.locks import Lock


class Bell:
    """Wakes a thread that waits for descriptors; rung from any thread, and in vain when it is closed."""

    def __init__(self) -> None:
        self._ear, self._button = os.pipe()
        self._closed = False
        self._lock = Lock()  # held while it is rung, or the descriptor could be somebody else's by then
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: whoever listens is the parent's."""
        self._lock = Lock()
        self.close()

    def ring(self) -> None:
        """Wake the thread, now or as soon as it waits."""
        with self._lock:
            if not self._closed:
                os.write(self._button, b"!")

    def answer(self) -> None:
        """Let it be silent again."""
        os.read(self._ear, 512)  # more often than that nobody rings

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._ear

    def close(self) -> None:
        """Let nobody ring any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._ear)
                os.close(self._button)
