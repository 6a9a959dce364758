"""The items that a process has under way which is alone with its journal, in memory that all who come share with it.

A lock on a byte of a file is a call of the system, during which Python lets go of the GIL.  Where calls take no time,
threads would then change places several times for each of them, which costs more than all else that a journal does.
So the process that comes first notes its items here, as long as no other has come, and locks none of them.

Guarantee: whoever comes finds each such item here until it is given back.  He says that he has come, and then reads;
the first process notes an item, and then looks whether somebody has come.  So one of the two sees the other: either the
item is found here, or it is noted no more and locked as any.
"""

from __future__ import annotations

import _thread
import errno
import mmap
import os
import stat
import sys

SIZE = 4096
"""Bytes: a word by which those who come say so, and one for each item.  Arbitrary: what is too much is locked."""
_COME = 0  # the place of that word


def is_of_claims(descriptor: int) -> bool:
    """Whether a file is empty or was written here, and has no other name, by which it would be something else."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size > SIZE:
        return False
    os.lseek(descriptor, 0, os.SEEK_SET)
    return int.from_bytes(os.read(descriptor, 8), sys.byteorder) <= 1  # the word of those who come


class ClaimsTable:
    """That of one file of claims, seen from one process; used with the lock of its ``ClaimsFile`` held.

    Args:
        descriptor: of the file.
        first: whether this process is the one whose items are noted here; else it says that it has come.
    """

    def __init__(self, descriptor: int, *, first: bool) -> None:
        if first or os.fstat(descriptor).st_size < SIZE:
            os.lseek(descriptor, 0, os.SEEK_SET)
            if os.write(descriptor, bytes(SIZE)) < SIZE:  # written: else the disk may be full when a page is needed
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._mapping = mmap.mmap(descriptor, SIZE)
        self._words = memoryview(self._mapping).cast("Q")
        self.first = first
        self._places: dict[int, int] = {}  # of the items that are noted
        self._free = list(range(_COME + 1, len(self._words))) if first else []
        self._barrier = _thread.allocate_lock()
        if not first:
            self._words[_COME] = 1

    @property
    def others(self) -> bool:
        """Whether another process has come since this one has, or was there before."""
        return not self.first or self._words[_COME] != 0

    def note(self, item: int) -> bool:
        """Note an item of this process; False if it has to be locked instead."""
        if not self._free or self.others:
            return False
        place = self._places[item] = self._free.pop()
        self._words[place] = item
        with self._barrier:  # what is written before is seen by other processors before what follows is read
            pass
        if self.others:
            self.give_back(item)
            return False
        return True

    def give_back(self, item: int) -> bool:
        """Note it no more; False if it was not noted."""
        place = self._places.pop(item, None)
        if place is None:
            return False
        self._words[place] = 0
        self._free.append(place)
        return True

    def noted(self) -> set[int]:
        """The items of the process that came first, as another one sees them."""
        return {item for item in self._words[_COME + 1 :] if item}

    def close(self) -> None:
        """Let go of the memory.  That also gives back what this process has locked in the file."""
        self._words.release()
        self._mapping.close()
