"""Calls that go on after the deadline of their batch: ``late="keep"``."""

from __future__ import annotations

from concurrent.futures import Future

from ..base import forks
from ..base.errors import TaskTimeout
from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.locks import Lock
from ..base.outcome import PAYLOAD, STATUS, SUCCEEDED, TIMED_OUT
from ..base.threads import helping
from .figures import parts
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..pool.callbacks import Callbacks


class LateFuture(Future[T]):
    """Of a call that is unfinished at the deadline."""

    callbacks: Callbacks | None = None
    """Those of the fan, until the call has ended."""

    def _invoke_callbacks(self) -> None:
        """Call the done-callbacks; a helper, which runs no code of users', has that done elsewhere."""
        callbacks, self.callbacks = self.callbacks, None
        invoke: Callable[[], object] = super()._invoke_callbacks  # type: ignore[misc]
        if callbacks is not None and helping():
            callbacks.tell(invoke, "a done-callback of a late call")
        else:
            invoke()

    def result(self, timeout: float | None = None) -> T:
        """What the call returned, or raises what it raised, even if that is False, as the base class does not."""
        error = self.exception(timeout)
        try:
            if error is not None:
                raise error
            return self._result  # type: ignore[return-value]
        finally:
            del error, self  # the traceback holds this frame: leave no cycle


class Latecomers(Generic[T]):
    """Futures of the calls of a batch that are unfinished now; each is done in the thread that ends its call.

    Its done-callbacks run there too, unless that is a helper.

    Args:
        items: the batch's inputs.
    """

    def __init__(self, batch: Batch, items: list[object]) -> None:
        self._batch = batch
        self._collector = batch.collector
        self._items = items
        self.futures: dict[int, Future[T]] = {}
        for index in range(len(items)):
            if self._collector.get(index) is None:
                future = self.futures[index] = LateFuture()
                future.callbacks = batch.scheduler.callbacks
                future.set_running_or_notify_cancel()  # so its ``cancel`` says False, as of any call under way
        self._missing = set(self.futures)
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just gathering."""
        self._lock = Lock()  # guards ``_missing``; several threads may gather at once

    def report(self, deadline: float, wall: float) -> Report[T]:
        """What is done, and the futures of what is not.

        Args:
            deadline: the batch's, in seconds.
            wall: seconds since the batch began.
        """
        raws = [self._raw_so_far(index, deadline, wall) for index in range(len(self._items))]
        so_far = parts(self._batch, wall)
        so_far["usages"], so_far["attempts"] = dict(so_far["usages"]), dict(so_far["attempts"])  # which go on
        report: Report[T] = Report(raws, **so_far)
        report.late = self.futures
        self._gather()  # from here on
        return report

    def _raw_so_far(self, index: int, deadline: float, wall: float) -> Raw:
        raw = None if index in self.futures else self._collector.get(index)
        if raw is not None:
            return raw
        since = self._batch.since
        error = TaskTimeout(f"not done at the batch's deadline of {deadline:g} s; report.late[{index}] goes on")
        return index, self._items[index], since, TIMED_OUT, error, None, since + wall, None

    def _gather(self) -> None:
        while True:
            with self._lock:
                ended = {one: raw for one in sorted(self._missing) if (raw := self._collector.get(one)) is not None}
                self._missing -= ended.keys()
            for index, raw in ended.items():
                self._settle(self.futures[index], raw)
            if not self._missing or self._batch.reader.wait_for(self._gather, wanted=None, idle=self._idle):
                return

    def _idle(self) -> bool:
        with self._lock:
            return all(self._collector.get(index) is None for index in self._missing)

    @staticmethod
    def _settle(future: Future[T], raw: Raw) -> None:
        if raw[STATUS] is SUCCEEDED:
            future.set_result(raw[PAYLOAD])
        else:
            future.set_exception(raw[PAYLOAD])
