"""`install` has Twisted's pools stand on fans, and `uninstall` leaves nothing of that."""

import sys
from functools import partialmethod
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, run_program
from threadfan import current_scope, install, uninstall

pytest.importorskip("twisted")

from twisted.python import threadpool  # when it is there

from threadfan.adapters.twisted import ThreadPool


def called(pool, func, *args):
    """What a call's callback is told."""
    told = SimpleQueue()
    pool.start()
    pool.callInThreadWithCallback(lambda *what: told.put(what), func, *args)
    found = told.get(timeout=PATIENCE)
    pool.stop()
    return found


@pytest.mark.parametrize("sequential", [False, True])
def test_pools_that_are_made_meanwhile_stand_on_fans(sequential):
    """By the class that was imported before; their calls are noted, by their functions' names."""
    usual = threadpool.ThreadPool.__init__
    before = threadpool.ThreadPool(0, 1)
    with install(sequential=sequential) as installed:
        pool = threadpool.ThreadPool(0, 2, "mine")
        assert isinstance(pool, ThreadPool)
        assert called(pool, pow, 2, 5) == (True, 32)
        pool.adjustPoolsize(0, 1)
    assert threadpool.ThreadPool.__init__ is usual
    assert [outcome.item for outcome in installed.report()] == ["pow"]
    after = threadpool.ThreadPool(0, 1)
    for other in (before, after):
        assert type(other) is threadpool.ThreadPool
        assert called(other, pow, 2, 5) == (True, 32)
    assert len(installed.report()) == 1


def test_they_have_the_options_of_the_installation():
    """Such as its timeout."""
    with install(timeout=7):
        pool = threadpool.ThreadPool(0, 2)
        assert called(pool, lambda: current_scope().remaining() <= 7) == (True, True)
        pool = ThreadPool(0, 2, timeout=9)  # one of the program's own keeps its own
        assert called(pool, lambda: current_scope().remaining() > 7) == (True, True)


def test_a_subclass_stays_what_it_is_and_is_named():
    """It may have threads of its own kind."""

    class Mine(threadpool.ThreadPool):
        pass

    with install() as installed:
        assert called(Mine(0, 1), pow, 2, 5) == (True, 32)
    assert "Mine has threads of Twisted's" in installed.summary()


def test_what_was_wrapped_meanwhile_stays(monkeypatch):
    """And does nothing any more."""
    usual = threadpool.ThreadPool.__init__
    install()
    monkeypatch.setattr(threadpool.ThreadPool, "__init__", partialmethod(threadpool.ThreadPool.__init__))
    uninstall()
    assert called(threadpool.ThreadPool(0, 1), pow, 2, 5) == (True, 32)
    assert type(threadpool.ThreadPool(0, 1)) is threadpool.ThreadPool
    monkeypatch.setattr(threadpool.ThreadPool, "__init__", usual)


PROGRAM = """
import sys
from threadfan import install
before = list(sys.meta_path)
with install() as installed:
    assert not any(name.startswith("twisted") for name in sys.modules)
    import importlib.util, twisted.python
    assert importlib.util.find_spec("twisted.python.threadpool") is not None  # who asks does not import it
    assert "twisted.python.threadpool" not in sys.modules
    {within}
assert sys.meta_path == before
from twisted.python.threadpool import ThreadPool
print(type(ThreadPool(0, 1)) is ThreadPool)
"""


def test_it_is_seen_to_when_twisted_is_imported():
    """Nothing is imported before, and the import system is as it was afterwards."""
    within = """
    from twisted.internet import reactor, threads
    threads.deferToThread(pow, 2, 5).addCallback(print).addCallback(lambda _: reactor.stop())
    reactor.run()
    print(type(reactor.getThreadPool()).__mro__[1].__module__, installed.report().stats.total)
    assert sys.modules["twisted.python.threadpool"].__loader__.exec_module.__name__ == "exec_module"
    assert sys.meta_path == before
    """
    out, _ = run_program(PROGRAM.format(within=within))
    assert out.splitlines() == ["32", "threadfan.adapters.twisted 1", "True"]
    out, _ = run_program(PROGRAM.format(within=""))
    assert out.splitlines() == ["True"]


def test_nothing_is_left_among_the_finders():
    """Where Twisted was imported before, none is put there at all."""
    before = list(sys.meta_path)
    with install():
        assert sys.meta_path == before
