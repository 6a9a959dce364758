"""Other thread pools and limiters, where they are installed; those that are not are named and left out."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from benchmarks.pools import exhaust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.pools import Mapping, Pool

MODULES = {
    "joblib": "joblib",
    "pebble": "pebble",
    "more-executors": "more_executors",
    "anyio": "anyio",
    "pyrate-limiter": "pyrate_limiter",
    "langgraph": "langgraph",
    "distributed": "distributed",
}
"""Peers by the names that pip knows them under; ``multiprocessing.pool`` is always there."""

TOOLS = ("anthropic", "requests", "starlette", "structlog", "uvicorn")
"""What some figures need besides: clients, the loopback server, and the log that a fan writes to."""


def installed(name: str) -> bool:
    """Whether a peer can be measured."""
    return find_spec(MODULES[name]) is not None


def missing() -> list[str]:
    """The peers that cannot be measured."""
    return [name for name in MODULES if not installed(name)]


def missing_tools() -> list[str]:
    """The tools without which some figures are left out, or measured without logs."""
    return [name for name in TOOLS if find_spec(name) is None]


def has(*names: str) -> bool:
    """Whether all of these tools are there."""
    return not set(names) & set(missing_tools())


def load(name: str) -> Any:
    """The module of a peer; none of them is typed."""
    return import_module(MODULES[name])


@contextmanager
def pool_map(workers: int) -> Iterator[Mapping]:
    """``multiprocessing.pool.ThreadPool.map``; a chunk of 1, since a chunk runs one after another."""
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        yield lambda fn, items: pool.map(fn, items, chunksize=1)


@contextmanager
def pool_imap(workers: int) -> Iterator[Mapping]:
    """``multiprocessing.pool.ThreadPool.imap``, whose results are let go as they come; its window has no bound."""
    from multiprocessing.pool import ThreadPool

    with ThreadPool(workers) as pool:
        yield lambda fn, items: exhaust(pool.imap(fn, items))


@contextmanager
def joblib_threading(workers: int) -> Iterator[Mapping]:
    """Threads of joblib, in the batches that it chooses itself."""
    joblib = load("joblib")
    with joblib.Parallel(n_jobs=workers, backend="threading") as parallel:
        yield lambda fn, items: parallel(joblib.delayed(fn)(item) for item in items)


@contextmanager
def joblib_generator(workers: int) -> Iterator[Mapping]:
    """The same, but results are handed out in order as they come."""
    joblib = load("joblib")
    with joblib.Parallel(n_jobs=workers, backend="threading", return_as="generator") as parallel:
        yield lambda fn, items: exhaust(parallel(joblib.delayed(fn)(item) for item in items))


@contextmanager
def pebble_submit(workers: int) -> Iterator[Mapping]:
    """``pebble.ThreadPool.submit``, since its ``map`` sets results twice and logs that as critical."""
    with load("pebble").ThreadPool(max_workers=workers) as pool:
        yield lambda fn, items: [future.result() for future in [pool.submit(fn, item) for item in items]]


@contextmanager
def more_executors_map(workers: int) -> Iterator[Mapping]:
    """more-executors without any layer: each one costs."""
    with load("more-executors").Executors.thread_pool(max_workers=workers) as pool:
        yield lambda fn, items: list(pool.map(fn, items))


def pools() -> dict[str, Pool]:
    """The installed peers that map over a list and keep the results."""
    found: dict[str, Pool] = {"ThreadPool.map": pool_map, "ThreadPool.imap": pool_imap}
    others: dict[str, Pool] = {
        "joblib": joblib_threading,
        "pebble": pebble_submit,
        "more-executors": more_executors_map,
    }
    return found | {name: pool for name, pool in others.items() if installed(name)}


def streams() -> dict[str, Pool]:
    """The installed peers that hand out results in order as they come."""
    found: dict[str, Pool] = {"ThreadPool.imap": pool_imap}
    return found | ({"joblib": joblib_generator} if installed("joblib") else {})
