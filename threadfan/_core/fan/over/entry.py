"""``threadfan.over``: a fan over an executor of others."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

from ...base.checks import count, refuse_misplaced
from ...base.texts import brief, text_of
from ..executor import Fan
from .carrier import Carrier
from .sending import Sending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Never

    from ...calls.options import Functions
    from ...policies.breaker import Breaker
    from ...policies.hedge import Hedge
    from ...policies.rate_limit import RateLimit
    from ...policies.retry import Retry

_CLOSED = ("_shutdown_thread", "_shutdown")
"""By which executors know that they are: those of the standard library, and of Dask."""


class FanOver(Fan):
    """A fan whose calls an executor makes; made by ``over``."""

    _carrier: Carrier

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """As of any fan; an executor that was made for it is closed too."""
        try:
            super().shutdown(wait, cancel_futures=cancel_futures, timeout=timeout)
        finally:
            if wait:
                self._carrier.close(wait=True)

    async def aclose(self, *, cancel_futures: bool = False, timeout: float | None = None) -> None:
        """The same."""
        try:
            await super().aclose(cancel_futures=cancel_futures, timeout=timeout)
        finally:
            self._carrier.close(wait=False)


def over(
    executor: Executor | Callable[[], Executor],
    max_in_flight: int | None = None,
    *,
    threads: int = 1,
    timeout: float | None = None,
    retry: Retry = None,
    rate: RateLimit | None = None,
    hedge: Hedge | None = None,
    breaker: Breaker | None = None,
    total_timeout: float | None = None,
    fallback: Functions | None = None,
    idle_timeout: float | None = None,
    name: str | None = None,
    **misplaced: Never,
) -> Fan:
    """A fan whose calls run in other processes, or on other machines, by an executor of another library.

    ``with over(ProcessPoolExecutor(4)) as fan: report = fan.run(fetch, urls)``; the same works with loky, with
    interpreters, and with a Dask cluster by ``client.get_executor()``.  It has everything that a fan has, but
    ``stream_text``.  Functions, arguments and results have to be picklable.

    Args:
        executor: an executor of ``concurrent.futures``, which stays open when the fan is closed; or a function that
            makes one, which is called again when that one breaks, and whose executors are closed with the fan.
        max_in_flight: how many calls the executor may have at once, those that wait there for a worker included; by
            default twice as many as it says that it runs at once.
        threads: how many calls one worker runs at once, in threads: for calls that wait.  Calls that are sent together
            come back together, when the last of them has ended or its time is up.
        timeout: seconds that a call may run, from its start in the other process, where it is ended.
        retry: as for ``Fan``; a worker that is lost counts as a broken connection (``WorkerLost``).
        rate: as for ``Fan``, as are all that follow; limits are kept in this process.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """
    if misplaced:
        refuse_misplaced("over", misplaced)
    threads = count("threads", threads)
    most = None if max_in_flight is None else count("max_in_flight", max_in_flight)
    made, make = _executor(executor)
    try:
        capacity = _capacity(made)
        if most is None:
            if not capacity:
                raise TypeError(
                    f"over({type(made).__name__}) does not say how many calls it runs at once: give max_in_flight=16, "
                    f"or such"
                )
            most = 2 * capacity * threads
        fan = FanOver(
            most, "over" if name is None else name, timeout=timeout, retry=retry, rate=rate, hedge=hedge,
            breaker=breaker, total_timeout=total_timeout, fallback=fallback, idle_timeout=idle_timeout, name=name,
        )  # fmt: skip
        here = isinstance(made, ThreadPoolExecutor)
        extra = {"pure": False} if _package(made) == "distributed" else {}  # else equal calls are one
        by_value = type(made).__name__ == "InterpreterPoolExecutor" or not (here or _package(made) == "concurrent")
        fan._carrier = Carrier(made, make, most, threads, capacity, by_value=by_value, extra=extra)
        fan._options = fan._options.changed({"sending": Sending(fan._carrier)})
    except BaseException:
        if make is not None:
            made.shutdown(wait=False)
        raise
    return fan


def _executor(given: object) -> tuple[Executor, Callable[[], Executor] | None]:
    """The executor, and what makes another one, if it was made by that."""
    if isinstance(given, Fan):
        raise TypeError("over needs an executor of other processes, and a Fan has threads of this one: use it as it is")
    if isinstance(given, Executor):
        closed = any(getattr(given, mark, False) is True for mark in _CLOSED)
        if closed or getattr(getattr(given, "_flags", None), "shutdown", False):  # the latter of loky
            raise ValueError(f"over needs an executor that takes calls, and this {type(given).__name__} is shut down")
        return given, None
    if callable(getattr(given, "get_executor", None)):
        raise TypeError(f"over needs an executor, not {type(given).__name__}: over(client.get_executor())")
    if not callable(given) or (isinstance(given, type) and not issubclass(given, Executor)):
        raise TypeError(f"over needs an executor, such as ProcessPoolExecutor(4), not {brief(given)}")
    made = given()
    if not isinstance(made, Executor):
        raise TypeError(f"over was given a function to make an executor, and it has made {brief(made)}")
    return made, given


def _package(executor: Executor) -> str:
    return type(executor).__module__.partition(".")[0]


def _capacity(executor: Executor) -> int:
    """How many tasks an executor runs at once; 0 if it does not say so."""
    workers = getattr(executor, "_max_workers", None)
    if isinstance(workers, int):
        return workers
    threads = getattr(getattr(executor, "_client", None), "nthreads", None)  # of Dask
    if callable(threads):
        try:
            return sum(threads().values())
        except Exception as error:
            raise ValueError(
                f"the cluster of this executor does not answer ({text_of(error)}): is it closed?"
            ) from error
    return 0
