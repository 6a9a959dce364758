"""A call with options of its own, for ``gather``."""

from __future__ import annotations

import sys
from functools import partial

from ..base.errors import brief, describe
from ..base.portable import Portable
from ..executor import options as checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..control.hedge import Hedge
    from ..control.rate import RateLimit

    Take = Callable[[str, Callable[..., Any]], Callable[..., Any]]

_UNSET: Any = object()


class Task(Portable):
    """A function with its arguments; made by ``task``."""

    __slots__ = ("args", "changes", "fn", "kwargs")

    def __init__(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        if not callable(fn):
            raise TypeError(f"task needs a function to call, not {brief(fn)}")
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.changes = changes

    def with_options(
        self,
        *,
        timeout: float | None = _UNSET,
        retry: Any = _UNSET,
        rate: RateLimit | None = _UNSET,
        hedge: Hedge | None = _UNSET,
        interrupt: bool = _UNSET,
    ) -> Task:
        """The same task with options of its own; what is not given stays as it is.

        Args:
            timeout: in seconds; None for no limit.
            retry: as for ``Fan``.
            rate: as for ``Fan``.
            hedge: as for ``Fan``.
            interrupt: as for ``Fan.with_options``.
        """
        changes = dict(self.changes)
        if timeout is not _UNSET:
            changes["timeout"] = checks.seconds("timeout", timeout)
        if retry is not _UNSET:
            changes["retry"] = retry
        if rate is not _UNSET:
            changes["rate"] = rate
        if hedge is not _UNSET:
            changes["hedge"] = hedge
        if interrupt is not _UNSET:
            changes["interrupt"] = checks.flag("interrupt", interrupt)
        return Task(self.fn, self.args, self.kwargs, changes)

    def __call__(self) -> Any:
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
            from ..base.unpicklable import Unpicklable

            fn = Unpicklable.of(inner, "the object that it is a method of is left out")
        plain = {name: value for name, value in self.changes.items() if value is None or isinstance(value, int | float)}
        return Task(fn, self.args, self.kwargs, plain)

    def __repr__(self) -> str:
        return f"<task {describe(self.fn)}>"


def task(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Task:
    """A call of ``fn`` for ``gather``; ``task(fn, x).with_options(timeout=5)`` gives it options of its own."""
    return Task(fn, args, kwargs, {})


def as_task(given: Any, take: Take = checks.function) -> Task:
    """Accept a task or a function without arguments.

    Args:
        take: checks the function, and may put another in its place.
    """
    if not isinstance(given, Task):
        return Task(take("fan.gather", given), (), {}, {})
    fn = take("fan.gather", given.fn)
    return given if fn is given.fn else Task(fn, given.args, given.kwargs, given.changes)
