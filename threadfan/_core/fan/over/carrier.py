"""Brings calls to an executor, and their answers back to those who wait for them.

Calls that come together may travel as one *parcel*, a single task of the executor's; one comes back when its last call
has ended.  What goes into a parcel is of one function, and is no more than

- ``threads`` calls, which run side by side there;
- or, of a function whose calls have turned out to take next to nothing, so many as make up some milliseconds.

Guarantees: each call that was handed in gets one answer, or leaves by itself; nothing here waits.  Guarded by
``_lock``: what waits to be sent, how many parcels are under way, and what of each is still waited for.  Executors call
back in threads of their own, some of which hold a lock then or are an event loop.  So they only bring answers, and have
one of those who wait send what comes next.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor
from functools import partial
from math import inf, isqrt
from queue import SimpleQueue
from time import monotonic

from ...base.errors import WorkerLost
from ...base.locks import Lock
from ...base.texts import text_of
from .there import make_calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future
    from multiprocessing.process import BaseProcess
    from typing import TypeAlias

    from ...base.clock import Gate
    from .there import Answer, Sent, Terms

    Came: TypeAlias = tuple[str, Answer] | Callable[[], Exception]
    """From which process an answer is, and the answer; or what makes the error, where there is none."""

    Returned: TypeAlias = tuple[str, list[Answer]]

SHORT = 0.002
"""Seconds: calls of a function that takes no longer travel together.  Arbitrary: some times what sending one takes."""
TOGETHER = 0.01
"""Seconds that those of one parcel take, all together.  Arbitrary: what nobody misses."""
MOST = 64
"""Calls of one parcel for each of its threads.  Arbitrary: by then it is the calls that cost, not the parcel."""


class Sort:
    """What calls have in common that may travel together: a function, and how it is called.

    Attributes:
        name: of the function.
        typical: seconds that a call takes there: a long one counts at once, short ones little by little.
    """

    __slots__ = ("function", "name", "terms", "typical")

    def __init__(self, name: str, function: bytes, terms: Terms) -> None:
        self.name = name
        self.function = function
        self.terms = terms
        self.typical: float = inf

    def took(self, seconds: float) -> None:
        """A call has taken so long.  Of two threads that say so at once, one may be overheard."""
        typical = self.typical
        self.typical = seconds if seconds > typical or typical == inf else typical + (seconds - typical) / 10

    def goes_with(self, other: Sort) -> bool:
        """Whether calls of both may be in one parcel."""
        return self is other or (self.terms == other.terms and self.function == other.function)


class Errand:
    """A call on its way; ``gate`` is opened when there is an answer, or something to be sent."""

    __slots__ = ("came", "gate", "parcel", "sent", "sort")

    def __init__(self, sort: Sort, sent: Sent) -> None:
        self.sort = sort
        self.sent = sent
        self.gate: Gate = SimpleQueue()
        self.parcel: Parcel | None = None
        self.came: Came | None = None


class Parcel:
    """Calls that are one task of the executor's."""

    __slots__ = ("errands", "future", "over", "wanted")

    def __init__(self, errands: list[Errand]) -> None:
        self.errands = errands
        self.wanted = len(errands)  # how many of them are waited for
        self.future: Future[Returned] | None = None
        self.over = False  # it counts as under way no more


