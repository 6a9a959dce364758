"""Pools under one shape: a context manager over a function that maps like ``list(map(fn, items))``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Mapping = Callable[[Callable[[Any], Any], Sequence[Any]], object]
    Pool = Callable[[int], AbstractContextManager[Mapping]]

TIMEOUT = 30.0
"""Seconds.  A timeout is what people use a fan for, so none of its figures is measured without one."""


@contextmanager
def standard(workers: int) -> Iterator[Mapping]:
    """``ThreadPoolExecutor.map``."""
    with ThreadPoolExecutor(workers) as pool:
        yield lambda fn, items: list(pool.map(fn, items))


@contextmanager
def fan_run(workers: int) -> Iterator[Mapping]:
    """``Fan.run``."""
    with Fan(workers, timeout=TIMEOUT) as fan:
        yield fan.run


@contextmanager
def fan_map(workers: int) -> Iterator[Mapping]:
    """``Fan.map``."""
    with Fan(workers, timeout=TIMEOUT) as fan:
        yield lambda fn, items: list(fan.map(fn, items))


@contextmanager
def fan_stream(workers: int, *, ordered: bool) -> Iterator[Mapping]:
    """``Fan.stream``, whose outcomes are let go as they come."""
    with Fan(workers, timeout=TIMEOUT) as fan:
        yield lambda fn, items: exhaust(fan.stream(fn, items, ordered=ordered))


def exhaust(iterator: Iterator[Any]) -> None:
    """Takes everything and keeps nothing."""
    for _ in iterator:
        pass
