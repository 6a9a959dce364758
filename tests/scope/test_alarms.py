"""Acts at a moment: done in time, once, and not when they were taken back."""

import ctypes
import os
import threading
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, until
from threadfan._core.base.clock import FOREVER, REAL
from threadfan._core.scope import alarms
from threadfan._core.scope.alarms import hold, set_alarm
from threadfan.testing import no_leaks


def no_thread_is_left():
    """Whether the threads of all alarms have ended."""
    return not [thread for thread in threading.enumerate() if thread.name.startswith("threadfan-alarm")]


def test_an_act_is_done_at_its_moment(clock):
    """Not before, once, and then nothing is left."""
    done = SimpleQueue()
    set_alarm(clock, 5, lambda: done.put(clock.monotonic()))
    clock.wait_for_sleepers(until=5)
    clock.advance(4)
    clock.wait_for_sleepers(until=5)
    assert done.empty()
    clock.advance(1)
    assert done.get(timeout=PATIENCE) == 5
    until(no_thread_is_left)
    assert alarms._keepers == {}
    assert done.empty()


def test_a_moment_that_has_passed_is_now(clock):
    """An alarm that is set late goes off at once."""
    clock.advance(10)
    done = SimpleQueue()
    set_alarm(clock, 5, lambda: done.put("late"))
    assert done.get(timeout=PATIENCE) == "late"


def test_an_earlier_alarm_comes_first(clock):
    """However they were set, each is done at its own moment."""
    done = SimpleQueue()
    for due in (8, 2, 5):
        set_alarm(clock, due, lambda due=due: done.put(due))
    for due, pause in ((2, 2), (5, 3), (8, 3)):
        clock.wait_for_sleepers(until=due)
        clock.advance(pause)
        assert done.get(timeout=PATIENCE) == due


def test_what_was_taken_back_is_not_done(clock):
    """The thread ends at once when nothing else is to be done; taking back twice is harmless."""
    done = SimpleQueue()
    take_back = set_alarm(clock, 5, lambda: done.put("wrong"))
    clock.wait_for_sleepers(until=5)
    take_back()
    take_back()
    until(no_thread_is_left)
    clock.advance(10)
    take_back()
    assert done.empty()


def test_an_alarm_after_the_last_has_a_thread_again(clock):
    """However often the thread has ended, the next alarm goes off."""
    done = SimpleQueue()
    for number in range(20):
        set_alarm(clock, number, lambda number=number: done.put(number))
        clock.wait_for_sleepers(until=number) if number else None
        clock.advance(1 if number else 0)
        assert done.get(timeout=PATIENCE) == number
        if number % 2:
            until(no_thread_is_left)
        elif number == 0:
            clock.advance(0)


def test_an_act_that_blocks_or_raises_holds_up_nobody(clock, caplog):
    """Each has a thread of its own, and a failure is logged."""
    go, done = threading.Event(), SimpleQueue()
    set_alarm(clock, 1, lambda: go.wait(PATIENCE))
    set_alarm(clock, 1, lambda: 1 / 0)
    set_alarm(clock, 1, lambda: done.put("done"))
    clock.wait_for_sleepers(until=1)
    clock.advance(1)
    assert done.get(timeout=PATIENCE) == "done"
    go.set()
    until(no_thread_is_left)
    assert "ZeroDivisionError" in caplog.text


def test_alarms_go_off_where_no_thread_can_be_started(clock, monkeypatch):
    """At the system's limit of threads an act is done by the thread that looks after the alarms, which lives on."""
    done, refused = SimpleQueue(), []
    for due in (1, 2):
        set_alarm(clock, due, lambda due=due: done.put(due))
    clock.wait_for_sleepers(until=1)

    def refuse(thread):
        refused.append(thread.name)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for due in (1, 2):
        clock.wait_for_sleepers(until=due)
        clock.advance(1)
        assert done.get(timeout=PATIENCE) == due
    assert refused == ["threadfan-alarm"] * 2
    monkeypatch.undo()
    until(no_thread_is_left)


def test_an_act_that_takes_its_time_makes_no_other_late(clock, monkeypatch):
    """What has become due while an act was done in the place of a thread is done next."""
    done = SimpleQueue()
    set_alarm(clock, 1, lambda: clock.advance(1))
    set_alarm(clock, 2, lambda: done.put(clock.monotonic()))
    clock.wait_for_sleepers(until=1)

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    clock.advance(1)
    assert done.get(timeout=PATIENCE) == 2
    monkeypatch.undo()
    until(no_thread_is_left)


def test_what_is_taken_back_does_not_add_up(clock):
    """Blocks that end in time leave no alarms that wait for deadlines far away."""
    first = set_alarm(clock, 1, lambda: None)
    for _ in range(1000):
        set_alarm(clock, 3600, lambda: None)()
    (keeper,) = alarms._keepers.values()
    assert len(keeper._heap) < 10
    first()
    until(no_thread_is_left)


