"""All that hands calls in, for a fan and for views of it."""

from __future__ import annotations

from ..base.unset import UNSET
from .async_calls import AsyncCalls
from .batch_calls import BatchCalls
from .standard_calls import StandardCalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent import futures
    from typing import Never, ParamSpec, TypeVar

    from ..batches.metering import Shown
    from ..batches.running import RunningCall
    from ..calls.options import Functions, Options
    from ..policies.breaker import Breaker
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry
    from ..pool.scheduler import Scheduler
    from .aio.calls import LoopFuture
    from .graph import Graph
    from .signatures import Signatures

    P = ParamSpec("P")
    R = TypeVar("R")
else:
    Signatures = object


class Front(StandardCalls, BatchCalls, AsyncCalls, Signatures):
    """Everything that hands calls in, for a fan and for views of it: safe from any thread and any event loop.

    Each base is one face of it, and knows nothing of the others; all have the same threads and options.  Here is what
    is made of a fan to be used later: graphs, pipelines and views.
    """

    def graph(self, /, *functions: Callable[..., object], name: str = "graph", **misplaced: Never) -> Graph:
        """A graph of functions that depend on each other: a parameter with the name of one takes what that one returns.

        Args:
            functions: the first tasks; ``graph.add`` and ``@graph.task`` add more, with options.
            name: its name in events.
        """
        from .graph import Graph

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.graph", misplaced)
        return Graph(self._scheduler, self._options, functions, name, owner=self)

    if not TYPE_CHECKING:  # to type checkers ``Signatures`` says more

        def pipeline(self, *stages, **misplaced):
            """Stages that items go through, each at its own pace: ``fan.pipeline(research, analyse).run(companies)``.

            Each item enters its next stage the moment it is ready, whatever the others do.

            Args:
                stages: functions of one item, the first of the input, each other of what the one before has returned;
                    or ``stage(fn, max_concurrent=4, …)``, which takes options of its own.
            """
            from .pipeline import Pipeline

            if misplaced:
                from ..base.checks import refuse_misplaced

                refuse_misplaced("fan.pipeline", misplaced)
            return Pipeline(self._scheduler, self._options, stages, owner=self)

    def with_options(
        self,
        *,
        timeout: float | None = UNSET,
        retry: Retry = UNSET,
        rate: RateLimit | None = UNSET,
        hedge: Hedge | None = UNSET,
        breaker: Breaker | None = UNSET,
        total_timeout: float | None = UNSET,
        fallback: Functions | None = UNSET,
        idle_timeout: float | None = UNSET,
        max_concurrent: int | None = UNSET,
        interrupt: bool = UNSET,
        progress: Shown = UNSET,
        priority: float = UNSET,
        unique: bool = UNSET,
        **misplaced: Never,
    ) -> View:
        """A view: the same threads and slots under other options; an option that is not given stays as it is.

        Args:
            timeout: seconds for each attempt of a call, or None.
            total_timeout: seconds for all its attempts and the back-offs between them, or None.
            retry: what is tried again, as for ``Fan``; None for nothing.
            rate: a ``RateLimit``, or None.
            hedge: a ``Hedge``, or None.
            breaker: a ``Breaker``, or None.
            fallback: what is called when a call has failed, as for ``Fan``, or None.
            idle_timeout: seconds for which a call may read nothing and not touch its scope, or None.
            max_concurrent: how many calls through the view may run at once, within the shared slots; None for no cap.
            interrupt: raise ``CallCancelled`` in a call that has timed out or was cancelled, at its next bytecode, for
                pure Python loops that do not look at their scope.  It may strike anywhere, inside a ``finally`` or an
                import too, so give it only to functions that bear it; it does not reach code that waits in C.
            progress: show the progress of each batch that goes through the view, as ``progress`` of ``run`` does: of
                ``run``, ``start``, ``stream``, ``gather``, ``join``, graphs, pipelines and patterns.
            priority: a number, 0 by default; of the calls of a fan that wait, those with the smallest go first.
                Nothing waits for ever: of ten turns one is for the other priorities, in rotation.
            unique: equal calls under way at the same time (of one function, with arguments that are equal, of one type
                and hashable) are made once, in ``submit``, ``call``, ``asyncify`` and ``map``; each caller has a future
                of its own, which can be cancelled alone.
        """
        from ..base.checks import flag, given, refuse_misplaced

        if misplaced:
            refuse_misplaced("with_options", misplaced)
        changes = given(
            timeout=timeout,
            retry=retry,
            rate=rate,
            hedge=hedge,
            breaker=breaker,
            total_timeout=total_timeout,
            fallback=fallback,
            idle_timeout=idle_timeout,
            max_concurrent=max_concurrent,
            interrupt=interrupt,
            progress=progress,
            priority=priority,
        )
        if "progress" in changes:
            from ..batches.metering import check

            check(progress)
        shares = isinstance(self, UniqueView) if unique is UNSET else flag("unique", unique)
        return (UniqueView if shares else View)(self, self._scheduler, self._options.changed(changes))

    def snapshot(self) -> dict[str, int]:
        """Live figures of the whole fan.

        Returns:
            ``queued``, ``running``, ``waiting`` (calls that back off, or wait for a rate limit or for calls of their
            own), ``abandoned`` (threads stuck in calls that are over), ``done`` (all calls that ended), ``failed``
            (those of them without a value), ``slots``, ``retries`` (attempts after the first), ``input_tokens`` and
            ``output_tokens`` (as attached clients have noted them).
        """
        return self._scheduler.snapshot()

    def running(self) -> list[RunningCall]:
        """The calls that run now in the whole fan, oldest first; calls that a call waits for are in its ``calls``.

        As text each is a tree: ``for call in fan.running(): print(call)``.
        """
        from ..batches.running import running

        return running(self._scheduler)


class View(Front):
    """A fan's threads and slots under other options; made by ``with_options``.  Closing is the fan's affair."""

    def __init__(self, origin: Front, scheduler: Scheduler, options: Options) -> None:
        self._origin = origin  # keeps the fan alive
        self._scheduler = scheduler
        self._options = options
        self._future = origin._future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """A view does not own its threads.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a view cannot be shut down: shut down the Fan that with_options was called on")

    def __repr__(self) -> str:
        name, options = self._scheduler.name, self._options
        return f"<view of {name!r}: timeout={options.timeout}, max_concurrent={options.cap.limit}>"


class UniqueView(View):
    """A view of which equal calls under way share one, see ``calls.shared_calls``."""

    def __init__(self, origin: Front, scheduler: Scheduler, options: Options) -> None:
        from ..calls.shared_calls import SharedCalls  # few programs need it

        super().__init__(origin, scheduler, options)
        self._shared = SharedCalls()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R]:
        """A future of ``fn(*args, **kwargs)``, of a call that was handed in before if an equal one is under way."""
        return self._shared.submit(self._scheduler, super().submit, fn, args, kwargs)  # type: ignore

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> LoopFuture[R]:
        """The same, to await."""
        from .aio.shared import awaited

        return awaited(self.submit, fn, args, kwargs)


def behind(fan: Front) -> tuple[Scheduler, Options]:
    """The scheduler and the options by which the calls of a fan or a view are made, for what is built on them."""
    return fan._scheduler, fan._options
