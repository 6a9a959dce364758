"""Starts of workers that the system refuses.

Guarantees: calls run on the threads there are; a start that was refused is tried again while calls wait for it, each
time after a longer pause, by the deadline timer; one warning says so.  Calls fail only if for ``PATIENCE`` seconds
nothing of the fan has run that could ever make room for them: then, if calls wait for calls of their own, those that
the deepest of them wait for, so that the others find threads.
"""

from __future__ import annotations

from concurrent.futures._base import LOGGER
from functools import partial

from ..base import last
from ..base.clock import FOREVER
from ..base.errors import ThreadsExhausted
from ..base.locks import aside
from ..base.logs import WARNING, say
from ..base.threads import Refusals, refusal, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from typing import Protocol

    from .run_queue import RunQueue
    from .slots import Slots
    from .work_queue import Actions, Owner, Session
    from .worker import Worker

    class Threads(Protocol):
        """The threads that there are, and what there is for them to do."""

        owner: Owner
        slots: Slots
        run_queue: RunQueue
        idle: list[Worker]
        workers: set[Worker]
        threads: set[threading.Thread]
        at_work: set[Session]

        def grant_if_needed(self, after: Actions, /) -> None:
            """Wake or start a worker if there is a slot and a call for it."""


PATIENCE = 3.0
"""Seconds.  Arbitrary: longer than the threads of others come in bursts, short enough to be waited for."""


class Starts:
    """Of one scheduler.  Guarded by its lock: everything."""

    def __init__(self, crew: Threads) -> None:
        self._crew = crew
        self._owner = crew.owner
        self._refusals = Refusals()
        self._stalled: float | None = None  # since when nothing runs that could make room
        self._warned = False

    # -- with the lock held ------------------------------------------------------------------------------------------

    def allowed(self, after: Actions) -> bool:
        """Whether a start may be tried now; else the deadline timer will try."""
        if self._refusals.error is None or self._owner.clock.monotonic() >= self._refusals.again:
            return True
        self._owner.timer.mind(self._refusals.again, after)
        return False

    def look(self, now: float, after: Actions) -> tuple[float, bool]:
        """When to look next, and whether a start is to be tried now."""
        crew = self._crew
        if self._refusals.error is None or crew.slots.waking or crew.slots.free <= 0 or not crew.run_queue.has_work():
            return FOREVER, False
        if now < self._refusals.again:
            return self._refusals.again, False
        self._note_stall(now)
        if self._stalled is not None and now - self._stalled >= PATIENCE:
            self._give_up(after)
        return FOREVER, True

    def _granted(self) -> None:
        """A thread was started."""
        self._refusals.granted()
        self._stalled = None

    def _refused(self, error: Exception, after: Actions) -> None:
        """The system has given no thread."""
        now = self._owner.clock.monotonic()
        self._refusals.refused(error, now)
        self._note_stall(now)
        if self._stalled is not None and last.exiting():  # at the interpreter's end there will never be one
            self._give_up(after)
            return
        self._owner.timer.mind(self._refusals.again, after)
        after.append(partial(self.warn, error))

    def _note_stall(self, now: float) -> None:
        """Whether every call that runs waits for others, and no worker is on its way."""
        crew = self._crew
        if crew.slots.waking or crew.idle or any(session.loan is None for session in crew.at_work):
            self._stalled = None
        elif self._stalled is None:
            self._stalled = now

    def _give_up(self, after: Actions) -> None:
        """End what waits for a thread: all, or what the deepest call waits for, whose thread then goes on."""
        crew, error = self._crew, self._refusals.error
        self._stalled = None
        waiting = [queue for queue in crew.run_queue if queue.ready()]
        deepest = max((queue.depth for queue in waiting), default=0)
        failing = [queue for queue in waiting if queue.depth == deepest][:1] if crew.at_work else waiting
        reason = ThreadsExhausted(
            f"no thread could be started for this call ({error}), and none of the {len(crew.threads)} there are "
            f"would become free: allow the process more threads (ulimit -u, a container's limit of pids, memory for "
            f"their stacks), or have fewer calls wait for calls of their own (max_workers=…)"
        )
        for queue in failing:
            queue.discard(reason, after)

    # -- without it --------------------------------------------------------------------------------------------------

    def warn(self, error: Exception) -> None:
        """Say so, once for each fan.  Without the lock."""
        if self._warned or last.exiting():  # at the interpreter's end that is how it is
            return
        self._warned = True
        threads = len(self._crew.threads)
        say(LOGGER, WARNING, refusal(error, f"{self._owner.name} goes on with {threads}, and tries again"))

    def wake_again(self, worker: Worker) -> None:
        """It may not have been woken, or not been started; to do so twice does no harm."""
        worker.inbox.put(True)
        self.start(worker, eager=False)

    def start(self, worker: Worker, eager: bool) -> None:
        """Start its thread, unless somebody has; ``eager`` waits until it runs."""
        aside(partial(self._start_here, worker, eager))  # it has many steps

    def _start_here(self, worker: Worker, eager: bool) -> None:
        if not worker.claim_start():
            return
        error = started(worker.thread)
        if error is None:
            if eager:  # who submits and then shuts down may expect that something has started
                worker.thread.wait_until_begun()
            if self._refusals.error is not None:
                with self._owner.lock:
                    self._granted()
        elif not (self._nobody_else() and last.take_over(partial(self._visit, worker), error)):
            self._not_started(worker, error)

    def _visit(self, worker: Worker) -> None:
        self._crew.threads.discard(worker.thread)
        worker.visit()

    def _nobody_else(self) -> bool:
        """Whether no thread would come to use the slot of one that could not be started."""
        with self._owner.lock:
            return self._crew.slots.waking == 1 and all(session.loan is not None for session in self._crew.at_work)

    def _not_started(self, worker: Worker, error: BaseException) -> None:
        after: Actions = []
        with self._owner.lock:
            self._crew.threads.discard(worker.thread)
            self._crew.workers.discard(worker)
            self._crew.slots.waking -= 1
            self._crew.slots.free += 1
            self._crew.slots.serve(after)
            if isinstance(error, Exception):
                self._refused(error, after)
            self._crew.grant_if_needed(after)
        self._owner.perform(after)
