"""``fan.pipeline``: stages that each item goes through at its own pace."""

from __future__ import annotations

from contextlib import nullcontext

from ..base import checks
from ..base.generic import TYPE_CHECKING, Generic, In_contra, Out_co
from ..base.texts import brief
from ..batches import metering
from ..batches.halting import stops
from ..batches.window import window_of
from ..pipeline import completion, stream
from ..pipeline.stages import as_stage, names_of
from .arguments import stops_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from os import PathLike
    from typing import Never, TypeVar, overload

    from ..base.generic import Coro
    from ..batches.halting import Stops
    from ..batches.journaled_functions import JournaledFunctions
    from ..batches.metering import Shown
    from ..batches.tasks import Take
    from ..calls.options import Options
    from ..journal.values import Codec
    from ..pipeline.pipeline_run import PlannedStages
    from ..pipeline.report import PipelineReport
    from ..pipeline.stages import GivenStage
    from ..pipeline.streamed import AsyncItemStream, ItemStream
    from ..policies.budget import Budget
    from ..pool.scheduler import Scheduler

    R = TypeVar("R")


class Pipeline(Generic[In_contra, Out_co]):
    """Stages that items go through, each at its own pace; made by ``fan.pipeline``.

    It keeps no state of its runs: it can be run again, and from several threads at once.  The limits and buffers of
    its stages hold for each run by itself; for a limit over several runs share a ``RateLimit``, or make the pipeline
    from a view with ``max_concurrent``.
    """

    def __init__(
        self, scheduler: Scheduler, options: Options, stages: tuple[GivenStage, ...], *, owner: object
    ) -> None:
        if not stages:
            raise TypeError("a pipeline needs at least one stage: fan.pipeline(research, analyse)")
        self._scheduler, self._options, self._owner = scheduler, options, owner
        self._stages = [as_stage(one) for one in stages]
        self._names = names_of(self._stages)
        self._own = [options.changed(one.changes) for one in self._stages]
        for one in self._stages:
            if one.max_concurrent is not None:
                options.at_most(one.max_concurrent)

    def run(
        self,
        items: Iterable[In_contra],
        /,
        *,
        fail_fast: bool = False,
        deadline: float | None = None,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        **misplaced: Never,
    ) -> PipelineReport[Out_co]:
        """Send every item through all stages, and report what became of each, in input order.

        An item that fails in a stage enters no further one.

        Args:
            items: one iterable.  A generator is read in this thread, as there is room for its items in front of the
                first stage.
            fail_fast: let the first failure cancel the rest, and raise it.
            deadline: seconds for the whole run; what is unfinished then is cancelled, what is finished is kept.
            progress: as for ``fan.run``; it counts items.
            halt: as for ``fan.run``, as are ``max_errors`` and ``budget``; it counts items.  Once they stop the run no
                call starts in any stage: an item between two stages is cancelled, too.
            journal: the path of a file that keeps each result, by the name of the stage and its argument: a call that
                has succeeded is not made again by a run with the same file.
            version: with a journal, as for ``fan.run``.
            codec: with a journal, as for ``fan.run``.

        Raises:
            BaseException: whatever ended the run early, as for ``fan.run``, with the outcomes so far in its attribute
                ``report``.
        """
        where = "pipeline.run"
        kept, halting = self._kept(journal, version, codec), stops(stops_of(halt, max_errors, budget))
        plan = self._plan(where, checks.function, kept, halting)
        _check(where, items, misplaced)
        progress = metering.wanted(progress, self._options)
        fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
        with kept or nullcontext():
            return completion.run(  # type: ignore[return-value]  # it is what a run of a pipeline makes
                self._scheduler,
                self._options,
                plan,
                items,
                fail_fast=fail_fast,
                deadline=deadline,
                progress=progress,
                halt=halting,
            )

    def stream(
        self,
        items: Iterable[In_contra],
        /,
        *,
        ordered: bool = False,
        window: int | None = None,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        **misplaced: Never,
    ) -> ItemStream[Out_co]:
        """Send every item through all stages, and hand out each outcome as its item leaves the last one, or fails.

        Work starts at the first ``next``.  Closing the iterator, or leaving the fan's ``with``, cancels what is left.

        Args:
            items: as for ``run``; it may be endless.
            ordered: hand out in input order.
            window: how many items may be taken and not yet yielded; ``max(64, 4 * max_workers)`` by default.
            progress: as for ``run``.
            halt, max_errors, budget: as for ``run``; items that were taken and are not finished are handed out as
                cancelled, no further item is taken, and the stream's ``stopped`` says why.
            journal, version, codec: as for ``run``.

        Raises:
            FanClosed: (while iterating) the fan was closed before the end.
        """
        where = "pipeline.stream"
        kept, halting = self._kept(journal, version, codec), stops(stops_of(halt, max_errors, budget))
        plan = self._plan(where, checks.function, kept, halting)
        _check(where, items, misplaced)
        progress = metering.wanted(progress, self._options)
        size, ordered = window_of(self._scheduler, window), checks.flag("ordered", ordered)
        return stream.stream(
            self._scheduler, self._options, plan, items, ordered=ordered, window=size, owner=self._owner, kept=kept,
            progress=progress, halt=halting,
        )  # fmt: skip

    if TYPE_CHECKING:  # the last stage may be a coroutine function

        @overload
        async def arun(
            self: Pipeline[In_contra, Coro[R]],
            items: Iterable[In_contra] | AsyncIterable[In_contra],
            /,
            *,
            fail_fast: bool = False,
            deadline: float | None = None,
            progress: Shown = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
        ) -> PipelineReport[R]: ...
        @overload
        async def arun(
            self,
            items: Iterable[In_contra] | AsyncIterable[In_contra],
            /,
            *,
            fail_fast: bool = False,
            deadline: float | None = None,
            progress: Shown = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
        ) -> PipelineReport[Out_co]: ...

    async def arun(
        self,
        items: Iterable[In_contra] | AsyncIterable[In_contra],
        /,
        *,
        fail_fast: bool = False,
        deadline: float | None = None,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        **misplaced: Never,
    ) -> PipelineReport[object]:
        """``run`` for coroutines; takes async iterables and coroutine functions too.

        Cancelling the awaiting task cancels the run.
        """
        from .aio import pipelines
        from .aio.coroutines import taker
        from .aio.loops import running_loop

        where = "pipeline.arun"
        kept, halting = self._kept(journal, version, codec), stops(stops_of(halt, max_errors, budget))
        plan = self._plan(where, taker(running_loop(where)), kept, halting)
        _check(where, items, misplaced)
        progress = metering.wanted(progress, self._options)
        fail_fast, deadline = checks.flag("fail_fast", fail_fast), checks.seconds("deadline", deadline)
        with kept or nullcontext():
            return await pipelines.arun(  # type: ignore[return-value]  # it is what a run of a pipeline makes
                self._scheduler,
                self._options,
                plan,
                items,
                fail_fast=fail_fast,
                deadline=deadline,
                progress=progress,
                halt=halting,
            )

    if TYPE_CHECKING:

        @overload
        def astream(
            self: Pipeline[In_contra, Coro[R]],
            items: Iterable[In_contra] | AsyncIterable[In_contra],
            /,
            *,
            ordered: bool = False,
            window: int | None = None,
            progress: Shown = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
        ) -> AsyncItemStream[R]: ...
        @overload
        def astream(
            self,
            items: Iterable[In_contra] | AsyncIterable[In_contra],
            /,
            *,
            ordered: bool = False,
            window: int | None = None,
            progress: Shown = False,
            halt: str | None = None,
            max_errors: int | None = None,
            budget: Budget | None = None,
            journal: str | PathLike[str] | None = None,
            version: str | int | None = None,
            codec: Codec | None = None,
        ) -> AsyncItemStream[Out_co]: ...

    def astream(
        self,
        items: Iterable[In_contra] | AsyncIterable[In_contra],
        /,
        *,
        ordered: bool = False,
        window: int | None = None,
        progress: Shown = False,
        halt: str | None = None,
        max_errors: int | None = None,
        budget: Budget | None = None,
        journal: str | PathLike[str] | None = None,
        version: str | int | None = None,
        codec: Codec | None = None,
        **misplaced: Never,
    ) -> AsyncItemStream[object]:
        """``stream`` for coroutines; takes async iterables and coroutine functions too.  ``aclose`` ends it."""
        from .aio import pipelines
        from .aio.coroutines import taker
        from .aio.loops import running_loop

        where = "pipeline.astream"
        coroutines = any(checks.is_coroutine_function(one.fn, generators=False) for one in self._stages)
        kept, halting = self._kept(journal, version, codec), stops(stops_of(halt, max_errors, budget))
        plan = self._plan(where, taker(running_loop(where)) if coroutines else checks.function, kept, halting)
        _check(where, items, misplaced)
        progress = metering.wanted(progress, self._options)
        size, ordered = window_of(self._scheduler, window), checks.flag("ordered", ordered)
        return pipelines.astream(
            self._scheduler, self._options, plan, items, ordered=ordered, window=size, owner=self._owner, kept=kept,
            progress=progress, halt=halting,
        )  # fmt: skip

    def _plan(self, where: str, take: Take, kept: JournaledFunctions | None, halting: Stops | None) -> PlannedStages:
        """The stages with the functions to call: ``take`` refuses what cannot be called in a thread, or wraps it."""
        named = zip(self._names, self._stages, self._own, strict=True)
        planned = [(name, one, own, take(where, one.fn)) for name, one, own in named]
        if halting is not None:
            planned = [(name, one, own, halting.around_steps(fn)) for name, one, own, fn in planned]
        if kept is None:
            return planned
        return [(name, one, own, kept.around(name, one.fn, fn)) for name, one, own, fn in planned]

    def _kept(
        self, journal: str | PathLike[str] | None, version: str | int | None, codec: Codec | None
    ) -> JournaledFunctions | None:
        from .arguments import asked_of

        asked = asked_of(journal, None, version, codec, False)
        if asked is None:
            return None
        from ..batches.journaled_functions import JournaledFunctions

        return JournaledFunctions("pipeline", asked)

    def __repr__(self) -> str:
        return f"<Pipeline {' | '.join(self._names)}>"


def _check(where: str, items: object, misplaced: dict[str, Never]) -> None:
    if misplaced:
        checks.refuse_misplaced(where, misplaced)
    checks.text(f"what {where} is given", items)
    kind = type(items)
    if not any(hasattr(kind, name) for name in ("__iter__", "__getitem__", "__aiter__")):
        raise TypeError(f"{where} needs an iterable of items, not {brief(items)}")
    if hasattr(kind, "__aiter__") and not hasattr(kind, "__iter__") and not where.startswith("pipeline.a"):
        raise TypeError(f"{where} takes no async iterable such as {brief(items)}: await pipeline.a{where[9:]} instead")
