"""The calls that a fan and its views offer."""

from __future__ import annotations

from concurrent.futures import Executor
from contextvars import copy_context

from ..base import checks
from ..base.errors import brief
from ..base.generic import TYPE_CHECKING
from ..base.given import real, whole
from ..scope.scope import scope_around

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Generator, Iterable, Iterator
    from concurrent import futures
    from typing import Any, Literal, Never, ParamSpec, TypeAlias, TypeVar, overload

    from ..base.outcome import Outcome
    from ..batches.joiners import AllSucceed, Collect, FirstSuccess, Joiner, Quorum
    from ..batches.report import Report
    from ..calls.future import Future
    from ..calls.options import Options
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry
    from ..pool.scheduler import Scheduler
    from .aio import LoopFuture
    from .graph import Graph
    from .signatures import Signatures

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")
    Items: TypeAlias = Iterable[Any] | AsyncIterable[Any]
    Coroutines: TypeAlias = Callable[..., Coroutine[Any, Any, R]]
    AsyncTask: TypeAlias = Callable[[], Coroutine[Any, Any, T]]
    MixedTask: TypeAlias = Callable[[], Coroutine[Any, Any, T] | T]
else:
    Signatures = object

_UNSET = checks.UNSET
_aio_module: Any = None
_variables_module: Any = None


def _aio() -> Any:
    """The asyncio side, imported on first use; an import statement in ``call`` would cost a tenth of the call."""
    global _aio_module
    if _aio_module is None:
        from . import aio

        _aio_module = aio
    return _aio_module


def _variables() -> Any:
    """What belongs to threads among context variables; imported once a caller has any."""
    global _variables_module
    from ..base import variables

    _variables_module = variables
    return variables


