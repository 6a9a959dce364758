"""Twisted's ``ThreadPool`` on a fan: for a reactor, and so for ``deferToThread`` and Scrapy, or for itself.

For example::

    from twisted.internet import reactor, threads
    from threadfan.adapters.twisted import install

    install(reactor, timeout=30, retry=3)
    threads.deferToThread(fetch, url).addCallbacks(show, failed)
    reactor.run()

Guarantees: calls wait until the pool has started; their Deferreds fire in the reactor's thread, with a ``TaskTimeout``
at once when the time of a call is up.  ``stop`` waits for what was handed in, as Twisted's does, but not for threads
that are stuck in calls that are over.  Of a reactor that a Ctrl-C ends, or that gets one while it waits here, it
cancels what is queued and what runs, and waits for none of it.
"""

from __future__ import annotations

import signal
import sys
from collections import deque
from functools import partial, wraps

from twisted.python import context, log, threadpool
from twisted.python.failure import Failure

from .._core.fan.executor import Fan
from .._core.fan.front import behind
from .._core.pool.shutdown import close

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import ClassVar, Protocol

    from .._core.policies.rate_limit import RateLimit
    from .._core.policies.retry import Retry
    from .._core.pool.scheduler import Scheduler

    Told = Callable[[bool, object], object] | None

    class Reactor(Protocol):
        """What is used of Twisted's."""

        threadpool: object
        callWhenRunning: Callable[[Callable[[], object]], object]  # noqa: N815 -- its name
        addSystemEventTrigger: Callable[[str, str, Callable[[], object]], object]  # noqa: N815

    Base = object  # its own types would have to be installed
else:
    Base = threadpool.ThreadPool

__all__ = ["ThreadPool", "install"]

LOOK = 0.1
"""Seconds after which ``stop``, while it waits, looks whether there was a Ctrl-C.  Arbitrary: not felt."""


class ThreadPool(Base):
    """Twisted's class of that name, on a fan.

    Args:
        minthreads: accepted, but without effect: threads are started as calls need them.
        maxthreads: how many calls run at once, at least 1.
        name: of its threads.
        timeout: seconds for each attempt of a call, as for ``Fan``.
        retry: what is tried again, as for ``Fan``.
        rate: a ``RateLimit``.
    """

    started: bool
    joined: bool
    max: int

    executor: ClassVar[Callable[..., ThreadPoolExecutor]] = Fan
    """What makes the fan; for who gives it options of his own."""

    def __init__(
        self,
        minthreads: int = 5,
        maxthreads: int = 20,
        name: str | None = None,
        *,
        timeout: float | None = None,
        retry: Retry = None,
        rate: RateLimit | None = None,
    ) -> None:
        self.fan: ThreadPoolExecutor = self.executor(
            maxthreads, name or "ThreadPool", timeout=timeout, retry=retry, rate=rate
        )
        """The fan: for all that the interface has no method for, such as ``snapshot``."""
        self._handed_in: deque[Callable[[], object]] = deque()  # what waits for the start
        super().__init__(minthreads, maxthreads, name)  # type: ignore[call-arg]

    def start(self) -> None:
        """Begin, with what was handed in before."""
        self.joined, self.started = False, True
        self._submit_all()

    def stop(self) -> None:
        """Take no more, and wait for what was handed in, unless a Ctrl-C ends the reactor, or comes meanwhile."""
        self.joined, self.started = True, False
        interrupted = _interrupted()
        if isinstance(self.fan, Fan):
            scheduler = behind(self.fan)[0]
            if not interrupted and scheduler.lending.take_out() is None:  # a call of the pool's own is refused below
                interrupted = not _waited(scheduler)
            if interrupted:
                scheduler.interrupt()
        self.fan.shutdown(wait=not interrupted)

    def callInThreadWithCallback(  # noqa: N802 -- its name
        self,
        onResult: Told,  # noqa: N803
        func: Callable[..., object],
        *args: object,
        **kw: object,
    ) -> None:
        """Call a function in a thread, in Twisted's context of the caller.

        Args:
            onResult: called with True and the result, or with False and a ``Failure``; without it, that is logged.
        """
        if self.joined:
            return
        self._handed_in.append(partial(self._submit, onResult, _in_context(func), args, kw))
        if self.started:  # whoever starts it says so, and then looks what there is
            self._submit_all()

    def _submit_all(self) -> None:
        while self._handed_in:
            try:
                submit = self._handed_in.popleft()
            except IndexError:  # another thread was faster
                return
            submit()

    def _submit(self, told: Told, call: Callable[..., object], args: tuple[object, ...], kw: dict[str, object]) -> None:
        self.fan.submit(call, *args, **kw).add_done_callback(partial(_tell, told))

    def adjustPoolsize(self, minthreads: int | None = None, maxthreads: int | None = None) -> None:  # noqa: N802
        """Change how many calls run at once, from now on.

        Args:
            minthreads: accepted, but without effect.
            maxthreads: how many, at least 1; by default as many as before.

        Raises:
            ValueError: it is 0, which Twisted's class takes for a pool that runs nothing.
        """
        super().adjustPoolsize(minthreads, maxthreads)  # type: ignore[misc]
        if isinstance(self.fan, Fan):
            self.fan.resize(self.max)

    def _pool(self, *_: object) -> _Team:
        """In the place of what hands work to Twisted's threads."""
        return _Team(self.fan)


