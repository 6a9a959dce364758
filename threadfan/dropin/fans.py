"""The fan that stands in for a ``ThreadPoolExecutor``: of the same arguments, with options that are not its maker's."""

from __future__ import annotations

from concurrent.futures import Executor
from contextlib import suppress
from math import ceil

from .._core.base.attempt import Attempt
from .._core.base.errors import TaskCancelled
from .._core.base.generic import TYPE_CHECKING, T
from .._core.base.outcome import CANCELLED, END, PAYLOAD, SINCE, START, STATUS, SUCCEEDED, WORKER
from .._core.calls.future import Future
from .._core.fan.arguments import MOST_WORKERS
from .._core.fan.executor import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import ClassVar

    from .._core.base.outcome import Raw
    from .._core.pool.scheduler import Scheduler
    from .._core.pool.work_queue import Actions, Waiting
    from .calls import Calls
    from .options import Options
    from .swap import Swap


class NotedFuture(Future[T]):
    """A future whose end is noted."""

    noted: ClassVar[Calls]

    def deliver_quietly(self, raw: Raw) -> Sequence[Waiting]:
        """It has ended by itself; in its own thread."""
        try:
            self._note(raw)
            return super().deliver_quietly(raw)
        finally:
            del self, raw  # an error's traceback holds this frame: leave no cycle

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """It was ended from outside."""
        self._note(raw, apart=True)
        super().settle(scheduler, raw, after)

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """It will never start."""
        now = self._scheduler.clock.monotonic()
        error = TaskCancelled(str(reason))
        self._note((None, None, self.since, CANCELLED, error, None, now, None), apart=True)
        super().refuse(reason, after)

    def _note(self, raw: Raw, *, apart: bool = False) -> None:
        with suppress(Exception):  # no call is to hang because there is no memory to note its end
            pool = self._scheduler.name, self._scheduler.slots.total
            self.noted.note(self.fn, self.args, raw, pool, self._attempts(raw), apart=apart)

    def _attempts(self, raw: Raw) -> Sequence[Attempt]:
        if self.state is not None:
            return self.state.attempts
        start, (_, permit, held) = raw[START], self.taken
        if permit is None or start is None:
            return ()
        waited = start - raw[SINCE]  # of a first attempt under a limit nothing else is known
        limited = min(held - self.mark, waited)
        error = None if raw[STATUS] is SUCCEEDED else raw[PAYLOAD]
        return [
            Attempt(
                raw[STATUS], error, started=waited, duration=raw[END] - start, waited_slot=waited - limited,
                waited_limit=limited, worker=raw[WORKER],
            )
        ]  # fmt: skip


class Given:
    """What a stand-in needs to know, in one attribute, for subclasses may have any of theirs.

    Args:
        options: those of the installation.
        future: what ``submit`` makes.
        swap: who has put it in the other's place.
    """

    def __init__(self, options: Options, future: type[NotedFuture[object]], swap: Swap) -> None:
        self.options = options
        self.future = future
        self.swap = swap


class StandIn(Fan):
    """See above."""

    _threadfan: ClassVar[Given]

    def __init__(
        self,
        max_workers: float | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: tuple[object, ...] = (),
    ) -> None:
        given = self._threadfan
        options = given.options
        if max_workers is not None:
            given.swap.says_workers()
        super().__init__(
            options.max_workers if max_workers is None else _whole(max_workers),
            thread_name_prefix,
            initializer,
            initargs,
            timeout=options.timeout,
            total_timeout=options.total_timeout,
            retry=options.retry,
            rate=options.rate,
            hedge=options.hedge,
            breaker=options.breaker,
        )
        self._future = given.future

    def map(  # type: ignore[override, unused-ignore]  # as in the standard library of this Python, whatever that takes
        self, fn: Callable[..., T], *iterables: Iterable[object], **options: object
    ) -> Iterator[T]:
        """By way of ``submit``, so that each call is noted."""
        return Executor.map(self, fn, *iterables, **options)  # type: ignore[arg-type]

    if not TYPE_CHECKING:  # to whom the queue of every executor is the same

        @property
        def _work_queue(self):
            return Fan._work_queue.__get__(self)

        @_work_queue.setter
        def _work_queue(self, queue):
            """Who puts a queue there, with a bound or another order, is to have a standard pool after all."""
            if "_given" not in vars(self) or "_scheduler" in vars(self):
                return  # it is being made, or has run calls, and goes on as it is
            swap = self._threadfan.swap
            self.__class__ = swap.usual_kind(type(self))
            for name in ("_given", "_options", "_future"):
                vars(self).pop(name, None)
            self._shutdown = self._broken = False
            self._work_queue = queue
            swap.left_one(type(self))


def _whole(max_workers: float) -> int:
    """As the standard pool has it, which starts threads until it has as many."""
    return min(ceil(max_workers), MOST_WORKERS) if isinstance(max_workers, (int, float)) else max_workers
