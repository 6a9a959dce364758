"""Acts that end what a call is blocked in: shutting a socket down, ending a process.

A scope keeps one callback for all of them, however often a call blocks: what is blocked in at the moment stands in its
``Acts``.  Whoever *pops* an act does it, or has taken it back; so neither beginning nor taking back costs a lock.

Guarantees: an act is done at most once, and never after it was taken back.  So a socket that goes back to its pool is
out of reach of the call that had it.  One that fails is logged, and the others are done all the same.  Everything may
be called from any thread.  In the child of a fork nothing is done: the things are the parent's.
"""

from __future__ import annotations

from ..base import forks
from ..base.locks import Lock
from .scope import call_logged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scope import Scope

    Act = Callable[[], object]


class Acts(dict[object, "Act"]):
    """What the end of one scope puts an end to; its keys belong to those who put the acts in.

    Who puts one in looks afterwards whether the scope has ended (``time_left``, or ``ended``), and who ends it says so
    and then looks what there is.  So one of the two sees the other.
    """

    __slots__ = ("_generation", "_lock", "ended")

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.ended: bool = False
        """Whether the acts have been done, or are about to be."""
        self._lock = Lock()  # held while an act is popped and done, so that ``take_back`` can wait for it
        self._generation = forks.generation
        scope.on_cancel(self.end)

    def end(self) -> None:
        """Do the acts."""
        if self._generation != forks.generation:
            return
        self.ended = True
        for key in self.copy():
            with self._lock:
                act = self.pop(key, None)
                if act is not None:
                    call_logged(act, "what was to end a call that is blocked failed")

    def take_back(self, key: object) -> None:
        """Leave the thing of ``key`` alone from now on; harmless when done twice."""
        if self.pop(key, None) is None and self._generation == forks.generation:
            with self._lock:  # it is being ended, or that is over
                pass


def acts_of(scope: Scope) -> Acts:
    """Those of a scope; if two threads make some at once, both are done."""
    acts = scope.acts
    if not isinstance(acts, Acts):
        acts = scope.acts = Acts(scope)
    return acts


class Abort:
    """Does ``act()`` when ``scope`` is cancelled; the holder of the thing to be ended takes it out and releases it.

    It is done at most once, and never after ``release`` has returned, which the act may call too.

    Args:
        scope: whose cancel it waits for; if that has been, the act is done at once, in this thread.
        act: must be quick and must not wait for the thread that releases.
    """

    __slots__ = ("_acts",)

    def __init__(self, scope: Scope, act: Act) -> None:
        acts = self._acts = acts_of(scope)
        acts[self] = act
        if acts.ended:
            acts.end()

    def release(self) -> None:
        """Leave the thing alone from now on; harmless when done twice."""
        self._acts.take_back(self)

    def __enter__(self) -> Abort:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()
