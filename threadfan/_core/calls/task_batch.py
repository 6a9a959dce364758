"""Batches of different functions: each input is a call of its own, run by the general path."""

from __future__ import annotations

from itertools import chain

from ..base.outcome import END, INDEX, STATUS, SUCCEEDED
from ..base.static import describe
from ..events import log
from ..pool.work_queue import QUANTUM
from .batch import Batch
from .call_queue import Call, perform_call, tell_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    from ..base.outcome import Raw
    from ..pool.terms import Key
    from ..pool.work_queue import Actions, Session


class TaskCall(Call):
    """One task of a gathering."""

    def __init__(
        self,
        item: Any,
        index: int,
        fn: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
        context: Context,
        timeout: float | None,
        since: float,
    ) -> None:
        self.item = item
        self.index = index
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.timeout = timeout
        self.since = since

    def begin(self, session: Session) -> bool:
        """It starts, and ends there if it was cancelled alone while a thread had it."""
        batch: Any = session.queue
        self.unwanted = self.unwanted or self.index in batch.withdrawn
        return True


class TaskBatch(Batch):
    """Different functions side by side: its items are ``TaskCall``s, run by the general path."""

    __slots__ = ()

    def run(self, session: Session) -> None:
        """Run calls one after another, each in its own context."""
        scheduler, run_queue, reader, depth = self.scheduler, self.scheduler.run_queue, self.reader, self.depth
        until = scheduler.clock.monotonic() + QUANTUM
        observer = log.observer()
        first, session.first = iter((session.first,)), None
        raw: Raw | None = None
        call: Any = None
        try:
            for _, call, _ in chain(first, self.inputs.pull()):
                raw = perform_call(session, call, observer)
                if raw is None:
                    return
                tell_end(session, call, raw, observer)
                end = raw[END]
                if raw[STATUS] is SUCCEEDED:
                    self.collector.results[raw[INDEX]] = raw
                else:
                    self.store_failure(raw)
                call.forget()
                reader.tell(raw[INDEX])
                raw = call = None  # noqa: PLW2901 -- a parked thread must not keep a result alive
                if run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until):
                    return
        except IndexError:
            return
        finally:
            del self, session, raw, call  # leave no cycle: see ``call_queue``

    def settle(self, key: Key, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a task that was ended from outside."""
        after.append(key.forget)
        return super().settle(key, raw, after)

    def timeout_of(self, key: Key) -> float | None:
        """The task's own."""
        return key.timeout  # type: ignore[no-any-return]

    def function_of(self, key: Key) -> str:
        """The task's own."""
        return log.as_quiet(self.name, describe(key.fn))

    def index_of(self, key: Key) -> Any:
        """The task's place among the arguments."""
        return key.index

    def item_of(self, entry: Any) -> Any:
        """The task as it was given."""
        return entry.item