def test_many_alarms_from_many_threads(clock, eager_switching):
    """Of alarms set and taken back by many threads at once, all that were not taken back are done, and no other."""
    done, barrier = SimpleQueue(), threading.Barrier(4)

    def set_some(start):
        barrier.wait(PATIENCE)
        for number in range(start, start + 100):
            take_back = set_alarm(clock, 1 + number % 3, lambda number=number: done.put(number))
            if number % 2:
                take_back()

    threads = [threading.Thread(target=set_some, args=(1000 * place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for moment in (1, 2, 3):
        clock.wait_for_sleepers(until=moment)
        clock.advance(1)
    until(no_thread_is_left)
    expected = [1000 * place + number for place in range(4) for number in range(0, 100, 2)]
    assert sorted(done.get_nowait() for _ in range(done.qsize())) == expected


@pytest.fixture
def started(monkeypatch):
    """The names of the threads that are started."""
    names, start = [], threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: [names.append(thread.name), start(thread)][1])
    return names


def test_alarms_one_after_another_have_one_thread(started):
    """On the real clock it waits a while for more when nothing is due, and is gone soon after the last."""
    done = SimpleQueue()
    for number in range(20):
        set_alarm(REAL, REAL.monotonic(), lambda number=number: done.put(number), quick=True)
        assert done.get(timeout=PATIENCE) == number
    assert started == ["threadfan-alarms"]
    until(no_thread_is_left)
    assert alarms._keepers == {}


def test_a_thread_that_waits_for_more_ends_at_once_if_it_is_hurried(monkeypatch):
    """As whoever counts threads does."""
    monkeypatch.setattr(alarms, "LINGER", 10 * PATIENCE)
    done = SimpleQueue()
    with no_leaks():
        set_alarm(REAL, REAL.monotonic(), lambda: done.put(None), quick=True)
        done.get(timeout=PATIENCE)
    assert no_thread_is_left()


def test_a_hurried_thread_does_what_is_still_due():
    """It does not end before."""
    done = SimpleQueue()
    set_alarm(REAL, REAL.monotonic() + 0.05, lambda: done.put(None), quick=True)
    (keeper,) = alarms._keepers.values()
    keeper.helper.hurry()
    done.get(timeout=PATIENCE)
    until(no_thread_is_left)


def test_what_is_held_stays(monkeypatch):
    """As long as anybody holds it, the thread waits for more, and for no time of its own; then it goes."""
    monkeypatch.setattr(alarms, "LINGER", 0.0)
    done, first, second = SimpleQueue(), object(), object()
    for holder in (first, second, second):
        keeper = hold(REAL, holder)
    keeper.helper.begin()
    thread = keeper.helper.thread
    for _ in range(3):
        keeper.set(REAL.monotonic(), lambda: done.put(None), quick=True)
        done.get(timeout=PATIENCE)
    until(lambda: keeper._looks == FOREVER)
    keeper.release(first)
    assert alarms._keepers == {REAL: keeper}
    keeper.release(second)
    thread.join(PATIENCE)
    assert alarms._keepers == {}


def test_what_was_held_and_never_begun_leaves_nothing(clock):
    """Neither on the real clock nor on another, where each holder has its own."""
    for one in (REAL, clock):
        hold(one, "holder").release("holder")
    assert alarms._keepers == {}


def test_on_another_clock_each_holder_has_its_own(clock):
    """Sleepers are counted there, and a keeper of all would be one in the place of several."""
    keepers = [hold(clock, holder) for holder in ("a", "b", "a")]
    assert keepers[0] is keepers[2] is not keepers[1]
    for holder, keeper in zip("ab", keepers, strict=False):
        keeper.release(holder)


def test_an_error_from_outside_loses_no_act(caplog):
    """What is due with an act in which something is raised in the thread is done in the next round."""
    done, ident = SimpleQueue(), SimpleQueue()
    go = threading.Event()

    def first():
        ident.put(threading.get_ident())
        go.wait(PATIENCE)

    due = REAL.monotonic() + 0.05
    set_alarm(REAL, due, first, quick=True)
    set_alarm(REAL, due, lambda: done.put(None), quick=True)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(ident.get(timeout=PATIENCE)), ctypes.py_object(SystemExit)
    )
    go.set()
    done.get(timeout=PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_alarms_in_the_child_of_a_fork(clock):
    """A child has no alarms of its parent's, and its own go off."""
    take_back = set_alarm(clock, 5, lambda: os._exit(3))
    clock.wait_for_sleepers(until=5)
    child = os.fork()
    if not child:
        done = SimpleQueue()
        clock.advance(10)
        set_alarm(clock, 10, lambda: done.put(None))
        try:
            done.get(timeout=PATIENCE)
        finally:
            os._exit(0 if done.empty() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    take_back()
    until(no_thread_is_left)
