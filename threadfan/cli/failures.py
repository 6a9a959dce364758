"""Inputs that have failed, in a file of their own, which can be the input of a run.

A line is ``{"input": …, "failed": {…}}``; whoever reads it takes the input, and leaves the rest aside.
"""

from __future__ import annotations

import os
from stat import S_ISREG
from threading import Lock
from typing import TYPE_CHECKING

from pydantic_core import to_json

from threadfan._core.base.texts import text_of

from .errors import USAGE, CommandError

if TYPE_CHECKING:
    from threadfan import Outcome

    from .rows import Item

ENDING = ".failed.jsonl"
_INPUT, _FAILED = "input", "failed"
_BEGIN = b'{"input":'
_LONGEST = 100  # bytes of a line that are looked at


def input_of(row: Item) -> Item:
    """A row as it is handed on: of a line that tells of a failure, its input."""
    if type(row) is dict and row.keys() == {_INPUT, _FAILED} and isinstance(row[_FAILED], dict):
        return row[_INPUT]
    return row


def write_whole(file: int, data: bytes) -> None:
    """Write all of it, at once as a rule: then no other write comes between, and a line is there or not."""
    while data:
        data = data[os.write(file, data) :]


def opened_to_write(path: str, *, follow: bool = True) -> int:
    """A file to write, for one program at a time; what is in it stays until ``emptied``.

    Args:
        follow: whether it may be a link.

    Raises:
        BlockingIOError: another run writes it, and nothing of it is lost.
    """
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    while True:
        file = os.open(path, flags, 0o666)
        try:
            if not S_ISREG(os.fstat(file).st_mode):
                return file
            lock_whole(file)
            if _is_there(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # another run has made it, and has taken it away while it was opened here


def _is_there(file: int, path: str) -> bool:
    """Whether the path is that of the open file."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def emptied(file: int) -> None:
    """Begin a file anew; a pipe, or ``/dev/null``, is as it was."""
    if S_ISREG(os.fstat(file).st_mode):
        os.ftruncate(file, 0)


def lock_whole(file: int) -> None:
    """Lock a file for as long as it is open, where the system can: then it goes with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # some disks know no locks
        pass


class Failures:
    """The file; it is there only if something has failed.

    Args:
        path: of the file; None to write nothing.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self._file: int | None = None
        self._begun = False
        self._lock = Lock()  # guards both: lines that cannot be read may be told by a thread that reads

    def check(self) -> None:
        """Check that there is nothing but what an earlier run has left.

        Raises:
            CommandError: it is a file of another kind.
        """
        if self.path is None or not os.path.isfile(self.path):
            return
        with open(self.path, "rb") as file:
            first = file.readline(_LONGEST)
        if first and not first.startswith(_BEGIN):
            raise CommandError(
                f"{self.path} is there, and holds no failures; right is another path for --failures", USAGE
            )

    def begin(self) -> None:
        """Remove what an earlier run has left; harmless if that was done."""
        with self._lock:
            self._begin()

    def _begin(self) -> None:
        if not self._begun and self.path is not None and os.path.isfile(self.path):
            os.unlink(self.path)
        self._begun = True

    def add(self, outcome: Outcome[Item], why: str | None = None) -> None:
        """One more.

        Args:
            why: if it is not the outcome that has failed.
        """
        error = f"{type(outcome.error).__name__}: {text_of(outcome.error)}" if why is None else why
        status = outcome.status if why is None else "not written"
        facts: dict[str, object] = {
            "index": outcome.index,
            "status": status,
            "error": error,
            "attempts": outcome.attempts,
        }
        self.add_line(outcome.item, facts)

    def add_line(self, item: object, facts: dict[str, object]) -> None:
        """One more, of which these facts are known."""
        if self.path is None:
            return
        data = to_json({_INPUT: item, _FAILED: facts}, bytes_mode="base64", serialize_unknown=True)
        with self._lock:
            self._begin()
            if self._file is None:
                # A file of an earlier run was removed: a link that is there now was put there by somebody else.
                special = os.path.exists(self.path) and not os.path.isfile(self.path)
                self._file = opened_to_write(self.path, follow=special)
            write_whole(self._file, data + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
