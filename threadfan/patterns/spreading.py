"""One job as many calls: ``fan_out`` takes it apart, ``map_reduce`` folds what comes of its parts."""

from __future__ import annotations

from contextlib import aclosing, closing

from .._core.base import checks
from .._core.base.fitting import fits
from .._core.base.generic import TYPE_CHECKING, Coro, Generic, T
from .._core.base.given import is_text
from .._core.base.static import describe
from .._core.base.unset import Unset
from .aggregate import values_of
from .errors import carrying
from .results import Aggregate, Synthesis

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from typing import Any, TypeAlias, TypeVar, overload

    from .._core.base.outcome import Outcome
    from .._core.batches.report import Report
    from .._core.fan.front import Front

    J = TypeVar("J")
    P = TypeVar("P")
    R = TypeVar("R")
    Async: TypeAlias = Callable[[P], Coro[T]]
    Mixed: TypeAlias = Callable[[P], Coro[T] | T]

_NONE: Any = Unset("not given")


def fan_out(
    fan: Front,
    job: J,
    /,
    *,
    decompose: Callable[[J], Iterable[P]],
    work: Callable[[P], T],
    synthesise: Callable[[Report[T]], R],
    partial: bool = False,
) -> Synthesis[R]:
    """Take a job apart, work on its parts side by side, and make one result of theirs.

    All three are called on the fan, under its timeout, retries and rate.

    Args:
        fan: runs them; or a view of it.
        job: given to ``decompose``.
        decompose: gives the parts.
        work: called with each part.
        synthesise: is given the report: a sequence of outcomes, each with its part as ``item`` and its ``value``.
        partial: give ``synthesise`` a report that has failures too, which it then finds in ``report.failed``; else
            they raise before it is called.

    Raises:
        BaseExceptionGroup: parts have failed, and ``partial`` is False, or all have; its attribute ``report`` has what
            did not fail.
        ValueError: there are no parts.
        BaseException: ``decompose`` or ``synthesise`` has failed; of the latter the attribute ``report`` has the parts.
    """
    checks.a_fan("fan_out", fan)
    for role, one in (("work", work), ("synthesise", synthesise)):
        checks.function(f"{role} of fan_out", one)
    quiet = fan.with_options(progress=False)  # what is shown is how far the work is
    parts = quiet.run(_listing(decompose), [job], fail_fast=True)[0].unwrap()
    report = fan.run(work, parts)
    values_of(report, partial=partial)
    with carrying(report):
        return Synthesis(quiet.run(synthesise, [report], fail_fast=True)[0].unwrap(), report)


if TYPE_CHECKING:  # any of them may be a coroutine function

    @overload
    async def afan_out(
        fan: Front,
        job: J,
        /,
        *,
        decompose: Mixed[J, Iterable[P]],
        work: Async[P, T],
        synthesise: Async[Report[T], R],
        partial: bool = False,
    ) -> Synthesis[R]: ...
    @overload
    async def afan_out(
        fan: Front,
        job: J,
        /,
        *,
        decompose: Mixed[J, Iterable[P]],
        work: Async[P, T],
        synthesise: Callable[[Report[T]], R],
        partial: bool = False,
    ) -> Synthesis[R]: ...
    @overload
    async def afan_out(
        fan: Front,
        job: J,
        /,
        *,
        decompose: Mixed[J, Iterable[P]],
        work: Callable[[P], T],
        synthesise: Async[Report[T], R],
        partial: bool = False,
    ) -> Synthesis[R]: ...
    @overload
    async def afan_out(
        fan: Front,
        job: J,
        /,
        *,
        decompose: Mixed[J, Iterable[P]],
        work: Callable[[P], T],
        synthesise: Callable[[Report[T]], R],
        partial: bool = False,
    ) -> Synthesis[R]: ...


async def afan_out(
    fan: Front,
    job: J,
    /,
    *,
    decompose: Callable[..., object],
    work: Callable[..., object],
    synthesise: Callable[..., object],
    partial: bool = False,
) -> Synthesis[object]:
    """``fan_out`` for coroutines.  Cancelling the awaiting task cancels what runs."""
    checks.a_fan("afan_out", fan)
    for role, one in (("work", work), ("synthesise", synthesise)):
        checks.callable_(f"{role} of afan_out", one)
    quiet = fan.with_options(progress=False)
    parts: Any = (await quiet.arun(_listing(decompose), [job], fail_fast=True))[0].unwrap()
    report = await fan.arun(work, parts)
    values_of(report, partial=partial)
    with carrying(report):
        return Synthesis((await quiet.arun(synthesise, [report], fail_fast=True))[0].unwrap(), report)


