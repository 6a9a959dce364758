"""Callbacks that block, fail or come when there is no thread for them."""

import threading
import warnings

import pytest

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import Fan, TaskTimeout, current_scope
from threadfan._core.base.clock import FOREVER
from threadfan._core.pool import callbacks as module
from threadfan._core.pool.callbacks import Callbacks
from threadfan._core.scope.alarms import set_alarm
from threadfan.testing import Probe, refused_threads


@pytest.fixture
def callbacks():
    """What does acts; closed at the end."""
    made = Callbacks("acts", set_alarm, lambda error: None)
    yield made
    made.join()


@pytest.fixture
def unhurried(monkeypatch):
    """The same, but no act counts as one that takes long, however late this machine is."""
    monkeypatch.setattr(module, "HANDOVER", PATIENCE)
    made = Callbacks("acts", lambda *_, **__: None, lambda error: None)
    yield made
    made.join()


def test_acts_are_done_in_order(unhurried):
    """One thread does them as they were told."""
    done, threads = [], set()
    for number in range(100):
        unhurried.tell(lambda number=number: [done.append(number), threads.add(threading.get_ident())])
    unhurried.join()
    assert done == list(range(100))
    assert len(threads) == 1


def test_an_act_that_fails_is_logged_and_the_next_is_done(unhurried, caplog):
    """Whatever it raises."""
    done = threading.Event()
    unhurried.tell(lambda: 1 / 0)
    unhurried.tell(lambda: (_ for _ in ()).throw(SystemExit))
    unhurried.tell(done.set)
    assert done.wait(PATIENCE)
    assert [record.message for record in caplog.records] == ["a callback failed"] * 2


def test_acts_that_block_hold_up_no_other(callbacks):
    """Several that do not return are passed one after the other; their threads end when they return."""
    go, done = threading.Event(), threading.Event()
    for _ in range(5):
        callbacks.tell(lambda: go.wait(PATIENCE), "a wait")
    callbacks.tell(done.set)
    assert done.wait(PATIENCE)
    assert [what for what, _, _ in callbacks.stuck()] == ["a wait"] * 5
    go.set()
    until(lambda: not callbacks.stuck())


def test_no_more_are_stuck_than_allowed(callbacks, monkeypatch):
    """Beyond ``MOST`` threads, acts wait until one comes back."""
    monkeypatch.setattr(module, "MOST", 2)
    go, done = threading.Event(), threading.Event()
    for _ in range(3):
        callbacks.tell(lambda: go.wait(PATIENCE), "a wait")
    callbacks.tell(done.set)
    until(lambda: len(callbacks.stuck()) == 3)
    assert not done.is_set()
    go.set()
    assert done.wait(PATIENCE)


def test_hammer_acts_told_from_many_threads(callbacks, eager_switching):
    """Each is done once, in the order of its thread as long as none blocks."""
    done = [[] for _ in range(4)]

    def tell(place):
        for number in range(500):
            callbacks.tell(lambda number=number: done[place].append(number))

    for telling in [aside(tell, place) for place in range(4)]:
        telling.result(PATIENCE)
    callbacks.join()
    assert [sorted(numbers) for numbers in done] == [list(range(500))] * 4


def test_join_waits_for_what_has_begun(callbacks, monkeypatch):
    """But not for what takes longer than it may."""
    monkeypatch.setattr(module, "PATIENCE", FOREVER)
    go, done = threading.Event(), []
    callbacks.tell(lambda: [go.wait(PATIENCE), done.append(1)])
    joined = aside(callbacks.join)
    until(callbacks.stuck)
    assert not joined.done()
    go.set()
    joined.result(PATIENCE)
    assert done == [1]


def test_an_act_may_join(callbacks):
    """A callback that closes its own fan does not wait for itself."""
    done = threading.Event()
    callbacks.tell(lambda: [callbacks.join(), done.set()])
    assert done.wait(PATIENCE)


def test_without_a_thread_whoever_joins_does_the_acts(callbacks):
    """What was told is done before the fan is closed."""
    done = []
    with refused_threads("acts"):
        callbacks.tell(lambda: done.append(threading.current_thread()))
        callbacks.join()
    assert done == [threading.current_thread()]


@pytest.mark.parametrize("kind", ["done", "cancel"])
def test_a_callback_that_blocks_holds_up_no_other_call(kind, clock):
    """A done-callback or one of ``on_cancel`` blocks: those of other calls run, and closing the fan names it."""
    go, told, gate = threading.Event(), threading.Event(), Gate()

    def block(*_):
        go.wait(PATIENCE)

    def hang():
        if kind == "cancel":
            current_scope().on_cancel(block)
        gate()

    fan = Fan(2, timeout=1)
    blocked, other = fan.submit(hang), fan.submit(gate)
    if kind == "done":
        blocked.add_done_callback(block)
    other.add_done_callback(lambda _: told.set())
    until(lambda: gate.most == 2)
    clock.advance(1)
    assert isinstance(blocked.exception(PATIENCE), TaskTimeout)
    assert isinstance(other.exception(PATIENCE), TaskTimeout)
    assert told.wait(PATIENCE)
    gate.open()
    until(lambda: fan.snapshot()["abandoned"] == 0)
    what = {"done": "a done-callback", "cancel": "an on_cancel callback"}[kind]
    with pytest.warns(RuntimeWarning, match=f"{what} of .*hang has not returned"):
        within_patience(fan.shutdown)
    go.set()
    until(lambda: not Probe(fan).stuck_callbacks)


def test_a_callback_that_blocks_holds_up_no_other_of_its_scope(clock):
    """Each callback of ``on_cancel`` is passed when it blocks."""
    go, told, gate = threading.Event(), threading.Event(), Gate()

    def hang():
        current_scope().on_cancel(lambda: go.wait(PATIENCE))
        current_scope().on_cancel(told.set)
        gate()

    fan = Fan(1, timeout=1)
    future = fan.submit(hang)
    until(lambda: gate.most == 1)
    clock.advance(1)
    assert isinstance(future.exception(PATIENCE), TaskTimeout)
    assert told.wait(PATIENCE)
    go.set()
    gate.open()
    until(lambda: fan.snapshot()["abandoned"] == 0 and not Probe(fan).stuck_callbacks)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fan.shutdown()


def test_callbacks_of_one_future_keep_their_order(clock):
    """As in the standard library: one after the other, in one thread."""
    order, gate = [], Gate()
    fan = Fan(1, timeout=1)
    future = fan.submit(gate)
    for number in range(10):
        future.add_done_callback(lambda _, number=number: order.append(number))
    until(lambda: gate.most == 1)
    clock.advance(1)
    assert isinstance(future.exception(PATIENCE), TaskTimeout)
    gate.open()
    until(lambda: fan.snapshot()["abandoned"] == 0)
    fan.shutdown()
    assert order == list(range(10))