class Front(Signatures):
    """Everything that hands calls in, for a fan and for views of it: safe from any thread and any event loop."""

    _scheduler: Scheduler
    _options: Options
    _future: type[Future[Any]]
    """What ``submit`` makes; imported with the first fan."""

    # -- the standard library's ---------------------------------------------------------------------------------------

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R]:
        """Have ``fn(*args, **kwargs)`` called in a thread, under the fan's timeout.

        Returns:
            A future; at the timeout its result is a ``TaskTimeout``.

        Raises:
            RuntimeError: the fan is shut down, or (``BrokenThreadPool``) its initializer failed.
        """
        scheduler, outer = self._scheduler, scope_around()
        options = self._options
        if options.interrupt:
            fn = options.dressed(fn)
        context = copy_context()
        if context:
            (_variables_module or _variables()).settle(context)
        future: Future[R] = self._future(
            scheduler, fn, args, kwargs, context, options.timeout, scheduler.clock.monotonic()
        )
        future.outer = outer  # before its first attempt, whose wait for the next it bounds
        policies = options.policies
        if policies is not None:
            future.policies, future.state = policies, policies.state(args, kwargs, future.since)
        future.hand_in(scheduler, options.group, policies)
        if outer is not None:
            future.end_with(outer)
        return future

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        **misplaced: Never,
    ) -> Iterator[R]:
        """The results of ``fn`` over the iterables (the shortest one ends it), in input order.

        Args:
            timeout: seconds from now after which waiting for the next result raises ``TimeoutError``.
            chunksize: has no effect on threads.
            buffersize: how many inputs may be taken and not yet yielded; None takes all inputs now, and then the
                results can be read after the fan is closed.
        """
        if misplaced:
            checks.refuse_misplaced("fan.map", misplaced)
        return self._map(fn, iterables, timeout, chunksize, buffersize)

    def starmap(
        self,
        fn: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
        **misplaced: Never,
    ) -> Iterator[R]:
        """``map`` over tuples of arguments: ``fan.starmap(pow, [(2, 5), (3, 2)])`` gives 32 and 9.

        Args:
            iterable: each input has the arguments of one call.
            timeout: and the rest: as for ``map``.
        """
        if misplaced:
            checks.refuse_misplaced("fan.starmap", misplaced)
        return self._map(fn, (iterable,), timeout, chunksize, buffersize, star=True)

    def _map(
        self,
        fn: Callable[..., R],
        iterables: tuple[Iterable[Any], ...],
        timeout: float | None,
        chunksize: int,
        buffersize: int | None,
        *,
        star: bool = False,
    ) -> Iterator[R]:
        from ..batches.stream import mapped

        if not callable(fn):
            raise TypeError(f"{'starmap' if star else 'map'} needs a function to call, not {brief(fn)}")
        if timeout is not None and real(timeout) is None:
            raise TypeError(f"timeout must be a number of seconds or None, not {brief(timeout)}")
        size = None if buffersize is None else whole(buffersize)
        if buffersize is not None and size is None:
            raise TypeError(f"buffersize must be an integer or None, not {brief(buffersize)}")
        if size is not None and size < 1:
            raise ValueError(f"buffersize must be None or > 0, not {buffersize!r}")
        if not iterables:
            return iter(())
        if star:
            from ..batches import intake

            intake.check("fan.starmap", checks.function("fan.starmap", fn), iterables, star=True)
        if size is None and getattr(self.submit, "__func__", None) is not Front.submit:
            # Somebody counts, traces or wraps what is submitted, and map must not pass them by.
            by_one = intake.taking_tuples(fn, iterables, star=True) if star else fn
            return Executor.map(self, by_one, *iterables, timeout=timeout)  # type: ignore[arg-type]
        return mapped(
            self._scheduler, self._options, fn, iterables, timeout=timeout, buffersize=size, star=star, owner=self
        )

    # -- batches ------------------------------------------------------------------------------------------------------

    def run(
        self,
        fn: Callable[..., R],
        /,
        *iterables: Iterable[Any],
        fail_fast: bool = False,
        deadline: float | None = None,
        late: Literal["keep"] | None = None,
        star: bool = False,
        **misplaced: Never,
    ) -> Report[R]:
        """Call ``fn`` on every input, and report what became of each, in input order; failures are collected.

        Args:
            iterables: as for ``map``, but their lengths must agree.  Inputs that are not at hand yet (a generator's)
                are worked on as they come.
            fail_fast: let the first failure cancel the rest, and raise it.
            deadline: seconds for the whole batch; what is unfinished then is cancelled, what is finished is kept.
            late: with ``"keep"``, what is unfinished at the deadline goes on, and ``report.late`` has its futures.
            star: each input is a tuple of arguments, of one iterable: ``fan.run(pow, [(2, 5), (3, 2)], star=True)``.

        Raises:
            BaseException: whatever ended the batch early (``fail_fast``, Ctrl-C, an exception from an iterable,
                ``FanClosed``), with the outcomes so far in its attribute ``report``.
        """
        from ..batches.run import run

        if misplaced:
            checks.refuse_misplaced("fan.run", misplaced)
        return run(
            self._scheduler, self._options, fn, iterables, fail_fast=fail_fast, deadline=deadline, late=late, star=star
        )

    def stream(
        self,
        fn: Callable[..., R],
        /,
        *iterables: Iterable[Any],
        ordered: bool = False,
        window: int | None = None,
        star: bool = False,
        **misplaced: Never,
    ) -> Generator[Outcome[R], None, None]:
        """Call ``fn`` on every input, and hand out each outcome as its call ends; ``outcome.index`` says which it was.

        Work starts at the first ``next``.  Closing the iterator, or leaving the fan's ``with``, cancels what is left.

        Args:
            iterables: as for ``run``; they may be endless.
            ordered: hand out in input order.
            window: how many inputs may be taken and not yet yielded; ``max(64, 4 * max_workers)`` by default.
            star: as for ``run``.

        Raises:
            FanClosed: (while iterating) the fan was closed before the end.
        """
        from ..batches.stream import stream

        if misplaced:
            checks.refuse_misplaced("fan.stream", misplaced)
        return stream(
            self._scheduler, self._options, fn, iterables, ordered=ordered, window=window, star=star, owner=self
        )

    def gather(self, /, *tasks: Callable[[], T], **named: Callable[[], T]) -> Report[T]:
        """Run different functions side by side, and report what became of each.

        Args:
            tasks: functions without arguments, or ``task(fn, *args, **kwargs)``, which takes options of its own.
            named: the same; their outcomes are found in the report by name.
        """
        from ..batches.run import gather

        report: Report[T] = gather(self._scheduler, self._options, tasks, named)
        return report

    if TYPE_CHECKING:  # policies that take any tasks give back what the tasks return

        @overload
        def join(self, policy: FirstSuccess, /, *tasks: Callable[[], T], **named: Callable[[], T]) -> Outcome[T]: ...
        @overload
        def join(
            self, policy: AllSucceed | Collect | Quorum, /, *tasks: Callable[[], T], **named: Callable[[], T]
        ) -> Report[T]: ...
        @overload
        def join(self, policy: Joiner[T, R], /, *tasks: Callable[[], T], **named: Callable[[], T]) -> R: ...

    def join(self, policy: Joiner[Any, Any], /, *tasks: Callable[[], Any], **named: Callable[[], Any]) -> Any:
        """Run different functions side by side until a policy has enough, cancel the rest, and return its result.

        Args:
            policy: is told each outcome as its call ends, here in this thread; see ``threadfan._core.batches.joiners``
                for those there are, and for how to write one.
            tasks: as for ``gather``.
            named: as for ``gather``.

        Raises:
            BaseException: what the policy makes of the outcomes, or whatever ended the batch early, with the outcomes
                so far in its attribute ``report``.
        """
        from ..batches.joining import join

        return join(self._scheduler, self._options, policy, tasks, named)

    def graph(self, /, *functions: Callable[..., Any], name: str = "graph", **misplaced: Never) -> Graph:
        """Functions that depend on each other's results: a parameter named like one takes what that one returns.

        Args:
            functions: the first tasks; ``graph.add`` and ``@graph.task`` add more, with options.
            name: by which events call it.
        """
        from .graph import Graph

        if misplaced:
            checks.refuse_misplaced("fan.graph", misplaced)
        return Graph(self, functions, name)

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
                checks.refuse_misplaced("fan.pipeline", misplaced)
            return Pipeline(self, stages)

    # -- asyncio ------------------------------------------------------------------------------------------------------

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> LoopFuture[R]:
        """``await fan.call(fn, …)``: call ``fn`` in a thread, from a coroutine.

        Cancelling whoever awaits it cancels the call: one that is queued is dropped, of one that runs the scope is
        cancelled and its slot comes back when it returns, or after 0.1 s.
        """
        awaitable: LoopFuture[R] = _aio().call(self._scheduler, self._options, fn, args, kwargs)
        return awaitable

    def asyncify(self, fn: Callable[P, R], /, **misplaced: Never) -> Callable[P, LoopFuture[R]]:
        """``fn`` as a function to await: ``fetch = fan.asyncify(requests.get)``, then ``await fetch(url)``."""
        import inspect
        from functools import wraps

        if misplaced:
            checks.refuse_misplaced("fan.asyncify", misplaced)
        checks.function("fan.asyncify", fn)

        @wraps(fn)
        def awaitable(*args: P.args, **kwargs: P.kwargs) -> LoopFuture[R]:
            return self.call(fn, *args, **kwargs)

        mark = getattr(inspect, "markcoroutinefunction", None)  # for those who ask; since Python 3.12
        return awaitable if mark is None else mark(awaitable)

    if TYPE_CHECKING:

        @overload
        async def arun(
            self,
            fn: Coroutines[R],
            /,
            *iterables: Items,
            fail_fast: bool = False,
            deadline: float | None = None,
            late: Literal["keep"] | None = None,
            star: bool = False,
        ) -> Report[R]: ...
        @overload
        async def arun(
            self,
            fn: Callable[..., R],
            /,
            *iterables: Items,
            fail_fast: bool = False,
            deadline: float | None = None,
            late: Literal["keep"] | None = None,
            star: bool = False,
        ) -> Report[R]: ...

    async def arun(
        self,
        fn: Callable[..., Any],
        /,
        *iterables: Items,
        fail_fast: bool = False,
        deadline: float | None = None,
        late: Literal["keep"] | None = None,
        star: bool = False,
        **misplaced: Never,
    ) -> Report[Any]:
        """``run`` for coroutines; takes async iterables too.  Cancelling the awaiting task cancels the batch.

        ``fn`` may be a coroutine function, which runs in the loop under the same limits: a thread stands by for each
        that runs.
        """
        if misplaced:
            checks.refuse_misplaced("fan.arun", misplaced)
        report: Report[Any] = await _aio().arun(
            self._scheduler, self._options, fn, iterables, fail_fast=fail_fast, deadline=deadline, late=late, star=star
        )
        return report

    if TYPE_CHECKING:

        @overload
        def astream(
            self,
            fn: Coroutines[R],
            /,
            *iterables: Items,
            ordered: bool = False,
            window: int | None = None,
            star: bool = False,
        ) -> AsyncGenerator[Outcome[R], None]: ...
        @overload
        def astream(
            self,
            fn: Callable[..., R],
            /,
            *iterables: Items,
            ordered: bool = False,
            window: int | None = None,
            star: bool = False,
        ) -> AsyncGenerator[Outcome[R], None]: ...

    def astream(
        self,
        fn: Callable[..., Any],
        /,
        *iterables: Items,
        ordered: bool = False,
        window: int | None = None,
        star: bool = False,
        **misplaced: Never,
    ) -> AsyncGenerator[Outcome[Any], None]:
        """``stream`` for coroutines; takes async iterables and coroutine functions too.  ``aclose`` ends it."""
        if misplaced:
            checks.refuse_misplaced("fan.astream", misplaced)
        outcomes: AsyncGenerator[Outcome[Any], None] = _aio().astream(
            self._scheduler, self._options, fn, iterables, ordered=ordered, window=window, star=star, owner=self
        )
        return outcomes

    if TYPE_CHECKING:

        @overload
        async def agather(self, /, *tasks: AsyncTask[T], **named: AsyncTask[T]) -> Report[T]: ...
        @overload
        async def agather(self, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Report[T]: ...
        @overload
        async def agather(self, /, *tasks: Callable[[], Any], **named: Callable[[], Any]) -> Report[Any]: ...

    async def agather(self, /, *tasks: Callable[[], Any], **named: Callable[[], Any]) -> Report[Any]:
        """``gather`` for coroutines; tasks may be coroutine functions."""
        report: Report[Any] = await _aio().agather(self._scheduler, self._options, tasks, named)
        return report

    if TYPE_CHECKING:

        @overload
        async def ajoin(self, policy: FirstSuccess, /, *tasks: AsyncTask[T], **named: AsyncTask[T]) -> Outcome[T]: ...
        @overload
        async def ajoin(self, policy: FirstSuccess, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Outcome[T]: ...
        @overload
        async def ajoin(
            self, policy: AllSucceed | Collect | Quorum, /, *tasks: AsyncTask[T], **named: AsyncTask[T]
        ) -> Report[T]: ...
        @overload
        async def ajoin(
            self, policy: AllSucceed | Collect | Quorum, /, *tasks: MixedTask[T], **named: MixedTask[T]
        ) -> Report[T]: ...
        @overload
        async def ajoin(self, policy: Joiner[T, R], /, *tasks: MixedTask[T], **named: MixedTask[T]) -> R: ...

    async def ajoin(self, policy: Joiner[Any, Any], /, *tasks: Callable[[], Any], **named: Callable[[], Any]) -> Any:
        """``join`` for coroutines, whose tasks may be coroutine functions; the policy is asked in the event loop.

        Cancelling the awaiting task cancels all.
        """
        return await _aio().ajoin(self._scheduler, self._options, policy, tasks, named)

    # -- options and figures ------------------------------------------------------------------------------------------

    def with_options(
        self,
        *,
        timeout: float | None = _UNSET,
        retry: Retry = _UNSET,
        rate: RateLimit | None = _UNSET,
        hedge: Hedge | None = _UNSET,
        max_concurrent: int | None = _UNSET,
        interrupt: bool = _UNSET,
        **misplaced: Never,
    ) -> View:
        """The same threads and slots under other options; what is not given stays as it is.

        Args:
            timeout: seconds for each attempt of a call, or None.
            retry: what is tried again, as for ``Fan``; None for nothing.
            rate: a ``RateLimit``, or None.
            hedge: a ``Hedge``, or None.
            max_concurrent: how many calls through the view may run at once, within the shared slots; None for no cap.
            interrupt: raise ``CallCancelled`` in a call that is over, at its next bytecode, for pure Python loops
                that do not look at their scope.  It may strike anywhere, inside a ``finally`` or an import too, so
                only for functions that stand it; it does not reach code that waits in C.
        """
        if misplaced:
            checks.refuse_misplaced("with_options", misplaced)
        changes = checks.given(
            timeout=timeout, retry=retry, rate=rate, hedge=hedge, max_concurrent=max_concurrent, interrupt=interrupt
        )
        return View(self, self._scheduler, self._options.changed(changes))

    def snapshot(self) -> dict[str, int]:
        """Live figures of the whole fan.

        Returns:
            ``queued``, ``running``, ``waiting`` (calls that back off, or wait for a rate limit or for calls of their
            own), ``abandoned`` (threads stuck in calls that are over), ``done`` (all calls that ended), ``failed``
            (those of them without a value), ``slots``, ``retries`` (attempts after the first), ``input_tokens`` and
            ``output_tokens`` (as attached clients have noted them).
        """
        return self._scheduler.snapshot()


class View(Front):
    """A fan's threads and slots under other options; made by ``with_options``.  Closing is the fan's affair."""

    def __init__(self, origin: Front, scheduler: Scheduler, options: Options) -> None:
        self._origin = origin  # keeps the fan alive
        self._scheduler = scheduler
        self._options = options
        self._future = origin._future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """A view does not own its threads.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a view cannot be shut down: shut down the Fan that with_options was called on")

    def __repr__(self) -> str:
        name, options = self._scheduler.name, self._options
        return f"<view of {name!r}: timeout={options.timeout}, max_concurrent={options.group.limit}>"


def behind(fan: Front) -> tuple[Scheduler, Options]:
    """The scheduler and the options by which the calls of a fan or a view are made, for what is built on them."""
    return fan._scheduler, fan._options
