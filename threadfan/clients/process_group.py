"""Whether a process group still lives, where the system tells of each process: Linux.

A signal also reaches processes that have ended and were not reaped.  Whoever is left behind by his parent is reaped by
the container's first process, and many of those (a program, a shell, ``tail -f``) never do that.
"""

from __future__ import annotations

import os
from contextlib import suppress

_OVER = (b"Z", b"X")  # ended and not reaped; about to vanish


class Group:
    """The process group with this number; one thread asks."""

    def __init__(self, number: int) -> None:
        self._number = b"%d" % number
        self._known: list[str] = []  # those that lived when they were looked for
        self._told = _tells()

    def may_live(self) -> bool:
        """Whether there is anybody in the group who has not ended; True where the system does not tell.

        To look through all processes takes longer than the time between two looks, so that is done only when none of
        those is left that it found before.
        """
        if not self._told:
            return True
        self._known = [one for one in self._known if self._lives(one)]
        if not self._known:
            with suppress(OSError):
                self._known = [one for one in os.listdir("/proc") if one.isdigit() and self._lives(one)]
        return bool(self._known)

    def _lives(self, one: str) -> bool:
        try:
            with open(f"/proc/{one}/stat", "rb") as file:
                # After the name, which may hold anything: state, parent, group, ..., and as the 18th the threads.
                facts = file.read().rpartition(b")")[2].split()
        except OSError:  # it is gone
            return False
        # A process of several threads whose first one has ended looks as if it had.
        return facts[2] == self._number and (facts[0] not in _OVER or int(facts[17]) > 1)


def _tells() -> bool:
    """Whether ``/proc`` is that of this process's own namespace, in which the group has its number."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False
