"""Ending calls from outside: at their timeout, or because nobody wants them any more.

The watchdog is a helper, begun on first need and ended with the hub.  It looks at the running calls when the first of
them can be due, and never runs users' code: done-callbacks, callbacks of scopes and log events are told to
``hub.callbacks``.
"""

from __future__ import annotations

import time
import warnings
from functools import partial

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled, TaskTimeout
from ..base.helpers import Helper
from ..base.locks import aside
from ..base.outcome import CANCELLED, TIMED_OUT
from ..events import log
from .session import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from queue import SimpleQueue
    from typing import Any

    from ..base.outcome import Status
    from ..scope.scope import Scope
    from .scheduler import Hub
    from .session import Drain
    from .work_queue import After, Source

EVENT = "a structlog processor"  # what does not return, if the word about a call does not get out


class Watchdog:
    """Ends calls.  Its attributes are guarded by ``hub.lock``; methods marked so are called with the lock held."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.next_look = FOREVER
        self._evictions: list[tuple[float, Drain]] = []  # lost drains whose threads are to be replaced, and when
        self._settled_gates: list[SimpleQueue[None]] = []
        self._capped = False
        self.helper: Helper | None = None

    def mind(self, due: float, after: After) -> None:
        """Look at the running calls no later than ``due``.  With the lock held."""
        if due < self.next_look or self.helper is None or not self.helper.begun:
            self.next_look = min(due, self.next_look)
            if self.helper is None:
                hub = self._hub
                self.helper = Helper(f"{hub.name}-watchdog", hub.clock, self._round, hub.starts.warn)
            after.append(self.helper.tell if self.helper.begun else self.helper.begin)

    def announce(self, due: float) -> None:
        """A call that has just written its claim will be due at ``due``, before ``next_look``.

        Reading ``next_look`` without the lock is enough to tell that: the watchdog forgets when it will look *before*
        it reads the claims, so whoever reads an early moment there is seen by that very look.
        """
        after: After = []
        with self._hub.lock:
            self.mind(due, after)
        self._hub.perform(after)

    def forget(self, drain: Drain, after: After) -> None:
        """A lost drain's thread came back by itself.  With the lock held."""
        self._evictions = [entry for entry in self._evictions if entry[1] is not drain]
        self._tell_settled(after)

    def when_settled(self, gate: SimpleQueue[None], after: After) -> None:
        """Open ``gate`` once no cancelled call has grace left.  With the lock held."""
        self._settled_gates.append(gate)
        self._tell_settled(after)

    def _tell_settled(self, after: After) -> None:
        if not self._evictions:
            after.extend(partial(gate.put, None) for gate in self._settled_gates)
            self._settled_gates = []

    def stop(self, after: After) -> None:
        """Let the thread end if there is nothing left to watch.  With the lock held."""
        if self.helper is not None:
            after.append(self.helper.tell)

    def end(
        self, drain: Drain, key: Any, status: Status, error: BaseException, after: After, *, grace: float = 0.0
    ) -> bool:
        """Settle a running call unless it has just settled itself; say which.  With the lock held.

        Its thread is replaced after ``grace`` seconds if it has not come back by then.
        """
        hub, source = self._hub, drain.source
        claim = drain.claim.pop(key, None)
        if claim is None:
            return False
        item, since, start = claim
        now = hub.clock.monotonic()
        raw = (source.index_of(key), item, since, status, error, start, now, drain.worker.name)
        function = source.function_of(key)  # asked for now: a call that has ended forgets it
        drain.lost, drain.lost_at = (key, start, function, source.index_of(key)), time.monotonic()
        hub.lost.add(drain)
        source.failed += 1
        final = source.settle(key, raw, after)
        scope = drain.made_scope(key)
        if scope is not None:
            scope.condemn()  # at once: nothing may start in it any more
            after.append(partial(self._tell_end, scope, function))
        if log.in_use() and final:
            figures = source.figures_of(key)
            after.append(lambda: hub.callbacks.tell(lambda: log.call_ended(hub.name, function, raw, figures), EVENT))
        hub.detach(drain, after)
        if grace == 0:
            self._evict(drain, after)
        elif grace < FOREVER:
            self._evictions.append((now + grace, drain))
            self.mind(now + grace, after)
        if hub.closing:  # this may have been the last call that anybody waited for
            hub.dismiss_if_quiet(after)
        return True

    def _tell_end(self, scope: Scope, function: str) -> None:
        for act in scope.end():
            self._hub.callbacks.tell(act, f"an on_cancel callback of {function}")

    def cancel(self, source: Source, reason: BaseException | None, message: str, *, running: bool = True) -> None:
        """End a source: what is queued is cancelled, and what runs too unless ``running`` is False."""
        self._hub.torn = True  # perhaps, if an exception is the reason, wherever that has struck
        aside(partial(self._cancel, source, reason, message, running))

    def _cancel(self, source: Source, reason: BaseException | None, message: str, running: bool) -> None:
        after: After = []
        with self._hub.lock:
            if self._hub.torn:
                self._hub.mend(after)
            source.ended.append(True)
            source.closed = True
            source.reason = reason if source.reason is None else source.reason
            source.discard(TaskCancelled(message), after)
            if running:
                source.end_running(message, after)
            self._hub.check_done(source, after)
        self._hub.perform(after)

    def cancel_running(self, drains: list[Drain], message: str, after: After) -> None:
        """End the calls that run in these drains.  With the lock held."""
        for drain in drains:
            for key in drain.claim.copy():
                self.end(drain, key, CANCELLED, TaskCancelled(message), after, grace=GRACE)

    def end_call(self, drain: Drain, key: Any, status: Status, error: BaseException, *, grace: float = GRACE) -> None:
        """Settle one running call from outside."""
        aside(partial(self._end_call, drain, key, status, error, grace))

    def _end_call(self, drain: Drain, key: Any, status: Status, error: BaseException, grace: float) -> None:
        after: After = []
        with self._hub.lock:
            self.end(drain, key, status, error, after, grace=grace)
        self._hub.perform(after)

    def evict_all(self, after: After) -> None:
        """Replace every thread that is stuck in a call that is over, without grace.  With the lock held."""
        evictions, self._evictions = self._evictions, []
        for _, drain in evictions:
            self._evict(drain, after)
        self.stop(after)

    def _evict(self, drain: Drain, after: After) -> None:
        hub = self._hub
        if len(hub.abandoned) >= hub.max_abandoned:
            if not self._capped:
                self._capped = True
                after.append(lambda: hub.callbacks.tell(self._warn_of_cap))
            return
        hub.abandoned.add(drain)
        hub.threads.discard(drain.worker.thread)
        if drain.holds:
            drain.holds = False
            hub.release(after)
        elif drain.loan is not None and drain.loan.returning:
            hub.loans.let_go(drain.loan, after)
        if log.in_use():
            _, start, function, index = drain.lost  # type: ignore[misc]
            seconds = hub.clock.monotonic() - start
            after.append(
                lambda: hub.callbacks.tell(
                    lambda: log.call_abandoned(hub.name, function, index, drain.worker.name, seconds), EVENT
                )
            )

    def _warn_of_cap(self) -> None:
        warnings.warn(
            f"{self._hub.name}: as many threads as max_abandoned allows ({self._hub.max_abandoned}) are stuck in calls "
            f"that are over; from now on a slot comes back only with its thread",
            RuntimeWarning,
            stacklevel=1,
        )

    def _round(self) -> float | None:
        hub = self._hub
        after: After = []
        with hub.lock:
            now, planned = hub.clock.monotonic(), self.next_look
            self.next_look = FOREVER  # while it looks, see ``announce``
            due = min(self._sweep(now, after), hub.starts.look(now, after))
            # A planned look stays, even if its call has ended: else each of many short calls would plan one.
            self.next_look = min(due, planned) if planned > now else due
            wait = self.next_look - now
            over = hub.closing and not self._evictions and hub.quiet()
        hub.perform(after)
        del after  # it may be long until the next round, and this must not keep an error alive
        return None if over else wait

    def _sweep(self, now: float, after: After) -> float:
        """End what is due; the moment at which the next may be."""
        next_due = FOREVER
        for drain in list(self._hub.draining):
            running = drain.claim.copy()
            if not running and drain.source.timeout is not None:
                next_due = min(next_due, now + drain.source.timeout)
            for key, (_, _, start) in running.items():
                timeout = drain.source.timeout_of(key)
                if timeout is None:
                    continue
                if start + timeout > now:
                    next_due = min(next_due, start + timeout)
                else:
                    error = TaskTimeout(f"{drain.source.function_of(key)} did not return within {timeout:g} s")
                    self.end(drain, key, TIMED_OUT, error, after)
        due = [drain for moment, drain in self._evictions if moment <= now]
        self._evictions = [entry for entry in self._evictions if entry[0] > now]
        for drain in due:
            self._evict(drain, after)
        self._tell_settled(after)
        return min([next_due, *(moment for moment, _ in self._evictions)])
