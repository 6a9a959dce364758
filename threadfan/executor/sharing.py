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

While the store is asked the call has not begun: its timeout does not run, and it can be cancelled at once.  A store
that does not answer must lose no call and hold up nobody.  After ``STALL`` seconds the call is back in its queue, its
slot is another's, and its thread goes on waiting alone; no further call asks meanwhile, so there are never more such
threads than slots.  A store that cannot be reached is an error when the fan is made, for that is most likely a wrong
address.  Later each process keeps to the limit for itself, so that together they may be refused by the provider, which
a ``RateLimit`` copes with; a warning says so, and the store is asked again every ``AGAIN`` seconds.
"""

from __future__ import annotations

import logging
from functools import partial
from queue import SimpleQueue

from ..base.clock import FOREVER, Clock
from ..base.errors import brief, text_of
from ..base.threads import helper_thread, started
from ..control.cost import Cost
from .alarms import set_alarm
from .line import STALL, Line
from .stores import store_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..control.rate import RateLimit
    from .line import Permit, Waiter

AGAIN = 5.0  # seconds; arbitrary: a store that hangs costs the time of one thread, two of seven seconds
LOOK = 0.05  # seconds between looks whether a store that stalls has answered; arbitrary: a tenth of ``STALL``
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
        self._reach()
        self._asked: dict[object, float] = {}  # by question that is not answered: since when
        self._complained = False  # of a stall that has not ended yet, as far as is known
        self._told = 0  # pauses that the other processes know of
        self._lost_until = -FOREVER  # when the store is asked again; infinitely long ago as long as it answers

    def _reach(self) -> None:
        """In a thread of its own, so that a Ctrl-C does not have to wait."""
        gate: SimpleQueue[BaseException | None] = SimpleQueue()
        answer: list[BaseException] = []

        def reach() -> None:
            try:
                self._store.reach()
            except BaseException as error:
                answer.append(error)
            gate.put(None)

        if started(helper_thread(reach, "threadfan-store")) is not None:  # there are no more: then here
            reach()
        Clock().wait(gate)  # real seconds, as the store's
        if answer:
            try:
                raise answer[0]
            finally:
                del answer[:]  # the traceback holds this frame: leave no cycle

    def _forked(self) -> None:
        """In the child of a fork: questions are the parent's."""
        super()._forked()
        self._asked = {}

    def take(self, waiter: Waiter, cost: Cost | None, clock: Clock) -> Permit | None:
        """See ``Line``; none as long as a question waits for its answer so long that one more would do so too."""
        if self._asked:
            with self._lock:
                now = clock.monotonic()
                if now >= self._lost_until and min(self._asked.values(), default=FOREVER) <= now - STALL:
                    self.limit.hold(now + LOOK)
        return super().take(waiter, cost, clock)

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

    def ask(self, clock: Clock) -> float:
        """Count the request where all count theirs, or say when it may be tried again."""
        question = object()
        with self._lock:
            bucket = self.limit.bucket
            now = clock.monotonic()
            if bucket is None or now < self._lost_until:
                return 0.0
            if self._lost_until != -FOREVER:
                self._lost_until = now + AGAIN  # one call asks for all, as it may have to wait
            asked = self._asked
            asked[question] = now
        try:
            wait = self._store.take(*bucket)
        except Exception as error:
            self._lose(error, clock)
            return 0.0
        finally:
            asked.pop(question, None)
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
        if news and not self._complained:
            logging.getLogger("threadfan").warning(
                "the place where %s is shared does not answer (%s: %s); until it does, each process keeps to the limit "
                "for itself",
                brief(self.limit, 200),
                type(error).__name__,
                text_of(error),
            )

    def stalls(self) -> None:
        """Say so, once."""
        with self._lock:
            news, self._complained = not self._complained and self._lost_until == -FOREVER, True
        if news:
            logging.getLogger("threadfan").warning(
                "the place where %s is shared does not answer (nothing for %g s yet); calls wait for it, but if that "
                "lasts, each process keeps to the limit for itself until it does",
                brief(self.limit, 200),
                STALL,
            )

    def _find(self) -> None:
        with self._lock:
            news, self._lost_until, self._complained = self._lost_until != -FOREVER, -FOREVER, False
        if news:
            logging.getLogger("threadfan").warning("the place where %s is shared answers again", brief(self.limit, 200))
