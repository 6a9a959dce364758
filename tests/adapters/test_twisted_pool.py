"""`threadfan.adapters.twisted.ThreadPool` does what Twisted's class does, alone and as the pool of a reactor."""

import gc
import signal
import sys
import threading
from functools import partial
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, Gate, run_program
from threadfan import RateLimit, TaskTimeout, current_scope

pytest.importorskip("twisted")

from twisted.python import context, log, threadpool
from twisted.python.failure import Failure

from threadfan.adapters.twisted import ThreadPool

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


@pytest.fixture
def pool():
    """One that has started."""
    made = ThreadPool(0, 2, "mine")
    made.start()
    yield made
    if not made.joined:
        made.stop()


def called(pool, func, *args, **kw):
    """What a call's callback is told."""
    told = SimpleQueue()
    pool.callInThreadWithCallback(lambda *what: told.put(what), func, *args, **kw)
    return told.get(timeout=PATIENCE)


@pytest.mark.parametrize("kind", [ThreadPool, threadpool.ThreadPool])
def test_results_and_failures_are_told(kind):
    """As Twisted's own class tells them."""
    pool = kind(0, 2)
    pool.start()
    try:
        assert called(pool, int, "11", base=2) == (True, 3)
        ok, failure = called(pool, int, "x")
        assert (ok, type(failure)) == (False, Failure)
        assert failure.check(ValueError)
        assert "ValueError: invalid literal" in failure.getTraceback()
        ok, failure = called(pool, sys.exit, 3)
        assert failure.check(SystemExit)
        assert context.call({"key": 5}, called, pool, context.get, "key") == (True, 5)
    finally:
        pool.stop()


@pytest.mark.parametrize("kind", [ThreadPool, threadpool.ThreadPool])
def test_what_is_handed_in_before_the_start_waits_for_it(kind):
    """In its order; and what is handed in after the end is dropped."""
    told, pool = [], kind(0, 1)
    for number in range(3):
        pool.callInThread(told.append, number)
    assert told == []
    pool.start()
    pool.callInThread(told.append, 3)
    pool.stop()  # which waits for them
    pool.callInThread(told.append, 4)
    assert told == [0, 1, 2, 3]


def test_its_size_and_its_figures(pool):
    """A pool of one lets one call run, and one of three lets three."""
    assert (pool.workers, pool.working, pool.waiters) == (2, [], [None, None])
    pool.adjustPoolsize(maxthreads=1)
    gate = Gate()
    pool.callInThread(gate)
    gate.wait_for(1)
    pool.callInThread(gate)
    assert (pool.min, pool.max, pool.workers, pool.working, pool.waiters) == (0, 1, 1, [None], [])
    assert pool._queue.qsize() == 1
    gate.open()
    pool.adjustPoolsize(maxthreads=3)
    pool.startAWorker()
    pool.stopAWorker()
    pool.dumpStats()
    together = threading.Barrier(3)
    ends = SimpleQueue()
    for _ in range(3):
        pool.callInThreadWithCallback(lambda ok, _: ends.put(ok), together.wait, PATIENCE)
    assert [ends.get(timeout=PATIENCE) for _ in range(3)] == [True] * 3


def test_an_error_that_nobody_is_told_of_is_logged(pool):
    """As Twisted does."""
    told = SimpleQueue()
    log.addObserver(told.put)
    try:
        pool.callInThread(int, "x")
        assert "invalid literal" in str(told.get(timeout=PATIENCE)["failure"].value)
    finally:
        log.removeObserver(told.put)


def test_calls_have_timeouts_retries_and_limits():
    """A call that hangs is told of when its time is up, and its thread holds up neither the next nor the end."""
    stop = threading.Event()
    attempts = []

    def fail_once():
        attempts.append(None)
        if len(attempts) == 1:
            raise ConnectionResetError
        return current_scope().remaining() < PATIENCE

    pool = ThreadPool(0, 1, timeout=0.2, retry=2, rate=RateLimit(60_000))
    pool.start()
    try:
        ok, failure = called(pool, stop.wait, PATIENCE)
        assert not ok
        assert failure.check(TaskTimeout)
        assert called(pool, fail_once) == (True, True)
        assert len(attempts) == 2
    finally:
        pool.stop()
        stop.set()


