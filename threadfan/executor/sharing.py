"""The line before a limit that several processes share.

Everything that holds for a limit holds in each process; besides, each request has a start that all processes reserve in
one place, asked for by the thread that has a slot for it.  If that start is yet to come, the permit is void, the thread
takes up something else, and the wait is one more that the limit answers with.

Guarantees: the requests of all processes together keep to the limit as those of one would, and each process gets its
share, since starts are given in the order of the questions; see ``reserving``.  The store is never asked with a lock
held, nor by the thread of the alarms.  What was reserved and then not made, because the call was cancelled or the
process killed just then, stays counted; a process that has ended, however it did, takes up nothing more.  Who comes
first within a process goes first, but for calls that the store refuses at the same moment.

A pause reaches the other processes: they wait as long as its server asked for.  Probing afterwards is each one's own
affair, as is the pace of tokens.

While the store is asked the call has not begun: its timeout does not run, and the end of its batch waits for the
answer.  A store that does not answer must lose no call.  When the fan is made it is an error, for that is most likely a
wrong address.  Later each process keeps to the limit for itself, so that together they may be refused by the provider,
which a ``RateLimit`` copes with; a warning says so, and the store is asked again every ``AGAIN`` seconds.
"""

from __future__ import annotations

import logging
from functools import partial

from ..base.clock import FOREVER
from ..base.errors import brief, text_of
from ..control.cost import Cost
from .alarms import set_alarm
from .line import Line
from .stores import store_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..base.clock import Clock
    from ..control.rate import RateLimit
    from .line import Permit

AGAIN = 5.0  # seconds; arbitrary: a store that hangs costs the time of one slot, two of seven seconds
UNNAMED = "rate"


class SharedLine(Line):
    """A line whose permits other processes have a say in.

    Raises:
        ImportError, OSError, ValueError: what is needed is not installed, or the store cannot be reached.
    """

    shared = True

    def __init__(self, limit: RateLimit, place: str) -> None:
        super().__init__(limit)
        self._store = store_at(place, limit.name or UNNAMED)
        self._store.reach()
        self._told = 0  # pauses that the other processes know of
        self._lost_until = -FOREVER  # when the store is asked again; infinitely long ago as long as it answers

    def confirm(self, permit: Permit, clock: Clock) -> bool:
        """Count the request where all count theirs, or hold back everything here until it may be tried again."""
        wait = self._ask(clock)
        if wait <= 0.0:
            return True
        with self._lock:
            now = clock.monotonic()
            self.limit.give_back(permit, now)
            self.limit.hold(now + wait)
            self._plan(clock, now)
        return False

    def note(self, permit: Permit, clock: Clock, end: str, **what: Any) -> None:
        """What became of the request; that a pause has begun is passed on."""
        super().note(permit, clock, end, **what)
        if end != "overloaded":
            return
        with self._lock:
            now = clock.monotonic()
            begun, self._told = self.limit.overloads - self._told, self.limit.overloads
            seconds = self.limit.wait(now, Cost())
        if begun and seconds > 0:
            set_alarm(clock, now, partial(self._tell, seconds, clock))  # in a thread of its own

    def _ask(self, clock: Clock) -> float:
        with self._lock:
            bucket = self.limit.bucket
            now = clock.monotonic()
            if bucket is None or now < self._lost_until:
                return 0.0
            if self._lost_until != -FOREVER:
                self._lost_until = now + AGAIN  # one call asks for all, as it may have to wait
        try:
            wait = self._store.take(*bucket)
        except Exception as error:
            self._lose(error, clock)
            return 0.0
        if self._lost_until != -FOREVER:
            self._find()
        return wait

    def _tell(self, seconds: float, clock: Clock) -> None:
        try:
            self._store.pause(seconds)
        except Exception as error:
            self._lose(error, clock)

    def _lose(self, error: Exception, clock: Clock) -> None:
        with self._lock:
            news = self._lost_until == -FOREVER
            self._lost_until = clock.monotonic() + AGAIN
        if news:
            logging.getLogger("threadfan").warning(
                "the place where %s is shared does not answer (%s: %s); until it does, each process keeps to the limit "
                "for itself",
                brief(self.limit, 200),
                type(error).__name__,
                text_of(error),
            )

    def _find(self) -> None:
        with self._lock:
            news, self._lost_until = self._lost_until != -FOREVER, -FOREVER
        if news:
            logging.getLogger("threadfan").warning("the place where %s is shared answers again", brief(self.limit, 200))
