"""``Run``: a batch that was started, and goes on whether or not anybody waits for it."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue

from ..base import checks
from ..base.generic import TYPE_CHECKING, T
from ..batches import loop_here
from ..batches.conduct import raise_error
from ..batches.handle import Handle
from ..batches.reading import sleep
from ..batches.report import put_on
from ..scope.scope import scope_here

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from types import TracebackType
    from typing import Any, Self

    from ..base.clock import Gate
    from ..base.outcome import Outcome
    from ..batches.conduct import Conduct, Wake
    from ..batches.report import Report


class Run(Handle[T]):
    """A batch in the background, started by ``fan.start``: it can be watched, paused, cancelled and waited for.

    It may be used from any thread.  Iterating yields each outcome once, as calls end, and may be done any number of
    times; ``await run`` returns what ``result`` does.  As a context manager it is waited for at the end of the block,
    and cancelled if an exception leaves the block, which then has the report as its attribute ``report``.

    The calls go on even if nothing refers to the run any more.

    Args:
        conduct: what sees to the batch.
        owner: kept alive.
        total: how many inputs there are, if that is known from the start.
    """

    def __init__(self, conduct: Conduct[T], owner: object, total: int | None = None) -> None:
        self._conduct = conduct
        self._owner = owner
        self._total = total
        self._batch = conduct.batch

    def done(self) -> bool:
        """Whether all calls have ended."""
        return self._conduct.over

    def report(self) -> Report[T]:
        """The outcomes of the calls that have ended so far, in input order; of all calls once the run is over."""
        return self._conduct.report()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all calls have ended; a call that waits here gives its slot to others meanwhile.

        Args:
            timeout: seconds.

        Returns:
            False if they have not by then: the run goes on.
        """
        conduct = self._conduct
        seconds = None if timeout is None else checks.pause("timeout", timeout)
        end = None if seconds is None else conduct.batch.scheduler.clock.monotonic() + seconds
        if timeout != 0 and not conduct.over:
            loop_here.check(conduct.batch.scheduler)
        _sleep(conduct, conduct.watch_end, lambda: not conduct.over, end)
        if conduct.over and conduct.meter is not None:
            conduct.meter.close()
        return conduct.over

    def result(self, timeout: float | None = None) -> Report[T]:
        """Wait until all calls have ended, and report on them.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: they have not ended by then; the run goes on.
            BaseException: whatever ended it early (``fail_fast``, an exception from an iterable, ``FanClosed``), with
                the report as its attribute ``report``.
        """
        try:
            if not self.wait(timeout):
                raise TimeoutError(f"the run was not over after {timeout:g} s; it goes on")
            raise_error(self._conduct)
            return self._conduct.report()
        finally:
            del self  # an error's traceback holds this frame: leave no cycle

    def _cancel_all(self) -> bool:
        found = not self._batch.done
        self._conduct.cancel("the run was cancelled")
        return found

    def _taken_inputs(self) -> int:
        return self._batch.accepted if self._total is None else self._total

    # -- outcomes as calls end ---------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Outcome[T]]:
        return _outcomes(self._conduct)

    def __aiter__(self) -> AsyncIterator[Outcome[T]]:
        from .aio.runs import outcomes

        return outcomes(self._conduct)

    def __await__(self) -> Generator[Any, Any, Report[T]]:
        from .aio.runs import ended

        return ended(self._conduct).__await__()

    # -- blocks ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for the end, or cancel what is left because of the exception and wait for that."""
        try:
            if error is None:
                self._wait_for_inputs()
                self.result()
        except BaseException as struck:
            if not self._conduct.over:
                self._end_with(struck)
            raise
        else:
            if error is not None:
                self._end_with(error)
        finally:
            del self, error  # an error's traceback holds this frame: leave no cycle

    def _wait_for_inputs(self) -> None:
        """Wait while inputs may follow, until they have ended or it is said that they do not come."""
        if self._batch.unfinished():
            from . import unfed  # few programs need it

            for seconds in unfed.looks(self._batch):
                if self.wait(seconds):
                    break

    def _end_with(self, error: BaseException) -> None:
        try:
            self._conduct.cancel(f"the block was left by {type(error).__name__}")
            self.wait()
            if getattr(error, "report", None) is None:
                put_on(error, self.report())
        finally:
            del self, error  # an error's traceback holds this frame: leave no cycle

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The same without blocking the event loop."""
        from .aio.runs import ended, give_up

        try:
            if error is None:
                await ended(self._conduct, block=True)
            else:
                await give_up(self._conduct, error)
        finally:
            del self, error  # an error's traceback holds this frame: leave no cycle


def _outcomes(conduct: Conduct[T]) -> Generator[Outcome[T], None, None]:
    place = 0
    try:
        loop_here.check(conduct.batch.scheduler)
        while True:
            taken = conduct.taken()
            while place < len(taken):
                place += 1
                yield conduct.outcome(taken[place - 1])
            if conduct.over and place == len(conduct.taken()):
                break
            _sleep(conduct, partial(conduct.watch, place), partial(conduct.is_idle, place), None)
        raise_error(conduct)
    finally:
        del conduct  # an error's traceback holds this frame: leave no cycle


def _sleep(
    conduct: Conduct[T],
    watch: Callable[[Wake], bool],
    idle: Callable[[], bool],
    end: float | None,
) -> None:
    """Sleep while ``idle()``, until the moment ``end`` at most; a call that waits is ended with its scope."""
    gate: Gate = SimpleQueue()
    told: list[Wake] = []
    scope = scope_here()
    take_back = None if scope is None else scope.on_cancel(partial(gate.put, None))
    try:
        while idle():
            if scope is not None:
                scope.check()
            sleep(conduct.batch, partial(_note_and_watch, told, watch), idle, gate, end)
    except TimeoutError:
        pass
    finally:
        if take_back is not None:
            take_back()
        for wake in told:
            conduct.forget(wake)
        del conduct, watch, idle  # an error's traceback holds this frame: leave no cycle


def _note_and_watch(told: list[Wake], watch: Callable[[Wake], bool], wake: Wake) -> bool:
    told.append(wake)
    return watch(wake)
