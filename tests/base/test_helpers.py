"""Helpers: they outlive what fails in them, and are stood in for where they have no thread."""

import ctypes
import threading
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE
from threadfan._core.base import clock as clocks
from threadfan._core.base.clock import FOREVER, REAL
from threadfan._core.base.helpers import Helper
from threadfan.testing import refused_threads


class Rounds:
    """Rounds that do what they are told: ``plan`` holds what each gives, an error to be raised or None for the end."""

    def __init__(self, *plan):
        self.plan, self.threads, self.done = list(plan), [], SimpleQueue()
        self.helper = Helper("helper", REAL, self, self.refused)
        self.errors = []

    def __call__(self):
        """One round."""
        self.threads.append(threading.current_thread().name)
        answer = self.plan.pop(0) if self.plan else FOREVER
        self.done.put(answer)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def refused(self, error):
        """No thread could be had."""
        self.errors.append(error)

    def end(self):
        """Let the helper end."""
        self.plan = [None] * 9
        self.helper.tell()
        self.helper.join()


@pytest.mark.parametrize("error", [RuntimeError("in a round"), SystemExit(), MemoryError()])
def test_a_round_that_fails_is_followed_by_the_next(error, caplog):
    """Whatever it raises; the log says so once."""
    rounds = Rounds(error, FOREVER, error, FOREVER)
    rounds.helper.begin()
    for _ in range(4):
        rounds.done.get(timeout=PATIENCE)
        rounds.helper.tell()
    rounds.end()
    assert [record.getMessage() for record in caplog.records] == ["an error in helper, which goes on"]


def test_what_is_raised_in_the_thread_from_outside_does_not_end_it(caplog):
    """An asynchronous exception is an error like any other."""
    rounds = Rounds()
    rounds.helper.begin()
    rounds.done.get(timeout=PATIENCE)
    ident = ctypes.c_ulong(rounds.helper.thread.ident)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
    rounds.helper.tell()
    rounds.done.get(timeout=PATIENCE)
    rounds.helper.tell()
    rounds.done.get(timeout=PATIENCE)
    assert rounds.helper.thread.is_alive()
    rounds.end()
    assert len(caplog.records) == 1


def test_whoever_waits_stands_in():
    """Without a thread the rounds are done by a thread that waits for something else, and that is said once."""
    rounds, gate = Rounds(0.0, 0.0, FOREVER), SimpleQueue()
    with refused_threads("helper"):
        rounds.helper.begin()
        assert not rounds.errors  # not by whoever begins it, who may hold locks
        while len(rounds.threads) < 3:
            assert not REAL.wait(gate, 0.01)
        assert rounds.threads[:3] == [threading.current_thread().name] * 3
        rounds.plan = [None]
        rounds.helper.tell()
        while clocks.chores:
            assert not REAL.wait(gate, 0.0)
    assert len(rounds.errors) == 1


def test_who_waits_already_stands_in():
    """A thread that fell asleep before is woken."""
    rounds, gate, waiting = Rounds(), SimpleQueue(), threading.Thread(target=lambda: REAL.wait(gate), name="waiting")
    waiting.start()
    with refused_threads("helper"):
        while not clocks._asleep:
            pass
        rounds.helper.begin()
        rounds.done.get(timeout=PATIENCE)
        assert set(rounds.threads) == {"waiting"}
        rounds.plan = [None]
        rounds.helper.tell()
        assert rounds.done.get(timeout=PATIENCE) is None
    gate.put(None)
    waiting.join(PATIENCE)
    assert not clocks.chores


def test_a_thread_takes_over_when_there_is_one():
    """The start is tried again by those that stand in."""
    rounds, gate = Rounds(), SimpleQueue()
    with refused_threads("helper", times=3) as refused:
        rounds.helper.begin()
        while rounds.helper.thread is None:
            REAL.wait(gate, 0.01)
        rounds.helper.tell()
        while "helper" not in rounds.threads:
            rounds.done.get(timeout=PATIENCE)
    assert len(refused) == 3
    assert not clocks.chores
    rounds.end()


def test_begun_twice_it_has_one_thread():
    """As when whoever began it was interrupted, and another thread cannot know how far it came."""
    rounds = Rounds()
    rounds.helper.begin()
    thread = rounds.helper.thread
    rounds.helper.begin()
    assert rounds.helper.thread is thread
    rounds.end()
    assert not clocks.chores


def test_what_may_block_is_done_beside_the_rounds():
    """Its only thread does an act; another that waits does the rounds meanwhile, and then it goes on."""
    go, begun, gate = threading.Event(), threading.Event(), SimpleQueue()

    def act():
        begun.set()
        go.wait(PATIENCE)

    def first():
        rounds.helper.aside(act)
        return FOREVER

    rounds = Rounds()
    rounds.helper._rounds = lambda: [setattr(rounds.helper, "_rounds", rounds), first()][1]
    rounds.helper.begin()
    assert begun.wait(PATIENCE)
    with refused_threads("helper"):
        rounds.helper.tell()
        while threading.current_thread().name not in rounds.threads:
            REAL.wait(gate, 0.01)
        go.set()
        while clocks.chores:
            REAL.wait(gate, 0.01)
    rounds.helper.tell()
    while "helper" not in rounds.threads:
        rounds.done.get(timeout=PATIENCE)
    rounds.end()


def test_after_what_may_block_it_looks_again():
    """What was told meanwhile reached those that stood in, and the wait that its round asks for was found before it."""
    go, begun, gate = threading.Event(), threading.Event(), SimpleQueue()

    def first():
        rounds.helper._rounds = rounds
        rounds.helper.aside(lambda: (begun.set(), go.wait(PATIENCE)))
        return FOREVER

    rounds = Rounds()
    rounds.helper._rounds = first
    rounds.helper.begin()
    assert begun.wait(PATIENCE)
    with refused_threads("helper"):
        rounds.helper.tell()
        while not rounds.threads:
            REAL.wait(gate, 0.01)
        go.set()
        while "helper" not in rounds.threads:
            rounds.done.get(timeout=PATIENCE)
    rounds.end()
