"""Where code of users' runs that no call runs itself: done-callbacks, callbacks of scopes, events.

Guarantees:

- What is told is done in that order, each act by one thread; an act that fails is logged.
- No act holds up the others: when one takes longer than ``HANDOVER`` seconds, another thread goes on with what comes
  after it.  At most ``MOST`` may be stuck so.
- The threads of helpers never do it.  Where the system gives no thread, whoever waits for calls does.
- Whoever closes the fan waits for what was told, but no longer than ``PATIENCE`` seconds for any act that has begun.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures._base import LOGGER
from functools import partial

from ..base import clock as clocks
from ..base import forks
from ..base.clock import REAL, Clock
from ..base.locks import Condition
from ..base.logs import ERROR, say
from ..base.threads import Refusals, Thread, helper_thread, helping, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Act = Callable[[], object]
    SetAlarm = Callable[..., Callable[[], None]]

HANDOVER = 0.05
"""Seconds.  Arbitrary: a hundred times what a callback takes that only signals, too short to be felt."""
PATIENCE = 1.0
"""Seconds.  Arbitrary: what a callback may take that writes a result somewhere, and what somebody puts up with who
wants out."""
MOST = 64
"""Arbitrary: threads that only wait cost little, but each has a stack."""


class _Runner:
    """A thread that does acts; ``since`` is the moment at which the present one began."""

    __slots__ = ("since", "thread", "what")

    thread: Thread

    def __init__(self) -> None:
        self.since: float | None = None
        self.what = ""


class Callbacks:
    """The thread that does acts, and those that are stuck in one.

    Guarded by ``_changed``: everything.

    Args:
        name: of the threads.
        set_alarm: has an act done at a moment.
        refused: called once with the error if the system gives no thread.
    """

    def __init__(self, name: str, set_alarm: SetAlarm, refused: Callable[[Exception], object]) -> None:
        self._name = name
        self._set_alarm = set_alarm
        self._refused = refused
        self._changed = Condition()  # re-entrant: a finalizer may tell something anywhere
        self._acts: deque[tuple[Act, str]] = deque()
        self._runner: _Runner | None = None
        self._stuck: list[_Runner] = []
        self._watched = False  # an alarm is set that looks whether an act takes long
        self._closing = False
        self._refusals = Refusals()

    def tell(self, act: Act, what: str = "an act") -> None:
        """Have ``act()`` called soon.

        Args:
            what: it is, for the warning if it does not return.
        """
        error = None
        with self._changed:
            self._acts.append((act, what))
            if self._runner is None:
                error = self._engage()
            else:
                self._changed.notify_all()
            watch = self._is_to_be_watched()
        self._after(error, watch)

    def stop(self) -> None:
        """Let the thread end when it has done what it was told."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until all acts are done but those that are stuck, and the thread has ended."""
        self.stop()
        me = threading.current_thread()
        while True:
            self._relieve()
            with self._changed:
                busy = [runner for runner in self._all() if runner.since is not None and runner.thread is not me]
                now = Clock.monotonic()
                full = len(self._stuck) >= MOST
                if (full or not self._acts) and all(now - (runner.since or now) >= PATIENCE for runner in busy):
                    idle = None if self._runner is None or self._runner in busy else self._runner.thread
                    break
                if self._runner is not None or not self._acts:
                    self._changed.wait(HANDOVER)
                    continue
            self.work()
        clocks.drop_chore(self._stand_in)
        if idle is not None and idle is not me:
            idle.join()

    def work(self) -> None:
        """Do what was told here, unless there is a thread for it."""
        while True:
            with self._changed:
                if self._runner is not None or not self._acts:
                    return
                act, _ = self._acts.popleft()
            _do(act)
            del act

    def unmanned(self) -> bool:
        """Whether something was told and there is no thread for it."""
        return bool(self._acts) and self._runner is None

    def stuck(self) -> list[tuple[str, float, Thread]]:
        """What has not returned: what it is, for how many seconds it has run, and where."""
        with self._changed:
            now = Clock.monotonic()
            return [
                (runner.what, now - runner.since, runner.thread) for runner in self._all() if runner.since is not None
            ]

    # -- with the lock held ------------------------------------------------------------------------------------------

    def _all(self) -> list[_Runner]:
        return [*self._stuck, *([] if self._runner is None else [self._runner])]

    def _engage(self) -> Exception | None:
        """Start a thread; why there is none, if that is news."""
        news = self._refusals.error is None
        if not news and Clock.monotonic() < self._refusals.again:
            return None
        runner = _Runner()
        runner.thread = helper_thread(partial(self._run, runner), self._name)
        error = started(runner.thread)
        if error is None:
            self._refusals.granted()
            self._runner = runner
            return None
        self._refusals.refused(error, Clock.monotonic())
        return error if news else None

    def _is_to_be_watched(self) -> bool:
        if self._watched or not self._acts or self._runner is None or len(self._stuck) >= MOST:
            return False
        self._watched = True
        return True

    # -- without the lock --------------------------------------------------------------------------------------------

    def _after(self, error: Exception | None, watch: bool) -> None:
        if watch:
            self._set_alarm(REAL, REAL.monotonic() + HANDOVER, self._look, quick=True)  # what blocks, blocks really
        if error is not None:
            clocks.add_chore(self._stand_in)
            self._refused(error)

    def _look(self) -> None:
        with self._changed:
            self._watched = False
        self._relieve()

    def _relieve(self) -> None:
        """Have another thread go on if the present act takes long and others wait."""
        error = None
        with self._changed:
            runner = self._runner
            since = None if runner is None or not self._acts or len(self._stuck) >= MOST else runner.since
            if runner is not None and since is not None and Clock.monotonic() - since >= HANDOVER:
                self._stuck.append(runner)
                self._runner = None
            if self._runner is None and self._acts:
                error = self._engage()
            watch = self._is_to_be_watched()
        self._after(error, watch)

    def _run(self, runner: _Runner) -> None:
        generation = forks.generation
        while forks.generation == generation:  # else it is a child that an act has forked
            with self._changed:
                runner.since = None
                if self._runner is not runner:  # others have gone on
                    if runner in self._stuck:
                        self._stuck.remove(runner)
                    self._changed.notify_all()
                    return
                while not self._acts:
                    self._changed.notify_all()
                    if self._closing:
                        self._runner = None
                        return
                    self._changed.wait()
                act, runner.what = self._acts.popleft()
                runner.since = Clock.monotonic()
            _do(act)
            del act

    def _stand_in(self) -> None:
        """In a thread that waits for something else: try for a thread again, or do what was told."""
        self._relieve()
        with self._changed:
            idle = self._runner is not None or not self._acts
            if idle:
                self._refusals.granted()
                clocks.drop_chore(self._stand_in)
        if not idle and not helping():
            self.work()


def _do(act: Act) -> None:
    try:
        act()
    except BaseException as error:
        say(LOGGER, ERROR, "a callback failed", error=error)
