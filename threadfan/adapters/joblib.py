"""A backend of joblib's whose jobs are calls of a fan.

For example::

    from joblib import Parallel, delayed, parallel_config
    from threadfan.adapters.joblib import register

    register()
    with parallel_config(backend="threadfan", n_jobs=20, timeout=30, retry=3):
        pages = Parallel()(delayed(fetch)(url) for url in urls)

Guarantees: ``n_jobs`` calls run at once, also if it is 1; each has the fan's timeout, retries and limits; an error ends
the rest and is raised, and a Ctrl-C ends it at once, threads that hang left behind.
"""

from __future__ import annotations

from joblib import register_parallel_backend
from joblib.parallel import cpu_count

from .._core.fan.executor import Fan
from .._core.fan.front import behind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Protocol

    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry

    class Parallel(Protocol):
        """What is used of joblib's."""

        n_jobs: int

    Base = object  # joblib has no types
else:
    from joblib.parallel import ParallelBackendBase as Base

__all__ = ["FanBackend", "register"]

NAME = "threadfan"


class FanBackend(Base):
    """The backend that ``register`` registers.

    Args:
        timeout: seconds for each attempt of a job.
        retry: what is tried again, as for ``Fan``.
        rate: a ``RateLimit``.
        **options: for joblib's own class, such as ``inner_max_num_threads``.
    """

    supports_timeout = True
    supports_retrieve_callback = True
    supports_sharedmem = True
    uses_threads = True

    def __init__(
        self, timeout: float | None = None, retry: Retry = None, rate: RateLimit | None = None, **options: object
    ) -> None:
        super().__init__(**options)
        self._options = timeout, retry, rate
        self._fan: Fan | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many jobs run at once; negative numbers count back from the number of processors, as joblib's do."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return max(cpu_count() + 1 + n_jobs, 1) if n_jobs < 0 else n_jobs

    def configure(self, n_jobs: int = 1, parallel: Parallel | None = None, **_: object) -> int:
        """Start the backend."""
        number, (timeout, retry, rate) = self.effective_n_jobs(n_jobs), self._options
        self.parallel: Parallel | None = parallel
        self._fan = Fan(number, "joblib", timeout=timeout, retry=retry, rate=rate)
        return number

    def submit(
        self, func: Callable[[], object], callback: Callable[[Future[object]], object] | None = None
    ) -> Future[object]:
        """Hand a job in, or several that are to be done one after another."""
        if self._fan is None:
            raise RuntimeError("this backend was not configured, or is terminated")
        future = self._fan.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit  # as joblib before 1.5 calls it

    def retrieve_result_callback(self, out: Future[object]) -> object:
        """The result of a job that has ended."""
        return out.result()

    def terminate(self) -> None:
        """Stop the backend; all jobs are done."""
        fan, self._fan = self._fan, None
        if fan is not None:
            fan.shutdown()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel queued and running jobs."""
        fan, self._fan = self._fan, None
        if fan is not None:
            behind(fan)[0].interrupt()
            fan.shutdown()
        if ensure_ready and self.parallel is not None:
            self.configure(self.parallel.n_jobs, self.parallel)


def register(name: str = NAME, *, make_default: bool = False) -> None:
    """Register the backend with joblib.

    Args:
        name: its name for ``Parallel(backend=…)`` and ``parallel_config(backend=…)``.
        make_default: use it where no backend is named.
    """
    register_parallel_backend(name, FanBackend, make_default=make_default)
