"""One process's part in a limit that is kept in common: it waits its turn, and comes when that is due.

Processes that only ask whether a request may go, and ask again after a refusal, come too late for what comes in, and
who asks more often gets more.  Moments that are given out in advance are lost when something is late for them.  So who
has to wait gets a *ticket*: they go in the order of their tickets, one of each process at a time, each as soon as the
limit lets it.  Whoever is not there when its turn has come is passed by the next one, and may go right after that; if
its threads come late again and again, it is told to come earlier.

Guarantees, from any thread: all processes that have requests waiting get the same; a process that is killed, or that
has nothing more to do, costs the others the time between two requests at most, once.  A child of a fork has no ticket
of its parent's.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from ..base import forks
from ..base.locks import Lock

LEAD, LONGEST_LEAD = 0.005, 0.1
"""Seconds before its turn that a call comes, and waits in its slot for the rest.  Arbitrary: more than it mostly takes
to wake a thread, and so little that a slot does not miss it; up to the longer one where threads come later than that,
or others would always be before them."""

FORGET = 0.1
"""The part of what it is longer that each coming takes away again.  Arbitrary: half of it in seven."""

GRACE = 0.001
"""Seconds after which whose turn it is no longer keeps the next one waiting, or a quarter of the time between two
requests if that is less.  Arbitrary: a few times what it takes a thread that sleeps to come."""


class Word(NamedTuple):
    """What is said to a process that asks.

    Args:
        wait: seconds until it should ask again, or until the request leaves that has been counted.
        ticket: of the one that waits; None when it has gone.
        pauses: how many that all should learn from have begun so far, in all processes.
        lacking: of a request that was counted, the seconds in which the bucket would have been full again.
        counted: whether the request was.
    """

    wait: float
    ticket: int | None
    pauses: int
    lacking: float = 0.0
    counted: bool = False


class Turns:
    """How this process takes part in a limit: all its requests wait by one ticket.

    Guarded by ``_lock``: all there is.  One thread asks at a time, or two would draw tickets of which one is never
    used, and keep the others waiting for nobody; who waits for the lock would wait for the answer all the same.
    """

    def __init__(self) -> None:
        self._lead = LEAD
        self.pauses = 0  # as was last told
        self.lacking = 0.0  # of the request that has left last
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: the ticket is the parent's."""
        self._lock = Lock()
        self._ticket: int | None = None
        self._due = 0.0  # when to ask again
        self._told = 0.0  # when somebody is to come for that

    def ask(self, spacing: float, capacity: float, ticket: int | None, lead: float = 0.0) -> Word:
        """Where the limit is kept: count one request, if it may leave now, or is next and may in ``lead`` seconds.

        It waits for the rest in its slot, so there is nobody who could be late, and no need to ask once more.
        """
        raise NotImplementedError

    def take(self, spacing: float, capacity: float) -> float:
        """0.0 at the moment at which one more request may leave; else the seconds until it should be asked again.

        Args:
            spacing: seconds between two requests in the long run.
            capacity: requests that may leave at once, at least 1.
        """
        with self._lock:
            return self._take(spacing, capacity)

    def _take(self, spacing: float, capacity: float) -> float:
        now, told = time.monotonic(), self._told
        if now < told:
            return told - now
        if told:
            self._told = 0.0
            self._learn(now - told)
        while True:
            early = self._due - time.monotonic()
            if early > 0.0:
                time.sleep(early)
            word = self.ask(spacing, capacity, self._ticket, self._lead)
            self._ticket, self.pauses = word.ticket, word.pauses
            if word.counted:
                self._due, self.lacking = 0.0, word.lacking
                if word.wait > 0.0:
                    time.sleep(word.wait)
                return 0.0
            self._due = time.monotonic() + word.wait
            if word.wait > self._lead:
                self._told = self._due - self._lead
                return word.wait - self._lead

    def _learn(self, took: float) -> None:
        """How long before its turn a thread has to be told to come."""
        if took <= LONGEST_LEAD:  # else nobody wanted to
            self._lead = max(took + LEAD, self._lead - (self._lead - LEAD) * FORGET)
