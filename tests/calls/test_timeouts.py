"""What a timeout does, at the moment it strikes and after."""

import queue
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, run_program
from threadfan import CallCancelled, Fan, TaskTimeout, current_scope, task

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")


def strike(clock, gate, *, calls, at):
    """Let so many calls start, and then let time run out for them."""
    gate.wait_for(calls)
    clock.wait_for_sleepers(until=at)
    clock.advance(at - clock.monotonic())


def test_outcome_is_final_at_once(clock):
    """At the timeout a future, a batch and a gathering say so while the call still runs."""
    with Gate() as gate, Fan(3, timeout=10) as fan:
        future = fan.submit(gate, 1)
        report = aside(fan.run, gate, [2])
        gathered = aside(fan.gather, slow=task(gate, 3), quick=task(abs, -1))
        strike(clock, gate, calls=3, at=10)
        with pytest.raises(TaskTimeout, match=r"__call__ did not return within 10 s|Gate did not return within 10 s"):
            future.result(PATIENCE)
        assert [outcome.status for outcome in report.result(PATIENCE)] == ["timed_out"]
        assert gathered.result(PATIENCE)["slow"].status == "timed_out"
        assert gathered.result(PATIENCE)["quick"].unwrap() == 1
        assert gate.running.total() == 3


def test_slot_is_back_at_once(clock):
    """While all first threads are stuck, as many calls as there are slots run."""
    with Gate() as gate, Fan(4, timeout=5) as fan:
        stuck = aside(fan.run, gate, range(4))
        strike(clock, gate, calls=4, at=5)
        stuck.result(PATIENCE)
        meet(fan, 4)


def test_one_slot_survives_many_hangs(clock):
    """Calls queued behind one that hangs, and behind the next that hangs, all have their turn."""
    with Gate() as gate, Fan(1, timeout=1) as fan:
        report = aside(fan.run, lambda item: item if item % 3 else gate(item), range(10))
        for number, item in enumerate((0, 3, 6, 9), start=1):
            strike(clock, gate, calls=number, at=number)
            assert gate.started[-1] == item
        statuses = [outcome.status for outcome in report.result(PATIENCE)]
        assert statuses == ["succeeded" if item % 3 else "timed_out" for item in range(10)]


def test_replacement_runs_the_initializer(clock):
    """The thread that stands in for a stuck one is initialised like any other."""
    ready = threading.local()

    def initializer():
        ready.yes = True

    with Gate() as gate, Fan(1, initializer=initializer, timeout=1) as fan:
        future = fan.submit(gate)
        strike(clock, gate, calls=1, at=1)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        assert fan.submit(lambda: ready.yes).result(PATIENCE)
        assert len(fan._threads) == 1


def test_late_result_is_dropped(clock):
    """What a call returns after its timeout changes nothing, and its thread serves again."""
    with Gate() as gate, Fan(1, timeout=1) as fan:
        told = []
        future = fan.submit(gate, "late")
        future.add_done_callback(told.append)
        report = None
        strike(clock, gate, calls=1, at=1)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        report = aside(fan.run, gate, ["late too"])
        strike(clock, gate, calls=2, at=2)
        report = report.result(PATIENCE)
        gate.open()
        meet(fan, 1)
    assert isinstance(future.exception(), TaskTimeout)
    assert told == [future]
    assert report[0].status == "timed_out"
    assert report[0].value is None


def test_time_counts_from_the_start_of_the_call(clock):
    """A call that was queued for longer than its timeout has all of it when it starts."""
    with Gate() as first, Gate() as second, Fan(1) as fan:
        fan.submit(first)
        future = fan.with_options(timeout=5).submit(second)
        first.wait_for(1)
        clock.advance(100)
        first.open()
        strike(clock, second, calls=1, at=105)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)


def test_each_task_has_its_own_timeout(clock):
    """In a gathering, and through views, the shorter timeout strikes first."""
    with Gate() as gate, Fan(3, timeout=9) as fan:
        gathered = aside(fan.gather, task(gate).with_options(timeout=1), task(gate).with_options(timeout=None))
        shorter = fan.with_options(timeout=2).submit(gate)
        strike(clock, gate, calls=3, at=1)
        strike(clock, gate, calls=3, at=2)
        assert isinstance(shorter.exception(PATIENCE), TaskTimeout)
        clock.advance(1000)
        gate.open()
        assert [outcome.status for outcome in gathered.result(PATIENCE)] == ["timed_out", "succeeded"]


def test_call_that_heeds_its_scope_ends(clock):
    """Inside a call whose time is up the scope says so, and what is raised there is no ``Exception``."""
    with Fan(1, timeout=3) as fan:
        started, cancelled, seen = threading.Event(), threading.Event(), queue.SimpleQueue()

        def call():
            scope = current_scope()
            seen.put(scope.remaining())
            scope.on_cancel(cancelled.set)
            started.set()
            assert cancelled.wait(PATIENCE)
            try:
                scope.check()
            except CallCancelled as error:
                seen.put(type(error))
                raise

        future = fan.submit(call)
        assert started.wait(PATIENCE)
        clock.wait_for_sleepers(until=3)
        clock.advance(3)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        assert [seen.get(timeout=PATIENCE), seen.get(timeout=PATIENCE)] == [3, CallCancelled]
        meet(fan, 1)


def test_callbacks_are_not_run_by_the_deadline_timer(clock):
    """A done-callback or a scope's callback that blocks does not keep other calls from timing out."""
    with Gate() as gate, Gate() as callback, Fan(2) as fan:
        future = fan.with_options(timeout=1).submit(gate, 1)
        future.add_done_callback(callback)
        second = fan.with_options(timeout=2).submit(gate, 2)
        strike(clock, gate, calls=2, at=1)
        callback.wait_for(1)
        strike(clock, gate, calls=2, at=2)
        assert isinstance(second.exception(PATIENCE), TaskTimeout)
        callback.open()


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_callback_that_raises_harms_nobody(clock, error, caplog):
    """Whatever a callback raises is logged, and the other callbacks and calls go on."""

    def fail(future):
        raise error("from a callback")

    with Gate() as gate, Fan(1, timeout=1) as fan:
        told = threading.Event()
        late, quick = fan.submit(gate), fan.submit(abs, -1)
        for future in (late, quick):
            future.add_done_callback(fail)
        late.add_done_callback(lambda future: told.set())
        strike(clock, gate, calls=1, at=1)
        assert told.wait(PATIENCE)
        assert quick.result(PATIENCE) == 1
        meet(fan, 1)
    assert caplog.text.count("from a callback") >= 2


def test_with_and_interpreter_end_although_a_thread_is_stuck():
    """A program whose call never returns leaves its ``with`` and ends, also when the timeout strikes on the way out."""
    out, _ = run_program(
        """
import queue
import threading
from threadfan import Fan
never = threading.Event()
with Fan(2, timeout=0.05) as fan:
    print(fan.run(never.wait, [None]).failed[0].status)
    fan.submit(never.wait)
print("left")
fan = Fan(1, timeout=0.05)
fan.submit(never.wait)
print("end")
"""
    )
    assert out.split() == ["timed_out", "left", "end"]
