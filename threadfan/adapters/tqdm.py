"""tqdm's ``thread_map`` on a fan: a list of results and a bar, in one line.

For example::

    from threadfan.adapters.tqdm import thread_map

    pages = thread_map(fetch, urls, max_workers=20, timeout=30, retry=3)

What is different from tqdm's: the bar counts calls that have ended, where tqdm's waits for the first of those that are
unfinished; the first failure ends the rest and is raised at once; and so does a Ctrl-C.
"""

from __future__ import annotations

from importlib import import_module
from operator import length_hint

from .._core.base.generic import TYPE_CHECKING
from .._core.fan.executor import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol, TypeVar

    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry

    R = TypeVar("R")

    class Bar(Protocol):
        """What is used of tqdm's."""

        def update(self) -> object:
            """One more."""

        def close(self) -> object:
            """No more."""


__all__ = ["thread_map"]


def thread_map(
    fn: Callable[..., R],
    *iterables: Iterable[object],
    max_workers: int | None = None,
    chunksize: int = 1,  # noqa: ARG001 -- tqdm's has it
    timeout: float | None = None,
    retry: Retry = None,
    rate: RateLimit | None = None,
    tqdm_class: Callable[..., Bar] | None = None,
    **tqdm_kwargs: object,
) -> list[R]:
    """``list(map(fn, *iterables))`` by threads, with a bar.

    Args:
        max_workers: how many calls run at once, as for ``Fan``.
        chunksize: taken as tqdm's takes it, and has no effect.
        timeout: seconds for each attempt of a call.
        retry: what is tried again, as for ``Fan``.
        rate: a ``RateLimit``.
        tqdm_class: the kind of bar; by default that of ``tqdm.auto``.
        **tqdm_kwargs: for the bar, such as ``desc=`` and ``total=``.

    Raises:
        BaseException: the failure of the first call that has failed; the others are cancelled.
    """
    if not iterables:
        raise TypeError("thread_map needs at least one iterable of inputs: thread_map(fn, items)")
    shortest = min(map(length_hint, iterables))
    make: Callable[..., Bar] = import_module("tqdm.auto").tqdm if tqdm_class is None else tqdm_class
    bar = make(**{"total": shortest or None, **tqdm_kwargs})
    values: dict[int, R] = {}
    try:
        with Fan(max_workers, timeout=timeout, retry=retry, rate=rate) as fan:
            star = len(iterables) > 1  # which ends with the shortest, as `map` does
            inputs: Iterable[object] = zip(*iterables, strict=False) if star else iterables[0]
            with fan.stream(fn, inputs, star=star) as outcomes:
                for outcome in outcomes:
                    values[outcome.index] = outcome.unwrap()
                    bar.update()
    finally:
        bar.close()
    return [values[place] for place in range(len(values))]
