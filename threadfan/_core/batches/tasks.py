"""A call with options of its own, for ``gather``."""

from __future__ import annotations

import sys
from functools import partial

from ..base import checks, unset
from ..base.fitting import fits_task
from ..base.generic import TYPE_CHECKING, Generic, Out_co, T
from ..base.portable import Portable
from ..base.static import describe
from ..base.texts import brief
from ..calls.options import of_each_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, Never, ParamSpec, overload

    from ..calls.options import Functions
    from ..policies.breaker import Breaker
    from ..policies.hedge import Hedge
    from ..policies.rate_limit import RateLimit
    from ..policies.retry import Retry

    P = ParamSpec("P")
    Take = Callable[[str, Callable[..., Any]], Callable[..., Any]]
    """Checks a function that was given to a method of this name, and may put another in its place."""

_UNSET = unset.UNSET


class Task(Portable, Generic[Out_co]):
    """A function with its arguments; made by ``task``."""

    __slots__ = ("args", "changes", "fn", "kwargs")

    def __init__(
        self, fn: Callable[..., Out_co], args: tuple[object, ...], kwargs: dict[str, object], changes: dict[str, object]
    ) -> None:
        if not callable(fn):
            raise TypeError(f"task needs a function to call, not {brief(fn)}")
        self.fn: Callable[..., Out_co] = fn
        self.args: tuple[object, ...] = args
        self.kwargs: dict[str, object] = kwargs
        self.changes: dict[str, object] = changes

    def with_options(
        self,
        *,
        timeout: float | None = _UNSET,
        retry: Retry = _UNSET,
        rate: RateLimit | None = _UNSET,
        hedge: Hedge | None = _UNSET,
        breaker: Breaker | None = _UNSET,
        total_timeout: float | None = _UNSET,
        fallback: Functions | None = _UNSET,
        idle_timeout: float | None = _UNSET,
        interrupt: bool = _UNSET,
        priority: float = _UNSET,
        **misplaced: Never,
    ) -> Task[Out_co]:
        """The same task with options of its own; what is not given stays as it is.

        Args:
            timeout: in seconds; None for no limit.
            retry: as for ``Fan``.
            rate: as for ``Fan``.
            hedge: as for ``Fan``.
            breaker: as for ``Fan``.
            total_timeout: as for ``Fan``.
            fallback: as for ``Fan``.
            idle_timeout: as for ``Fan``.
            interrupt: as for ``Fan.with_options``.
            priority: a number; of the tasks of one ``gather`` or ``join``, those with the smallest start first.
        """
        if misplaced:
            checks.refuse_misplaced("task(…).with_options", misplaced)
        changes = of_each_call(
            timeout=timeout, retry=retry, rate=rate, hedge=hedge, breaker=breaker, total_timeout=total_timeout,
            fallback=fallback, idle_timeout=idle_timeout, interrupt=interrupt, priority=priority,
        )  # fmt: skip
        return Task(self.fn, self.args, self.kwargs, self.changes | changes)

    def __call__(self) -> Out_co:
        """Run it here and now, in this thread."""
        return self.fn(*self.args, **self.kwargs)

    def _travelling(self) -> Task:
        """Without what a method would take along, a client with its key maybe, and without limits and policies."""
        inner = self.fn
        while isinstance(inner, partial):
            inner = inner.func
        owner = getattr(inner, "__self__", None)
        fn = self.fn
        if not (owner is None or isinstance(owner, type(sys))):
            from ..base.pickling.unpicklable import Unpicklable

            fn = Unpicklable.of(inner, "the object that it is a method of is left out")
        plain: dict[str, object] = {
            name: value for name, value in self.changes.items() if value is None or isinstance(value, int | float)
        }
        return Task(fn, self.args, self.kwargs, plain)

    def __repr__(self) -> str:
        return f"<task {describe(self.fn)}>"


if TYPE_CHECKING:

    @overload
    def task(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Task[T]: ...
    @overload  # what takes an item besides: a stage of a pipeline
    def task(fn: Callable[..., T], /, **kwargs: object) -> Task[T]: ...  # type: ignore[overload-cannot-match]


def task(fn: Callable[..., T], /, *args: object, **kwargs: object) -> Task[T]:
    """A call of ``fn`` for ``gather``; ``task(fn, x).with_options(timeout=5)`` gives it options of its own."""
    return Task(fn, args, kwargs, {})


def all_tasks(
    where: str, tasks: Iterable[Callable[..., object]], named: Mapping[str, Callable[..., object]], take: Take
) -> Iterator[Task[object]]:
    """Tasks, and functions without arguments as such; checked.

    Args:
        where: the method that they were given to.
        take: checks the function, and may put another in its place.
    """
    for name, one in (*((None, one) for one in tasks), *named.items()):
        if name is not None and not callable(one):
            from ..base.misplaced import if_option

            raise TypeError(
                f"{where} needs a function to call as {name}, not {brief(one)}{if_option(where, name, one)}"
            )
        made: Task[object] = one if isinstance(one, Task) else Task(checks.callable_(where, one), (), {}, {})
        fn = take(where, made.fn)
        fits_task(where, made.fn, made.args, made.kwargs)
        yield made if fn is made.fn else Task(fn, made.args, made.kwargs, made.changes)
