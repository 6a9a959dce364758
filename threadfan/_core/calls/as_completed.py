"""``as_completed`` of the standard library, for futures of fans at a fraction of its price.

The standard one takes the lock of each future three times, and a future of a fan has none before somebody asks for it.
Here a future that has ended costs one look, and whoever ends another puts it into the reader's box.

Guarantees, as of the standard one: each future comes once; those that have ended come first, the others in the order in
which they end, and one that was cancelled when its executor knows.  An iterator holds no future that it has given out,
and leaves nothing with the others when it is dropped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent import futures
from functools import partial
from queue import SimpleQueue

from ..base.clock import PULSE, Asleep
from ..base.generic import TYPE_CHECKING, T
from ..base.locks import takes_signals
from ..pool.work_queue import here
from ..scope.scope import scope_var
from .future import Future
from .lazy_future import has_ended, listen, stop_listening

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    Waiting = dict[Future[T], Callable[[], object]]
    """Those that have not ended, and what each tells when it does."""


def as_completed(
    fs: Iterable[futures.Future[T]], timeout: float | None = None
) -> Generator[futures.Future[T], None, None]:
    """Yield futures as they end; as ``concurrent.futures.as_completed``, to which it leaves what is not of fans.

    Args:
        fs: futures of any executors; a future that is given twice is yielded once.
        timeout: seconds from the first ``next``.

    Raises:
        TimeoutError: they have not all ended by then.
    """
    end = None if timeout is None else timeout + time.monotonic()
    fs = set(fs)
    if not set(map(type, fs)) <= {Future} or scope_var.get(None) is not None or getattr(here, "session", None):
        # A call that waits is ended with its scope, and lends its slot: see ``Future``.
        standard, fs = futures.as_completed(fs, timeout), ()
        yield from standard
        return
    total = len(fs)
    box: SimpleQueue[Future[T]] = SimpleQueue()
    waiting: Waiting[T] = {}
    try:
        ready = _watched(fs, box, waiting)  # type: ignore[arg-type]  # all are of fans
        fs = ()
        while True:
            while ready:
                yield ready.popleft()
            if not waiting:
                return
            left = None if end is None else end - time.monotonic()
            if left is not None and left < 0:
                raise TimeoutError(f"{len(waiting)} (of {total}) futures unfinished")
            _receive(box, left, waiting, ready)
    finally:
        for one, told in waiting.items():
            stop_listening(one, told)


def _watched(given: Iterable[Future[T]], box: SimpleQueue[Future[T]], waiting: Waiting[T]) -> deque[Future[T]]:
    """Have those that end put into the box; those that have ended."""
    ready: deque[Future[T]] = deque()
    for one in given:
        if not has_ended(one):
            told = waiting[one] = partial(box.put, one)  # noted first: a signal's exception may strike
            if listen(one, told):
                continue
            del waiting[one]
        ready.append(one)
    return ready


def _receive(box: SimpleQueue[Future[T]], left: float | None, waiting: Waiting[T], ready: deque[Future[T]]) -> None:
    """Wait until any has ended, at most ``left`` seconds, and take all that have; may wake for nothing."""
    if left is None and takes_signals():
        left = PULSE  # as ``Clock.wait``
    with Asleep(box) as asleep:
        found = [asleep.receive(None if left is None else min(left, threading.TIMEOUT_MAX))]
    found += [box.get() for _ in range(box.qsize())]
    for one in found:
        if one in waiting and has_ended(one):  # one that is cancelled is told of twice
            stop_listening(one, waiting[one])
            del waiting[one]
            ready.append(one)
