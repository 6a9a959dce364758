"""A program that runs calls of all kinds and prints which locks it has waited for while it held which others.

Locks are named by the files that make them.  Run as ``python -m support.nested_locks`` with the package not imported
yet, since whatever imports ``Lock`` has to get the one that takes notes.
"""

import _thread
import sys
import threading
import time

import threadfan._core.base.locks as locks

PAIRS = set()
HELD = threading.local()
Plain = _thread.RLock


class Noting(Plain):
    """A lock that notes what its thread holds when it is waited for."""

    def __init__(self):
        frame = sys._getframe(1)
        while frame.f_code.co_filename == locks.__file__:  # a condition makes its own
            frame = frame.f_back
        self.file = frame.f_code.co_filename.rpartition("_core/")[2]

    def acquire(self, blocking=True, timeout=-1):
        """Take it; what is only tried cannot block for ever, so it is not noted."""
        if blocking:
            PAIRS.update((other.file, self.file) for other in held() if other is not self)
        taken = super().acquire(blocking, timeout)
        if taken:
            held().append(self)
        return taken

    def release(self):
        """Give it back."""
        held().reverse()
        held().remove(self)
        held().reverse()
        super().release()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc_info):
        self.release()

    def _release_save(self):
        times = held().count(self)
        HELD.locks = [lock for lock in held() if lock is not self]
        return times, super()._release_save()

    def _acquire_restore(self, state):
        super()._acquire_restore(state[1])
        held().extend([self] * state[0])


def held():
    """What this thread holds, in the order in which it has taken that."""
    return HELD.__dict__.setdefault("locks", [])


def use(fan):
    """Calls by most ways in, which fail, wait, nest and time out."""
    from threadfan import stage, wait

    fan.run(abs, range(8)).unwrap()
    fan.submit(lambda: wait([fan.submit(abs, -1), fan.submit(abs, -2)], timeout=30)).result()
    fan.submit(lambda: fan.run(abs, [-3]).unwrap()).result()
    fan.run(flaky, range(4), deadline=30)
    fan.run(time.sleep, [0.05] * 3)
    fan.pipeline(stage(abs, max_concurrent=1), stage(flaky, retry=2)).run(range(3))
    graph = fan.graph()
    graph.add(lambda: [1, 2], name="some")
    graph.add(lambda one: one, name="each", each={"one": "some"})
    graph.run()
    outcomes = fan.stream(abs, range(100))
    next(outcomes)
    outcomes.close()
    fan.with_options(timeout=0.05).run(lambda _: time.sleep(0.3), [1])
    fan.submit(time.sleep, 0.1).add_done_callback(id)


def flaky(number, failed=set()):  # noqa: B006 -- what has failed before
    """Fails once for each number."""
    if number not in failed:
        failed.add(number)
        raise ConnectionError("once")
    return number


def use_all():
    """Use fans with and without limits."""
    from threadfan import Adaptive, Fan, Hedge, RateLimit

    retry = {ConnectionError: 2}
    with Fan(3, retry=retry) as fan:
        use(fan)
    with Fan(3, retry=retry, rate=RateLimit(6000, burst=2), hedge=Hedge(after=0.02, budget=1.0)) as fan:
        use(fan)
    with Fan(Adaptive(start=2, ceiling=4), retry=retry) as fan:
        use(fan)


if __name__ == "__main__":
    locks.Lock = Noting
    locks.GIL = False  # or locks that are taken briefly would only be tried
    use_all()
    for pair in sorted(PAIRS):
        print(*pair)
