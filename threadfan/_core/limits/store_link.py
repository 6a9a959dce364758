"""What this process asks the place where a limit is shared, which may hang or be lost.

While the store is asked the call has not begun: its timeout does not run, and it can be cancelled at once.  A store
that does not answer must lose no call and hold up nobody.  After ``STALL`` seconds the call is back in its queue, its
slot is another's, and its thread goes on waiting alone; no further call asks meanwhile, so there are never more such
threads than slots.  A store that cannot be reached is an error when the fan is made, for that is most likely a wrong
address.  Later each process keeps to the limit for itself, so that together they may be refused by the provider, which
a ``RateLimit`` copes with; a warning says so, and the store is asked again every ``AGAIN`` seconds.
"""

from __future__ import annotations

import logging
from queue import SimpleQueue

from ..base.clock import FOREVER, Clock
from ..base.locks import Lock
from ..base.texts import brief, text_of
from ..base.threads import helper_thread, started
from .rate_waitlist import STALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.generic import T
    from .stores import Store

AGAIN = 5.0  # seconds; arbitrary: a store that hangs costs the time of one thread, two of seven seconds


def reach(store: Store) -> None:
    """See whether it is there, in a thread of its own, so that a Ctrl-C does not have to wait.

    Raises:
        BaseException: what says why it cannot be reached.
    """
    gate: SimpleQueue[None] = SimpleQueue()
    answer: list[BaseException] = []

    def ask() -> None:
        try:
            store.reach()
        except BaseException as error:
            answer.append(error)
        gate.put(None)

    if started(helper_thread(ask, "threadfan-store")) is not None:  # there are no more: then here
        ask()
    Clock().wait(gate)  # real seconds, as the store's
    if answer:
        try:
            raise answer[0]
        finally:
            del answer[:]  # the traceback holds this frame: leave no cycle


class StoreLink:
    """The store of one limit, as far as it answers.  Guarded by ``_lock``: all of it.

    Args:
        limit: what warnings call by its ``repr``.
    """

    def __init__(self, limit: object) -> None:
        self._limit = limit
        self._complained = False  # of a stall that has not ended yet, as far as is known
        self._lost_until = -FOREVER  # when it is asked again; infinitely long ago as long as it answers
        self.forget_questions()

    def forget_questions(self) -> None:
        """In the child of a fork: they are the parent's."""
        self._lock = Lock()
        self.asked: dict[object, float] = {}  # by question that is not answered: since when

    @property
    def lost(self) -> bool:
        """Whether it has not answered since it failed to."""
        return self._lost_until != -FOREVER

    def is_stalled(self, now: float) -> bool:
        """Whether a question waits for its answer so long that one more would do so too."""
        asked = list(self.asked.values())
        return bool(asked) and now >= self._lost_until and min(asked) <= now - STALL

    def ask(self, question: Callable[[], T], clock: Clock) -> T | None:
        """What it says to a question; None if it is lost.  May take a while: to be called without any lock."""
        key = object()
        with self._lock:
            now = clock.monotonic()
            if now < self._lost_until:
                return None
            if self.lost:
                self._lost_until = now + AGAIN  # one call asks for all, as it may have to wait
            asked = self.asked
            asked[key] = now
        try:
            answer = question()
        except Exception as error:
            self._lose(error, clock)
            return None
        finally:
            asked.pop(key, None)
        if self.lost:
            self._find()
        return answer

    def tell(self, word: Callable[[], object], clock: Clock) -> None:
        """Tell it something, lost or not; nobody waits for that."""
        try:
            word()
        except Exception as error:
            self._lose(error, clock)

    def _lose(self, error: Exception, clock: Clock) -> None:
        with self._lock:
            news = not self.lost
            self._lost_until = clock.monotonic() + AGAIN
        if news and not self._complained:
            self._warn(
                "the place where %s is shared does not answer (%s: %s); until it does, each process keeps to the limit "
                "for itself",
                type(error).__name__,
                text_of(error),
            )

    def stalls(self) -> None:
        """Say that it has not answered for ``STALL`` seconds, once."""
        with self._lock:
            news, self._complained = not self._complained and not self.lost, True
        if news:
            self._warn(
                "the place where %s is shared does not answer (nothing for %g s yet); calls wait for it, but if that "
                "lasts, each process keeps to the limit for itself until it does",
                STALL,
            )

    def _find(self) -> None:
        with self._lock:
            news, self._lost_until, self._complained = self.lost, -FOREVER, False
        if news:
            self._warn("the place where %s is shared answers again")

    def _warn(self, text: str, *more: object) -> None:
        logging.getLogger("threadfan").warning(text, brief(self._limit, 200), *more)