class _Team:
    """What Twisted's class asks for figures, and tells of its size."""

    def __init__(self, fan: ThreadPoolExecutor) -> None:
        self._fan = fan

    def statistics(self) -> _Team:
        """Itself."""
        return self

    def grow(self, number: int) -> None:
        """Nothing: threads begin with calls."""

    shrink = grow

    @property
    def idleWorkerCount(self) -> int:  # noqa: N802
        """How many calls could begin."""
        return max(0, self._figure("slots") - self._figure("running"))

    @property
    def busyWorkerCount(self) -> int:  # noqa: N802
        """How many calls run."""
        return self._figure("running")

    @property
    def backloggedWorkCount(self) -> int:  # noqa: N802
        """How many wait."""
        return self._figure("queued")

    def _figure(self, name: str) -> int:
        return self._fan.snapshot()[name] if isinstance(self._fan, Fan) else 0


def _in_context(func: Callable[..., object]) -> Callable[..., object]:
    """The function in Twisted's context of this thread, by the function's name."""
    here = context.theContextTracker.currentContext().contexts[-1]

    @wraps(func)
    def call(*args: object, **kw: object) -> object:
        return context.call(here, func, *args, **kw)

    return call


def _tell(told: Told, future: Future[object]) -> None:
    error = result = None
    try:
        try:
            error = future.exception()  # not raised: that would tie it to the frames here
        except BaseException as cancelled:
            error = cancelled
        result = future.result() if error is None else Failure(error)
        if told is not None:
            told(error is None, result)
        elif error is not None:
            log.err(result)
    finally:
        del future, error, result  # an error's traceback holds this frame: leave no cycle


def _waited(scheduler: Scheduler) -> bool:
    """Wait until all calls are done; False if there is a Ctrl-C meanwhile, of which the reactor only takes note."""
    gate, clock = close(scheduler), scheduler.clock
    while not clock.wait_until(gate, clock.monotonic() + LOOK):
        if _interrupted():
            return False
    return True


def _interrupted() -> bool:
    """Whether the reactor was ended by a Ctrl-C, as far as this Twisted keeps that."""
    reactor = sys.modules.get("twisted.internet.reactor")
    return getattr(reactor, "_exitSignal", None) == signal.SIGINT


def install(
    reactor: Reactor, *, timeout: float | None = None, retry: Retry = None, rate: RateLimit | None = None
) -> ThreadPool:
    """Give a reactor a pool on a fan, of ten threads until ``reactor.suggestThreadPoolSize`` says otherwise.

    Args:
        reactor: ``twisted.internet.reactor``, before its pool was used.
        timeout: and ``retry``, ``rate``: as for ``ThreadPool``.

    Returns:
        The pool.

    Raises:
        RuntimeError: it has a pool already.
    """
    if reactor.threadpool is not None:
        raise RuntimeError("the reactor has its pool already; right is to call install(reactor) before that is used")
    pool = ThreadPool(0, 10, "twisted.internet.reactor", timeout=timeout, retry=retry, rate=rate)
    reactor.threadpool = pool
    reactor.callWhenRunning(pool.start)
    reactor.addSystemEventTrigger("during", "shutdown", pool.stop)
    return pool
