"""The harness of schedules finds what is planted, says how to run it again, and then it is found again."""

import threading
from concurrent import futures
from concurrent.futures._base import FINISHED, RUNNING
from contextlib import contextmanager

import pytest

from support.schedules import (
    Violation,
    every,
    explore,
    harness,
    of_parts,
    of_policies,
    of_single_calls,
    only_where_lines_are_told,
    replay,
)
from support.schedules.primitives import SimpleQueue
from support.schedules.scenario import together
from threadfan import Fan
from threadfan._core.base.outcome import PAYLOAD
from threadfan._core.calls.future import Future
from threadfan._core.calls.input_calls import InputCalls
from threadfan._core.calls.lazy_future import CONDITION, FATE, OVER
from threadfan._core.calls.reader import Reader
from threadfan._core.pool.crew import Crew

pytestmark = only_where_lines_are_told


def found(scenario, count):
    """What is found in so many schedules at most, and again in the one that it names."""
    with pytest.raises(Violation) as first:
        explore(scenario, count, flies=getattr(scenario, "flies", False))
    with pytest.raises(Violation) as again:
        replay(scenario, token_in(first), flies=getattr(scenario, "flies", False))
    assert str(again.value) == str(first.value)
    return str(first.value)


def token_in(error):
    """What is to be given to ``replay``."""
    return str(error.value).partition("THREADFAN_SCHEDULE=")[2].partition(" ")[0]


# -- in a few lines of their own ---------------------------------------------------------------------------------------


def lost_wake_up():
    """One looks whether there is anything, and then says that he waits; the other does the same the other way round."""
    items, waiting, gate = [], [], SimpleQueue()

    def take():
        if not items:
            waiting.append(gate)
            gate.get()
        return items.pop()

    def put():
        items.append(1)
        if waiting:
            waiting.pop().put(None)

    assert together(take, put) == [1, None]


def no_lost_wake_up():
    """The same in the right order."""
    items, waiting, gate = [], [], SimpleQueue()

    def take():
        waiting.append(gate)
        if not items:
            gate.get()
        return items.pop()

    def put():
        items.append(1)
        if waiting:
            waiting.pop().put(None)

    assert together(take, put) == [1, None]


def double_delivery():
    """Two look for an item before either takes it."""
    items, taken = {"item": 1}, []

    def take():
        if "item" in items:
            taken.append(items.get("item"))
            items.pop("item", None)

    together(take, take)
    assert taken == [1]


def deadlock():
    """Two locks, taken in two orders."""
    one, other = threading.Lock(), threading.Lock()

    def first():
        with one, other:
            pass

    def second():
        with other, one:
            pass

    together(first, second)


@pytest.mark.parametrize("scenario", [lost_wake_up, double_delivery])
def test_races_between_lines(scenario):
    """They are found by chance, and by going through all schedules that depart twice from the plain order."""
    with harness(scenario, engine=False):
        found(scenario, 300)
        with pytest.raises(Violation) as error:
            every(scenario, 2)
        with pytest.raises(Violation):
            replay(scenario, token_in(error))


def test_a_deadlock():
    """It is found without any lines, and the stacks show who waits where."""
    with harness(engine=False):
        text = found(deadlock, 300)
    assert "deadlock: nobody can run" in text
    stacks = text.partition("the last changes")[0]
    assert stacks.count("<locals>.first") == stacks.count("<locals>.second") == 1, text


def test_what_is_right():
    """Every schedule with two departures from the plain order is gone through, and nothing is found."""
    with harness(no_lost_wake_up, engine=False):
        assert every(no_lost_wake_up, 2) > 100


# -- in the engine -----------------------------------------------------------------------------------------------------


def looks_first(self, wake, *, wanted, idle):
    """``Reader.wait_for`` in the wrong order."""
    if not idle():
        return False
    self.wanted = wanted
    self.wakes.append(wake)
    return True


def forgets_to_look(self, worker):
    """``Crew.arrive`` that does not look for what was handed in meanwhile."""
    return self.coming.pop(worker, None)


def begins_all_the_same(self, session):
    """``Future.begin`` that looks whether the call was cancelled, and then says that it runs."""
    self.session = session
    if self._cell.get(FATE) is None:
        self._cell[FATE] = self._stage = RUNNING
        return True
    self.set_running_or_notify_cancel()
    self.forget()
    return False


def takes_the_other_lock(self, raw):
    """``Future._end`` that takes the scheduler's lock with its own held."""
    self._result = raw[PAYLOAD]
    condition = self._cell.setdefault(CONDITION, OVER)
    if condition is not OVER:
        with condition._lock:
            self._stage = FINISHED
            with self._scheduler.lock:
                condition.notify_all()
    return condition is not OVER


def looks_with_both_locks():
    """Somebody asks for a future's state with the scheduler's lock held."""
    with Fan(1) as fan:
        future = fan.submit(abs, -1)

        def look():
            with fan._scheduler.lock, future._condition:
                return future._state

        together(look)
        futures.wait([future])


def put_in_line_before(self, after):
    """``InputCalls.put_in_line`` as it was: an invitation that came before the input was in line was lost."""
    entry = None if self.ended else self.inputs.take()
    if entry is not None:
        self.backlog.entries.append(self.waits(entry))
    elif not self.lane.calls:
        self.lane.leave(self.scheduler.clock)
        self.backlog.let_go(self.lane)
        self.backlog.offer(after)


@contextmanager
def planted(monkeypatch, owner, name, fault):
    """A harness block in which a method of the engine's is another one."""
    monkeypatch.setattr(owner, name, fault)
    with harness(fault):
        yield


def test_a_lost_wake_up_in_the_engine(monkeypatch):
    """A reader says too late that he sleeps."""
    with planted(monkeypatch, Reader, "wait_for", looks_first):
        assert "deadlock" in found(of_parts.reader_that_says_so, 500)


def test_a_wake_up_that_is_forgotten_in_the_engine(monkeypatch):
    """A worker that was sent does not look for what was handed in while it came."""
    with planted(monkeypatch, Crew, "arrive", forgets_to_look):
        assert "deadlock" in found(of_single_calls.two_submits_at_two_parked_workers, 500)


def test_a_double_delivery_in_the_engine(monkeypatch):
    """A call begins although it has just been cancelled."""
    with planted(monkeypatch, Future, "begin", begins_all_the_same):
        found(of_single_calls.cancel_against_start, 5000)


def test_a_deadlock_in_the_engine(monkeypatch):
    """Two locks are taken in two orders."""
    with planted(monkeypatch, Future, "_end", takes_the_other_lock):
        assert "deadlock" in found(looks_with_both_locks, 500)


def test_a_fault_that_the_engine_has_had(monkeypatch):
    """Whoever is invited before he has put an input in line waits for ever."""
    with planted(monkeypatch, InputCalls, "put_in_line", put_in_line_before):
        assert "deadlock" in found(of_policies.invitation_against_standing_in_line, 500)
