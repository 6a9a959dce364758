"""Stages of a pipeline, as users give them: functions with options."""

from __future__ import annotations

from functools import partial
from itertools import chain

from ..base import checks, unset
from ..base.fitting import fits
from ..base.generic import TYPE_CHECKING, Generic, In_contra, Out_co
from ..base.static import describe
from ..base.texts import brief
from ..batches.tasks import Task
from ..calls.options import of_each_call

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never, TypeAlias, TypeVar

    from ..calls.options import Functions
    from ..policies.breaker import Breaker
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry

    In = TypeVar("In")
    Out = TypeVar("Out")
    GivenStage: TypeAlias = "Stage | Task | Callable[[Any], object]"

_UNSET = unset.UNSET


class Stage(Generic[In_contra, Out_co]):
    """A function of a pipeline with its options; made by ``stage``."""

    __slots__ = ("buffer", "changes", "fn", "max_concurrent", "name")

    def __init__(
        self,
        fn: Callable[[In_contra], Out_co],
        name: str | None,
        max_concurrent: int | None,
        buffer: int | None,
        changes: dict[str, object],
    ) -> None:
        if not callable(fn):
            raise TypeError(f"a stage needs a function of one item, not {brief(fn)}")
        fits("a stage", fn, 1)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a stage must be a text, not {brief(name)}")
        self.fn: Callable[[In_contra], Out_co] = fn
        self.name: str | None = name
        self.max_concurrent: int | None = (
            max_concurrent if max_concurrent is None else checks.count("max_concurrent", max_concurrent)
        )
        self.buffer: int | None = buffer if buffer is None else checks.count("buffer", buffer)
        self.changes: dict[str, Any] = changes

    def __call__(self, item: In_contra, /) -> Out_co:
        """Run it here and now, in this thread."""
        return self.fn(item)

    def __repr__(self) -> str:
        return f"<stage {self.name or describe(self.fn)}>"


def stage(
    fn: Callable[[In], Out],
    *,
    max_concurrent: int | None = None,
    buffer: int | None = None,
    name: str | None = None,
    timeout: float | None = _UNSET,
    retry: Retry = _UNSET,
    rate: RateLimit | None = _UNSET,
    hedge: Hedge | None = _UNSET,
    breaker: Breaker | None = _UNSET,
    total_timeout: float | None = _UNSET,
    fallback: Functions | None = _UNSET,
    idle_timeout: float | None = _UNSET,
    interrupt: bool = _UNSET,
    **misplaced: Never,
) -> Stage[In, Out]:
    """A stage of a pipeline with options of its own; what is not given is as for the fan.

    Args:
        fn: called with what the stage before has returned, or with the item if it is the first.
        max_concurrent: how many items of a run may be in the stage at once, within the fan's slots; None for no cap.
        buffer: how many items may wait in front of the stage while it is full, ``2 * max_workers`` by default: a place
            for each item that can be in the stage before, and as many that wait, so that the stage does not run dry.
        name: the stage's name in reports; the name of ``fn`` by default.
        timeout: seconds for each attempt of a call, or None.
        retry: as for ``Fan``.
        rate: as for ``Fan``.
        hedge: as for ``Fan``.
        breaker: as for ``Fan``.
        total_timeout: as for ``Fan``.
        fallback: as for ``Fan``.
        idle_timeout: as for ``Fan``.
        interrupt: as for ``Fan.with_options``.
    """
    if misplaced:
        checks.refuse_misplaced("stage", misplaced)
    changes = of_each_call(
        timeout=timeout, retry=retry, rate=rate, hedge=hedge, breaker=breaker, total_timeout=total_timeout,
        fallback=fallback, idle_timeout=idle_timeout, interrupt=interrupt,
    )  # fmt: skip
    return Stage(fn, name, max_concurrent, buffer, changes)


def as_stage(given: GivenStage) -> Stage:
    """Accept a stage, a task without positional arguments, or a function."""
    if isinstance(given, Stage):
        return given
    if not isinstance(given, Task):
        return Stage(given, None, None, None, {})
    if given.args:
        raise TypeError(
            f"a stage is called with the item, but {given!r} has {len(given.args)} positional arguments of its own: "
            f"use task(fn, name=value), or stage(partial(fn, …))"
        )
    fits("a stage", given.fn, 1, given.kwargs)
    return Stage(partial(given.fn, **given.kwargs) if given.kwargs else given.fn, None, None, None, given.changes)


def names_of(stages: list[Stage]) -> list[str]:
    """A name for each; those taken from functions are numbered where they would clash.

    Raises:
        ValueError: two stages were given the same name.
    """
    found: list[str] = [stage.name for stage in stages if stage.name is not None]
    for name in found:
        if found.count(name) > 1:
            raise ValueError(f"the stages of a pipeline must have different names, but {name!r} was given twice")
    for place, one in enumerate(stages):
        if one.name is None:
            plain = describe(one.fn).rpartition(".")[2]
            candidates = chain([plain], (f"{plain} {number}" for number in range(2, len(stages) + 2)))
            found.insert(place, next(name for name in candidates if name not in found))
    return found
