"""Which item is under way in which process: locks on single bytes of a file beside the journal.

The system itself gives such a lock back when the process that has it dies, however it dies; so no claim needs a time
after which it counts no more.  Locks of bytes are a process's, not a run's, and are all lost when the process closes
the file anywhere.  So a process opens the file once for all its runs, and who of them has an item stands in a dict.
A process that is alone with the journal locks no items, but notes them where others would look, see ``claims_table``.

Guarantees, from any thread and any process: of all runs with one journal at most one has an item; a run that has ended,
and a process that has died, have none.  Nothing is written but into a file of claims: the name is known beforehand, and
where others may write they could have put a link there, or a file of theirs or of the user's.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ..base import forks
from ..base.locks import Lock
from . import byte_locks, faults
from .claims_table import ClaimsTable, is_of_claims

_PRESENT, _FIRST, _ITEMS = 0, 1, 2
"""The byte that all who have the file open share; that of the process which came first; items have the others."""
_BYTES = 1 << 62
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

_open: dict[str, ClaimsFile] = {}
_changing = Lock()  # guards `_open`, and how many hold each: held while a file is opened or closed


class ClaimsFile:
    """The file of one journal, as long as any run of this process needs it."""

    def __init__(self, path: str, file: str) -> None:
        self._file = file
        self.holders: set[Claims] = set()
        self.crowded = False  # whether there were ever two of them
        self.lock = Lock()  # guards what follows
        self.owners: dict[int, tuple[object, int]] = {}  # of a byte: the run that has it, and how often
        try:
            self._descriptor, self._table = self._opened()
        except OSError as error:
            raise (faults.in_the_way(file) if os.path.islink(file) else faults.told(path, error)) from error
        self._locked_only = self._table.first  # whether no other process has items that it has not locked

    def _opened(self) -> tuple[int, ClaimsTable]:
        """Open it; what the last one who closes it removes at this moment is opened anew."""
        while True:
            descriptor = os.open(self._file, _FLAGS, 0o600)
            try:
                if not is_of_claims(descriptor):
                    raise faults.in_the_way(self._file)
                byte_locks.share(descriptor, _PRESENT)
                first = byte_locks.SHARED and byte_locks.take(descriptor, _PRESENT)
                if first:  # nobody else has it: what is in it is of the dead
                    byte_locks.take(descriptor, _FIRST)
                if self._is(descriptor):
                    table = ClaimsTable(descriptor, first=first)
                    byte_locks.share(descriptor, _PRESENT)
                    return descriptor, table
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    @property
    def others(self) -> bool:
        """Whether another process has, or has had, the file open since this one has, or before."""
        with self.lock:
            return self._descriptor < 0 or self._table.others

    def take(self, byte: int, run: object) -> bool:
        """Claim an item for a run, which may have claimed it before; whether that run has it now."""
        with self.lock:
            owner, times = self.owners.get(byte, (run, 0))
            if owner is not run or self._descriptor < 0:
                return False
            if not times and not self._claimed(byte):
                return False
            self.owners[byte] = run, times + 1
            return True

    def give_back(self, byte: int, run: object) -> None:
        """Claim it no more, if that is the last claim of this run."""
        with self.lock:
            owner, times = self.owners.get(byte, (None, 0))
            if owner is not run:
                return
            if times > 1:
                self.owners[byte] = run, times - 1
                return
            self._give_back(byte)

    def give_all_back(self, run: object) -> None:
        """The run has ended: what it still claims is of calls that are over and have not returned."""
        with self.lock:
            for byte in [byte for byte, (owner, _) in self.owners.items() if owner is run]:
                self._give_back(byte)

    # -- with the lock held ------------------------------------------------------------------------------------------

    def _claimed(self, byte: int) -> bool:
        if self._table.note(byte):
            return True
        if not byte_locks.take(self._descriptor, byte):
            return False
        if self._is_noted(byte):
            byte_locks.give_back(self._descriptor, byte)
            return False
        return True

    def _is_noted(self, byte: int) -> bool:
        """Whether the process that came first has an item with which it had begun when it was alone."""
        if self._locked_only:
            return False
        if byte_locks.take(self._descriptor, _FIRST):  # nobody has that: the process has ended
            byte_locks.give_back(self._descriptor, _FIRST)
            noted: set[int] = set()
        else:
            noted = self._table.noted()
        self._locked_only = not noted  # and there will be none, since it sees that others have come
        return byte in noted

    def _give_back(self, byte: int) -> None:
        del self.owners[byte]
        if not self._table.give_back(byte):
            byte_locks.give_back(self._descriptor, byte)

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """No run needs it any more.  The last process removes it."""
        with self.lock:
            descriptor, self._descriptor = self._descriptor, -1
            self.owners.clear()
        if descriptor < 0:
            return
        try:
            self._table.close()
            with suppress(OSError):
                byte_locks.give_back(descriptor, _PRESENT)  # first, or two that end at once would both leave it there
                if byte_locks.take(descriptor, _PRESENT) and self._is(descriptor):  # nobody shares it
                    os.unlink(self._file)
        finally:
            os.close(descriptor)

    def _is(self, descriptor: int) -> bool:
        """Whether this is the file that stands at the path now, which others may have removed."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._file))
        except FileNotFoundError:
            return False


class Claims:
    """The claims of one run.

    Args:
        path: of the journal.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._place = os.path.realpath(path)
        self._claims: ClaimsFile | None = None

    def open(self) -> None:
        """Have claims from now on."""
        with _changing:
            found = _open.get(self._place)
            if found is None:
                found = _open[self._place] = ClaimsFile(self._path, f"{self._place}-claims")
            found.crowded = found.crowded or bool(found.holders)
            found.holders.add(self)
            self._claims = found

    @property
    def closed(self) -> bool:
        """Whether the run has ended."""
        return self._claims is None

    @property
    def others(self) -> bool:
        """Whether other runs may have stored something since this one has begun."""
        claims = self._claims
        return claims is None or claims.crowded or claims.others

    def take(self, key: bytes) -> bool:
        """Claim the item of this key; False if another run has it."""
        claims = self._claims
        return claims is not None and claims.take(_byte(key), self)

    def give_back(self, key: bytes) -> None:
        """Claim it no more."""
        claims = self._claims
        if claims is not None:
            claims.give_back(_byte(key), self)

    def close(self) -> None:
        """The run has ended; harmless if that was said, or if it never began."""
        self._claims = None
        with _changing:
            claims = _open.get(self._place)
            if claims is None:
                return
            claims.give_all_back(self)
            claims.holders.discard(self)
            if not claims.holders:
                del _open[self._place]
                claims.close()


def _byte(key: bytes) -> int:
    return _ITEMS + int.from_bytes(key[:8], "big") % (_BYTES - _ITEMS)


def _in_child() -> None:
    """The locks are the parent's, and so are the runs; the file is only closed here."""
    global _changing
    _changing = Lock()
    for claims in _open.values():
        with suppress(OSError):
            claims._table.close()
            os.close(claims._descriptor)
        claims._descriptor, claims.lock = -1, Lock()
        claims.owners.clear()
    _open.clear()


forks.in_child(_in_child)
