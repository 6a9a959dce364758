"""Locks on single bytes of a file, which the system gives back when their process dies."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    SHARED = False
    """Whether there are locks that several processes may have."""

    def take(descriptor: int, byte: int) -> bool:
        """Lock one byte for this process alone, if no other has it."""
        os.lseek(descriptor, byte, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def give_back(descriptor: int, byte: int) -> None:
        """Unlock it."""
        os.lseek(descriptor, byte, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def share(descriptor: int, byte: int) -> None:
        """There are no shared locks here, and who has a file open keeps others from removing it."""

else:
    import fcntl

    SHARED = True

    def take(descriptor: int, byte: int) -> bool:
        """Lock one byte for this process alone, if no other has it."""
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except BlockingIOError:
            return False
        except PermissionError:  # as some systems say the same
            return False
        return True

    def give_back(descriptor: int, byte: int) -> None:
        """Unlock it."""
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)

    def share(descriptor: int, byte: int) -> None:
        """Lock one byte together with all who share it; waits for whoever has it alone."""
        fcntl.lockf(descriptor, fcntl.LOCK_SH, 1, byte)
