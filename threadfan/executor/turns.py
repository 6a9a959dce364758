"""One process's part in a limit that is kept in common: it waits its turn, and comes when that is due.

Processes that only ask whether a request may go, and ask again after a refusal, come too late for what comes in, and
who asks more often gets more.  Moments that are given out in advance are lost when something is late for them.  So who
has to wait gets a *ticket*: they go in the order of their tickets, one of each process at a time, each as soon as the
limit lets it.  Whoever is not there when its turn has come is passed by the next one, and may go right after that.

Guarantees, from any thread: all processes that have requests waiting get the same; a process that is killed, or that
has nothing more to do, costs the others ``GRACE`` seconds.  A child of a fork has no ticket of its parent's.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

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
        wait: seconds until it should ask again; 0.0 counts a request as leaving now.
        ticket: of the one that waits; None when it has gone.
        pauses: how many that all should learn from have begun so far, in all processes.
        lacking: of a request that leaves now, the seconds in which the bucket would have been full again.
    """

    wait: float
    ticket: int | None
    pauses: int
    lacking: float = 0.0


class Turns:
    """How this process takes part in a limit: all its requests wait by one ticket.

    Without a lock, which a fork might find held: threads that ask at the same time are told the same, and one goes.
    """

    def __init__(self) -> None:
        self._owner = 0  # the process that has the ticket
        self._ticket: int | None = None
        self._due = 0.0  # when to ask again
        self._told = 0.0  # when somebody is to come for that
        self._lead = LEAD
        self.pauses = 0  # as was last told
        self.lacking = 0.0  # of the request that has left last

    def ask(self, spacing: float, capacity: float, ticket: int | None) -> Word:
        """Where the limit is kept: count one request as leaving now, if it may."""
        raise NotImplementedError

    def take(self, spacing: float, capacity: float) -> float:
        """0.0 at the moment at which one more request may leave; else the seconds until it should be asked again.

        Args:
            spacing: seconds between two requests in the long run.
            capacity: requests that may leave at once, at least 1.
        """
        if self._owner != os.getpid():
            self._owner, self._ticket, self._due, self._told = os.getpid(), None, 0.0, 0.0
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
            ticket = self._ticket
            word = self.ask(spacing, capacity, ticket)
            self.pauses = word.pauses
            gone = word.wait <= 0.0
            if ticket == self._ticket:  # else another thread has gone by it
                self._ticket = word.ticket
                self._due = 0.0 if gone else time.monotonic() + word.wait
            if gone:
                self.lacking = word.lacking
                return 0.0
            if word.wait > self._lead:
                self._told = self._due - self._lead
                return word.wait - self._lead

    def _learn(self, took: float) -> None:
        """How long before its turn a thread has to be told to come."""
        if took <= LONGEST_LEAD:  # else nobody wanted to
            self._lead = max(took + LEAD, self._lead - (self._lead - LEAD) * FORGET)