def map_reduce(
    fan: Front,
    fn: Callable[..., T],
    /,
    *iterables: Iterable[object],
    reduce: Callable[[T, T], T],
    initial: T = _NONE,
    partial: bool = False,
) -> Aggregate[T]:
    """Fold the results of ``fn`` over all inputs, as they come, in input order.

    Inputs may be many: at most as many of them as ``stream`` has in its window are taken and not yet folded in.

    Args:
        fan: runs ``fn``; or a view of it.
        iterables: as for ``fan.stream``.
        reduce: makes one of two neighbours, such as ``operator.add``.  It is called in the thread of the caller, so it
            should be quick; what takes a call of its own is work for ``fan_out``.
        initial: what the fold begins with, and the value of no inputs.
        partial: leave failures out of the fold; else the first one cancels the rest and is raised.

    Raises:
        BaseException: the error of the first call, in input order, that has failed.
        BaseExceptionGroup: nothing has succeeded although ``partial`` is True.
        ValueError: there are no inputs, and no ``initial``.
    """
    checks.a_fan("map_reduce", fan)
    fold = _Fold(_folding("reduce of map_reduce", reduce), initial, partial)
    with closing(fan.stream(fn, *iterables, ordered=True)) as outcomes:
        for outcome in outcomes:
            try:
                fold.add(outcome)
            finally:
                del outcome  # an error's traceback holds this frame: leave no cycle
    return fold.result()


if TYPE_CHECKING:

    @overload
    async def amap_reduce(
        fan: Front,
        fn: Callable[..., Coro[T]],
        /,
        *iterables: Iterable[object] | AsyncIterable[object],
        reduce: Callable[[T, T], T],
        initial: T = ...,
        partial: bool = False,
    ) -> Aggregate[T]: ...
    @overload
    async def amap_reduce(
        fan: Front,
        fn: Callable[..., T],
        /,
        *iterables: Iterable[object] | AsyncIterable[object],
        reduce: Callable[[T, T], T],
        initial: T = ...,
        partial: bool = False,
    ) -> Aggregate[T]: ...


async def amap_reduce(
    fan: Front,
    fn: Callable[..., Any],
    /,
    *iterables: Iterable[object] | AsyncIterable[object],
    reduce: Callable[[T, T], T],
    initial: T = _NONE,
    partial: bool = False,
) -> Aggregate[T]:
    """``map_reduce`` for coroutines; takes async iterables too.  ``reduce`` is called in the event loop."""
    checks.a_fan("amap_reduce", fan)
    fold = _Fold(_folding("reduce of amap_reduce", reduce), initial, partial)
    async with aclosing(fan.astream(fn, *iterables, ordered=True)) as outcomes:
        async for outcome in outcomes:
            try:
                fold.add(outcome)
            finally:
                del outcome
    return fold.result()


class _Fold(Generic[T]):
    """What came of the outcomes so far."""

    def __init__(self, reduce: Callable[[T, T], T], initial: T, partial: bool) -> None:
        self._reduce = reduce
        self._value = initial
        self._partial = partial
        self._left_out: list[Outcome[T]] = []

    def add(self, outcome: Outcome[T]) -> None:
        """Fold in the next, in input order."""
        if self._partial and not outcome.ok:
            self._left_out.append(outcome)
            return
        try:
            value = outcome.unwrap()
        finally:
            del outcome
        self._value = value if self._value is _NONE else self._reduce(self._value, value)

    def result(self) -> Aggregate[T]:
        """All of it."""
        if self._value is not _NONE:
            return Aggregate(self._value, self._left_out)
        if not self._left_out:
            raise ValueError("map_reduce of no inputs has no value: give it initial=, or at least one input")
        errors = [outcome.error for outcome in self._left_out if outcome.error is not None]
        raise BaseExceptionGroup(f"none of {len(errors)} calls has a value to reduce", errors)


def _folding(where: str, reduce: Callable[[T, T], T]) -> Callable[[T, T], T]:
    fits(where, checks.function(where, reduce), 2)
    return reduce


def _listing(decompose: Callable[[J], Any]) -> Callable[[J], Any]:
    """``decompose``, whose parts are all made inside the call: they may come of a generator that blocks."""
    if checks.is_coroutine_function(decompose):
        return decompose  # the fan takes it or says why not

    def listing(job: J) -> list[P]:
        parts = decompose(job)
        if is_text(parts):  # its parts would be its letters
            raise TypeError(f"decompose must give a list of parts, not one text: {describe(decompose)} did")
        return list(parts)

    listing.__qualname__ = describe(checks.callable_("fan_out", decompose))  # by which errors call it
    return listing
