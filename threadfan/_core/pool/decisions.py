"""What is decided under a scheduler's lock is done when that is released.

Whatever a decision calls for (waking, starting threads, callbacks) is collected in a list, ``after``, and done by
``perform``: so nothing that takes long, or runs code of others, holds up other threads.

In the main thread a signal's exception may cut such a decision in two (see ``base.locks``).  What ends calls is done
aside, therefore.  What hands calls in is done where it is, since that has to be cheap, and two things make it whole
again: counters change in the instruction before the one that does what they count, and whoever lets the exception pass
says so (``cut_short``), whereupon the scheduler counts anew what can be counted, and wakes whoever should have been
woken (``Scheduler.mend``).
"""

from __future__ import annotations

from collections import deque
from concurrent.futures._base import LOGGER
from contextlib import suppress

from ..base.locks import begin_bare, takes_signals
from ..base.logs import CRITICAL, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .work_queue import Actions


class Decisions:
    """Those of one scheduler.

    Args:
        mend: takes the lock and makes whole what was cut in two, if ``torn`` says that anything was.
    """

    __slots__ = ("_mend", "handed_over", "torn")

    def __init__(self, mend: Callable[[], None]) -> None:
        self._mend = mend
        self.torn: bool = False  # an exception has cut a decision in two, which is to be mended
        self.handed_over: deque[Callable[[], object]] = deque()  # by finalizers that could have no thread

    def perform(self, after: Actions) -> None:
        """Do what was decided under the lock; one that fails does not keep the others from happening.

        A signal's exception that falls into it is raised when all is done.
        """
        struck: BaseException | None = None
        for act in after:
            try:
                act()
            except BaseException as error:
                if takes_signals():
                    struck = error
                else:
                    say(LOGGER, CRITICAL, "an action of the scheduler failed", error=error)
        while self.handed_over:
            try:
                act = self.handed_over.popleft()
            except IndexError:  # another thread was faster
                break
            act()
        if struck is not None:
            self.cut_short()
            try:
                raise struck
            finally:
                del struck  # the traceback holds this frame: leave no cycle

    def hand_over(self, act: Callable[[], object]) -> None:
        """Have ``act()`` done in a thread that holds no lock.

        For finalizers: the garbage collector may run them anywhere, also while this very thread holds the lock.
        """
        try:
            begin_bare(act)
        except RuntimeError:  # there are no more: then by whoever comes next
            self.handed_over.append(act)

    def cut_short(self) -> None:
        """An exception may have cut a decision of this thread's in two: have it mended.

        In a thread of its own, which signals do not reach and whose stack is not almost full, as this one's may be if a
        ``RecursionError`` comes out of it.  If that cannot be had now, whoever makes the next decision mends.
        """
        self.suspect()
        with suppress(RuntimeError):
            begin_bare(self._mend)

    def suspect(self) -> None:
        """An exception may have cut a decision in two: whoever makes the next one mends."""
        self.torn = True