def test_nothing_is_held_of_calls_that_are_over(pool):
    """Neither functions, nor arguments, nor errors."""

    class Thing:
        def __init__(self, gone):
            self.gone = gone

        def __del__(self):
            self.gone.put(None)

        def fail(self):
            raise LookupError(self)

    gone = SimpleQueue()
    gc.disable()
    try:
        thing = Thing(gone)
        _, failure = called(pool, thing.fail)
        assert failure.check(LookupError)
        del failure, thing, _
        gone.get(timeout=PATIENCE)
    finally:
        gc.enable()


REACTOR = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from twisted.internet import defer, reactor, threads
from threadfan.adapters.twisted import install

pool = install(reactor, timeout={timeout})
try:
    install(reactor)
except RuntimeError as error:
    print(error)
reactor.suggestThreadPoolSize(3)
together = threading.Barrier(3)
assert reactor.getThreadPool() is pool and pool.max == 3

def over(what):
    print(what)
    {over}

defer.gatherResults([threads.deferToThread(together.wait, 30) for _ in range(3)]).addCallback(sorted).addBoth(over)
reactor.run()
print("ended", pool.joined)
"""


def test_a_reactor_uses_it():
    """Its pool has the size that the reactor is told; a second one is refused; it ends with the reactor."""
    out, _ = run_program(REACTOR.format(timeout=None, over="reactor.stop()"))
    refused, *rest = out.splitlines()
    assert refused.startswith("the reactor has its pool already; right is to call install(reactor) before")
    assert rest == ["[0, 1, 2]", "ended True"]


def test_a_deferred_fails_at_its_timeout():
    """In the reactor's thread; the call that hangs does not hold up the end."""
    hang = (
        "threads.deferToThread(threading.Event().wait).addErrback(lambda f: (print(f.type.__name__), reactor.stop()))"
    )
    out, _ = run_program(REACTOR.format(timeout=0.5, over=hang))
    assert out.splitlines()[-2:] == ["TaskTimeout", "ended True"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_a_reactor_ends_at_a_ctrl_c():
    """Though calls hang and others wait."""
    hang = f"""
    def interrupt():
        os.kill(os.getpid(), {int(signal.SIGINT)})
        threading.Event().wait()
    for one in [interrupt, *[threading.Event().wait] * 5]:
        threads.deferToThread(one).addErrback(lambda failure: None)
"""
    out, _ = run_program(REACTOR.format(timeout=None, over=hang))
    assert out.splitlines()[-1] == "ended True"


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_a_reactor_that_waits_for_its_pool_ends_at_a_ctrl_c():
    """It was stopped by the program, and a call hangs."""
    hang = f"""
    def interrupt():
        while not pool.joined:
            time.sleep(0.01)
        os.kill(os.getpid(), {int(signal.SIGINT)})
        threading.Event().wait()
    threads.deferToThread(interrupt).addErrback(lambda failure: None)
    reactor.callLater(0, reactor.stop)
"""
    out, _ = run_program(REACTOR.format(timeout=None, over=hang))
    assert out.splitlines()[-1] == "ended True"


def test_a_call_cannot_stop_its_own_pool(pool):
    """It would wait for itself."""
    ok, failure = called(pool, pool.stop)
    assert not ok
    assert failure.check(RuntimeError)


def test_partials_and_methods_are_called(pool):
    """Though a partial has no name to go by."""
    assert called(pool, partial(int, "11"), base=2) == (True, 3)
    assert called(pool, "a-b".split, "-") == (True, ["a", "b"])
