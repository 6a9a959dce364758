"""What type checkers are told of ``fan.pipeline``: what goes in, and what comes out.

Never imported: the overloads of a method say it once for each number of stages.  The first stage may be a function, a
coroutine function or a task; what a task takes is not known, so neither is what the items must be.  The last one's
coroutine is left to ``Pipeline.arun``, and longer pipelines are not followed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from ..base.generic import Coro
from ..batches.tasks import Task

if TYPE_CHECKING:
    from ..pipeline.stages import GivenStage
    from .pipeline import Pipeline

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")

Unknown: TypeAlias = "Pipeline[Any, B]"
Awaited: TypeAlias = Callable[[A], Coro[B]]
Inner: TypeAlias = Callable[[A], Coro[B] | B] | Task[Coro[B] | B]
Last: TypeAlias = Callable[[A], B] | Task[B]


class Signatures:
    """A base of ``Front``, for type checkers."""

    @overload
    def pipeline(self, one: Task[B], /) -> Unknown[B]: ...
    @overload
    def pipeline(self, one: Callable[[A], B], /) -> Pipeline[A, B]: ...

    @overload
    def pipeline(self, one: Task, two: Last[B, C], /) -> Unknown[C]: ...
    @overload
    def pipeline(self, one: Awaited[A, B], two: Last[B, C], /) -> Pipeline[A, C]: ...
    @overload
    def pipeline(self, one: Callable[[A], B], two: Last[B, C], /) -> Pipeline[A, C]: ...

    @overload
    def pipeline(self, one: Task, two: Inner[B, C], three: Last[C, D], /) -> Unknown[D]: ...
    @overload
    def pipeline(self, one: Awaited[A, B], two: Inner[B, C], three: Last[C, D], /) -> Pipeline[A, D]: ...
    @overload
    def pipeline(self, one: Callable[[A], B], two: Inner[B, C], three: Last[C, D], /) -> Pipeline[A, D]: ...

    @overload
    def pipeline(self, one: Task, two: Inner[B, C], three: Inner[C, D], four: Last[D, E], /) -> Unknown[E]: ...
    @overload
    def pipeline(
        self, one: Awaited[A, B], two: Inner[B, C], three: Inner[C, D], four: Last[D, E], /
    ) -> Pipeline[A, E]: ...
    @overload
    def pipeline(
        self, one: Callable[[A], B], two: Inner[B, C], three: Inner[C, D], four: Last[D, E], /
    ) -> Pipeline[A, E]: ...

    @overload
    def pipeline(
        self, one: Task, two: Inner[B, C], three: Inner[C, D], four: Inner[D, E], five: Last[E, F], /
    ) -> Unknown[F]: ...
    @overload
    def pipeline(
        self, one: Awaited[A, B], two: Inner[B, C], three: Inner[C, D], four: Inner[D, E], five: Last[E, F], /
    ) -> Pipeline[A, F]: ...
    @overload
    def pipeline(
        self, one: Callable[[A], B], two: Inner[B, C], three: Inner[C, D], four: Inner[D, E], five: Last[E, F], /
    ) -> Pipeline[A, F]: ...

    @overload
    def pipeline(
        self,
        one: GivenStage,
        two: GivenStage,
        three: GivenStage,
        four: GivenStage,
        five: GivenStage,
        six: GivenStage,
        /,
        *more: GivenStage,
    ) -> Pipeline: ...

    def pipeline(self, *stages: GivenStage) -> Pipeline:
        """Stages that items go through, each at its own pace: ``fan.pipeline(research, analyse).run(companies)``.

        Each item enters its next stage the moment it is ready, whatever the others do.

        Args:
            stages: functions of one item, the first of the input, each other of what the one before has returned; or
                ``stage(fn, max_concurrent=4, …)``, which takes options of its own.
        """
        raise NotImplementedError