class Carrier:
    """What stands between the threads of one fan and an executor.

    Args:
        executor: which is the user's.
        make: makes another one in place of one that is broken, if it may be.
        most: how many calls may be under way.
        threads: how many run at once in one process.
        capacity: how many tasks the executor runs at once; 0 if that is not known.
        by_value: see ``wire``.
        extra: what else is said to the executor of each task.
    """

    def __init__(
        self,
        executor: Executor,
        make: Callable[[], Executor] | None,
        most: int,
        threads: int,
        capacity: int,
        *,
        by_value: bool,
        extra: dict[str, bool],
    ) -> None:
        self.threads = threads
        self.by_value = by_value
        self._executor = executor
        self._make = make
        self._broken: Executor | None = None  # the last one that was
        self._extra = extra
        self._lock = Lock()
        self._making = Lock()  # held while the user's function makes another executor
        self._waiting: deque[Errand] = deque()
        self._under_way = 0
        self._unended: set[Future[Returned]] = set()  # what the executor has
        self._lanes = -(-most // threads)  # parcels that make up the calls that may be under way
        self._few = max(2, 2 * capacity, isqrt(most))  # the same, of calls that take next to nothing
        self.heard: float = monotonic()
        """When an answer has come last."""

    def hand_in(self, errand: Errand) -> bool:
        """Add a call; whether it is to be sent now, and not to wait a moment for others that come."""
        with self._lock:
            self._waiting.append(errand)
            return self.threads == 1 or len(self._waiting) >= self.threads

    def send(self) -> None:
        """Send what may be sent."""
        while (parcel := self._next()) is not None:
            self._submit(parcel)

    def withdraw(self, errand: Errand) -> None:
        """Nobody waits for a call any more."""
        future = None
        with self._lock:
            parcel = errand.parcel
            if parcel is None:
                if errand in self._waiting:
                    self._waiting.remove(errand)
            else:
                parcel.wanted -= 1
                if not parcel.wanted:
                    future = parcel.future
                    self._ended_locked(parcel)
            head = self._waiting[0] if self._waiting else None
        if future is not None:
            future.cancel()
        if head is not None:  # who leaves may have been told to send
            head.gate.put(None)

    def close(self, *, wait: bool) -> None:
        """The fan is closed: so is the executor, if it was made here, with what hangs in it.

        Args:
            wait: until its processes have ended.
        """
        if self._make is None:
            return
        executor, left = self._executor, list(self._unended)
        processes: dict[int, BaseProcess] = getattr(executor, "_processes", None) or {}  # of the standard's, and loky's
        for future in left:
            future.cancel()
        if not all(future.done() for future in left):  # calls that nobody waits for, but the interpreter's end would
            for process in list(processes.values()):
                process.kill()
        executor.shutdown(wait=wait)

    # -- sending -----------------------------------------------------------------------------------------------------

    def _next(self) -> Parcel | None:
        """The calls that go next."""
        with self._lock:
            waiting = self._waiting
            if not waiting:
                return None
            sort, most = waiting[0].sort, self.threads
            if sort.typical <= SHORT:
                if self._under_way >= self._few:
                    return None
                most *= max(1, min(MOST, int(TOGETHER / max(sort.typical, 1e-6))))
            elif self.threads > 1 and self._under_way >= self._lanes:
                return None
            errands: list[Errand] = []
            while waiting and len(errands) < most and sort.goes_with(waiting[0].sort):
                errands.append(waiting.popleft())
            parcel = Parcel(errands)
            for errand in errands:
                errand.parcel = parcel
            self._under_way += 1
            return parcel

    def _submit(self, parcel: Parcel) -> None:
        sort = parcel.errands[0].sort
        calls = [errand.sent for errand in parcel.errands]
        executor = self._executor
        try:
            if executor is self._broken:
                executor = self._another(executor)
            future = executor.submit(
                make_calls, sort.function, sort.terms, calls, self.threads, self.by_value, **self._extra
            )
        except Exception as error:
            if isinstance(error, BrokenExecutor):
                self._broken = executor
            self._bring(parcel, partial(_not_taken, sort.name, error))
            return
        parcel.future = future
        self._unended.add(future)
        future.add_done_callback(partial(self._done, parcel, executor))
        if not parcel.wanted:  # since before it had a future
            future.cancel()

    def _another(self, broken: Executor) -> Executor:
        """The executor in place of one that is broken, made here if it may be; in a thread of the fan."""
        with self._making:
            if self._make is not None and self._executor is broken:
                self._executor = self._make()
            executor = self._executor
        if executor is not broken:
            broken.shutdown(wait=False)
        return executor

    # -- answers -----------------------------------------------------------------------------------------------------

    def _done(self, parcel: Parcel, executor: Executor, future: Future[Returned]) -> None:
        """In a thread of the executor's, or in ours if it was faster."""
        name = parcel.errands[0].sort.name
        self._unended.discard(future)
        # Leave no cycle: as long as anybody has a future of Dask's, that keeps its result, and makes the calls again if
        # the worker that has it is lost.
        parcel.future = None
        if future.cancelled():
            self._bring(parcel, partial(_lost, name, None))
            return
        error = future.exception()
        if error is not None:
            if isinstance(error, BrokenExecutor):
                self._broken = executor
            self._bring(parcel, partial(_lost, name, error))
            return
        where, answers = future.result()
        for errand, answer in zip(parcel.errands, answers, strict=True):
            errand.came = where, answer
        self._bring(parcel)

    def _bring(self, parcel: Parcel, why: Callable[[], Exception] | None = None) -> None:
        """Tell those who wait.

        Args:
            why: makes the error of each, if there are no answers.
        """
        self.heard = monotonic()
        with self._lock:
            self._ended_locked(parcel)
            head = self._waiting[0] if self._waiting else None
        errands, parcel.errands = parcel.errands, []  # leave no cycle
        for errand in errands:
            if why is not None:
                errand.came = why
            errand.gate.put(None)
        if head is not None:
            head.gate.put(None)

    def _ended_locked(self, parcel: Parcel) -> None:
        if not parcel.over:
            parcel.over = True
            self._under_way -= 1


def _lost(name: str, error: BaseException | None) -> Exception:
    what = "its executor has cancelled it" if error is None else f"{type(error).__name__}: {text_of(error)}"
    lost = WorkerLost(f"the call of {name} has come to no end where it was sent, and may have run or not: {what}")
    lost.__cause__ = error
    return lost


def _not_taken(name: str, error: Exception) -> Exception:
    text = f"the executor did not take the call of {name}: {type(error).__name__}: {text_of(error)}"
    refusal = WorkerLost(text) if isinstance(error, BrokenExecutor) else RuntimeError(text)
    refusal.__cause__ = error
    return refusal
