"""One process's part in a limit that is kept in common: starts are reserved, so that none is missed and none is early.

Processes that only ask whether a request may start now, and ask again after a refusal, come too late for what comes in:
four of them used two thirds of their limit, and who asked more often got more.  Here who asks is given the next start
that is free, in the order of the questions, and comes back for it.  A process has one such start ahead of it, or as
many as ``LEAD`` seconds have; the calls that wait for it hold no slot.

Guarantees, from any thread: no two requests of all processes have the same start; a process that is killed, or that has
nothing more to do, has cost the others the one start that it had reserved.  A child of a fork has none of its parent's.
"""

from __future__ import annotations

import os
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Ledger(Protocol):
        """Where the starts of all processes are kept."""

        def reserve(self, spacing: float, capacity: float) -> tuple[float, bool]:
            """Seconds until the next start that is free, and whether it is reserved: not if that is too far away."""

        def leave(self, gap: float) -> tuple[float, bool]:
            """A start is used now, but at least ``gap`` seconds after the one before.

            Returns:
                Seconds to wait for that, and True; or seconds of a pause, and False: then it is not used.
            """


LEAD = 0.005
"""Seconds before its start that a call comes, and waits in its slot for the rest.  Arbitrary: more than it mostly takes
to wake a thread and to ask, and so little that a slot does not miss it."""

SURE = 0.98
"""The part of the time between two starts that is kept even if the first is late; the rest makes up for it."""


class Reserved:
    """The starts that this process has reserved and not used."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._starts: deque[tuple[float, int]] = deque()  # with the process; no lock, which a fork might find held

    def take(self, spacing: float, capacity: float) -> float:
        """0.0 at the moment at which a request may start; else the seconds until it should be asked again."""
        while True:
            try:
                start, owner = self._starts.popleft()
            except IndexError:
                break
            early = start - time.monotonic()
            if owner != os.getpid() or -early > max(spacing, LEAD):
                continue  # nobody came for it, and it would be too close to the next one by now
            if early > LEAD:
                self._starts.appendleft((start, owner))
                return early - LEAD
            return self._leave(start, spacing, capacity)
        asked = time.monotonic()
        wait, reserved = self._ledger.reserve(spacing, capacity)
        if not reserved:
            return wait
        if wait <= LEAD:
            return self._leave(asked + wait, spacing, capacity)
        self._starts.append((asked + wait, os.getpid()))
        return wait - LEAD

    def _leave(self, start: float, spacing: float, capacity: float) -> float:
        """Wait for the start, and for the one before if that was late: a strict server would refuse the second of two.

        Bursts are for servers that are not strict.
        """
        _sleep(start - time.monotonic())
        wait, used = self._ledger.leave(spacing * SURE if capacity < 2.0 else 0.0)
        if not used:
            return wait
        _sleep(wait)
        return 0.0


def _sleep(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)
