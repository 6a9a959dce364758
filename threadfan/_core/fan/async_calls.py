"""What coroutines await: ``call``, and the batches of the other side."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from os import PathLike
    from types import ModuleType
    from typing import Any, Literal, Never, ParamSpec, TypeAlias, TypeVar, overload

    from ..base.generic import Coro
    from ..base.outcome import Outcome
    from ..batches.joiners import AllSucceed, Collect, FirstSuccess, Joiner, Quorum
    from ..batches.metering import Shown
    from ..batches.report import Report
    from ..batches.streamed import AsyncRunStream, AsyncTextStream
    from ..calls.options import Options
    from ..journal.values import Codec, Key
    from ..policies.budget import Budget
    from ..policies.rate_limit import RateLimit
    from ..pool.scheduler import Scheduler
    from .aio.calls import LoopFuture

    P = ParamSpec("P")
    R = TypeVar("R")
    T = TypeVar("T")
    Items: TypeAlias = Iterable[object] | AsyncIterable[object]
    Coroutines: TypeAlias = Callable[..., Coro[R]]
    AsyncTask: TypeAlias = Callable[[], Coro[T]]
    MixedTask: TypeAlias = Callable[[], Coro[T] | T]

_calls_module: ModuleType | None = None


def _calls() -> ModuleType:
    """Imported on first use; an import statement in ``call`` would cost a tenth of the call."""
    global _calls_module
    if _calls_module is None:
        from .aio import calls

        _calls_module = calls
    return _calls_module


class AsyncCalls:
    """Calls that coroutines await."""

    _scheduler: Scheduler
    _options: Options

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> LoopFuture[R]:
        """``await fan.call(fn, …)``: call ``fn`` in a thread, from a coroutine.

        Cancelling the awaiting task cancels the call: a queued call is dropped; of a running one the scope is
        cancelled, and its slot is free when it returns, or after 0.1 s.
        """
        awaitable: LoopFuture[R] = (_calls_module or _calls()).call(self._scheduler, self._options, fn, args, kwargs)
        return awaitable

    def asyncify(self, fn: Callable[P, R], /, **misplaced: Never) -> Callable[P, LoopFuture[R]]:
        """``fn`` as a function to await: ``fetch = fan.asyncify(requests.get)``, then ``await fetch(url)``."""
        import inspect
        from functools import wraps

        from ..base.checks import function, refuse_misplaced

        if misplaced:
            refuse_misplaced("fan.asyncify", misplaced)
        function("fan.asyncify", fn)

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
            progress: Shown = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            key: Key | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
            unique: bool = False,
            by: Callable[..., object] | None = None,
            max_concurrent: int | None = None,
            rate: RateLimit | None = None,
            priority: float | None = None,
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
            progress: Shown = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            key: Key | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
            unique: bool = False,
            by: Callable[..., object] | None = None,
            max_concurrent: int | None = None,
            rate: RateLimit | None = None,
            priority: float | None = None,
        ) -> Report[R]: ...

    async def arun(
        self,
        fn: Callable[..., object],
        /,
        *iterables: Items,
        fail_fast: bool = False,
        deadline: float | None = None,
        late: Literal["keep"] | None = None,
        star: bool = False,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        key: Key | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        unique: bool = False,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> Report[object]:
        """``run`` for coroutines; takes async iterables too.  Cancelling the awaiting task cancels the batch.

        ``fn`` may be a coroutine function, which runs in the event loop under the same limits; each running coroutine
        occupies a slot and a thread.
        """
        from .aio.batches import arun, arun_journaled
        from .arguments import asked_of, limited, stops_of

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.arun", misplaced)
        asked = asked_of(journal, key, version, codec, unique)
        stops = stops_of(halt, max_errors, budget)
        options = limited(self._options, by, max_concurrent, rate, priority)
        if asked is not None:
            return await arun_journaled(
                self._scheduler, options, fn, iterables, fail_fast=fail_fast, deadline=deadline, late=late,
                star=star, progress=progress, halt=stops, asked=asked,
            )  # fmt: skip
        return await arun(
            self._scheduler,
            options,
            fn,
            iterables,
            fail_fast=fail_fast,
            deadline=deadline,
            late=late,
            star=star,
            progress=progress,
            halt=stops,
        )

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
            progress: Shown = False,
            keep: bool = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            key: Key | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
            unique: bool = False,
            by: Callable[..., object] | None = None,
            max_concurrent: int | None = None,
            rate: RateLimit | None = None,
            priority: float | None = None,
        ) -> AsyncRunStream[R]: ...
        @overload
        def astream(
            self,
            fn: Callable[..., R],
            /,
            *iterables: Items,
            ordered: bool = False,
            window: int | None = None,
            star: bool = False,
            progress: Shown = False,
            keep: bool = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            key: Key | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
            unique: bool = False,
            by: Callable[..., object] | None = None,
            max_concurrent: int | None = None,
            rate: RateLimit | None = None,
            priority: float | None = None,
        ) -> AsyncRunStream[R]: ...

    def astream(
        self,
        fn: Callable[..., object],
        /,
        *iterables: Items,
        ordered: bool = False,
        window: int | None = None,
        star: bool = False,
        progress: Shown = False,
        keep: bool = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        key: Key | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        unique: bool = False,
        by: Callable[..., object] | None = None,
        max_concurrent: int | None = None,
        rate: RateLimit | None = None,
        priority: float | None = None,
        **misplaced: Never,
    ) -> AsyncRunStream[Any]:
        """``stream`` for coroutines; takes async iterables and coroutine functions too.  ``aclose`` ends it."""
        from .aio.streams import astream
        from .arguments import asked_of, limited, stops_of

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.astream", misplaced)
        return astream(
            self._scheduler,
            limited(self._options, by, max_concurrent, rate, priority),
            fn,
            iterables,
            ordered=ordered,
            window=window,
            star=star,
            owner=self,
            progress=progress,
            keep=keep,
            halt=stops_of(halt, max_errors, budget),
            said=asked_of(journal, key, version, codec, unique),
        )

    def astream_text(
        self,
        fn: Callable[..., object],
        /,
        *iterables: Items,
        star: bool = False,
        buffer: int | None = None,
        progress: Shown = False,
        **misplaced: Never,
    ) -> AsyncTextStream:
        """``stream_text`` for coroutines; takes async iterables and asynchronous generator functions too."""
        from .aio.text_streams import astream_text

        if misplaced:
            from ..base.checks import refuse_misplaced

            refuse_misplaced("fan.astream_text", misplaced)
        return astream_text(
            self._scheduler, self._options, fn, iterables, buffer=buffer, star=star, owner=self, progress=progress
        )

    if TYPE_CHECKING:

        @overload
        async def agather(self, /, *tasks: AsyncTask[T], **named: AsyncTask[T]) -> Report[T]: ...
        @overload
        async def agather(self, /, *tasks: MixedTask[T], **named: MixedTask[T]) -> Report[T]: ...
        @overload
        async def agather(self, /, *tasks: Callable[[], Any], **named: Callable[[], Any]) -> Report[Any]: ...

    async def agather(self, /, *tasks: Callable[[], object], **named: Callable[[], object]) -> Report[Any]:
        """``gather`` for coroutines; tasks may be coroutine functions."""
        from .aio.batches import agather

        return await agather(self._scheduler, self._options, tasks, named)

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

    async def ajoin(
        self, policy: Joiner[Any, Any], /, *tasks: Callable[[], object], **named: Callable[[], object]
    ) -> object:
        """``join`` for coroutines, whose tasks may be coroutine functions; the policy is asked in the event loop.

        Cancelling the awaiting task cancels all.
        """
        from .aio.batches import ajoin

        return await ajoin(self._scheduler, self._options, policy, tasks, named)
