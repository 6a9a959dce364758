"""A scope by itself: a deadline, a signal, callbacks."""

import gc
import math
import weakref

import pytest

from threadfan import CallCancelled, Scope, current_scope, fail_after
from threadfan._core.base.clock import Clock


class StoppedClock(Clock):
    """Time that moves when told."""

    now = 100.0

    def monotonic(self):
        """The time it was told."""
        return self.now


@pytest.fixture
def clock():
    """A clock at 100 s."""
    return StoppedClock()


def test_remaining_counts_down_to_zero(clock):
    """The time left is the deadline's distance, and never negative."""
    scope = Scope(105.0, clock)
    assert scope.remaining() == 5.0
    clock.now = 200.0
    assert scope.remaining() == 0.0


def test_a_scope_without_deadline_never_ends():
    """Outside of any call there is endless time, and nothing is cancelled."""
    assert current_scope().remaining() == math.inf
    assert not current_scope().cancelled
    current_scope().check()


def test_check_says_that_the_time_is_up(clock):
    """At its deadline a scope counts as cancelled, and the error says why."""
    scope = Scope(105.0, clock)
    scope.check()
    clock.now = 105.0
    assert scope.cancelled
    with pytest.raises(CallCancelled, match="this call's time is up"):
        scope.check()


def test_a_cancel_is_final(clock):
    """Once cancelled, always cancelled: every later check raises."""
    scope = Scope(clock=clock)
    scope.cancel()
    for _ in range(2):
        with pytest.raises(CallCancelled, match="this call was cancelled"):
            scope.check()
    assert scope.cancelled


def test_callbacks_run_once_in_order(clock):
    """What is to be signalled is signalled once, in the order of registration."""
    scope, seen = Scope(clock=clock), []
    for number in range(3):
        scope.on_cancel(lambda number=number: seen.append(number))
    scope.cancel()
    scope.cancel()
    assert seen == [0, 1, 2]


def test_a_late_callback_runs_at_once(clock):
    """Whoever registers after the cancel does not wait for a signal that is past."""
    scope, seen = Scope(clock=clock), []
    scope.cancel()
    forget = scope.on_cancel(lambda: seen.append("late"))
    assert seen == ["late"]
    forget()


def test_a_callback_can_be_taken_back(clock):
    """An operation that has ended is not signalled; taking back twice, or after the cancel, is harmless."""
    scope, seen = Scope(clock=clock), []
    forget = scope.on_cancel(lambda: seen.append("ended"))
    scope.on_cancel(lambda: seen.append("going on"))
    forget()
    forget()
    scope.cancel()
    forget()
    assert seen == ["going on"]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_a_callback_that_raises_does_not_stop_the_rest(clock, caplog, error):
    """Each callback is called whatever the others do, and the failure is logged."""
    scope, seen = Scope(clock=clock), []

    def broken():
        raise error

    scope.on_cancel(broken)
    scope.on_cancel(lambda: seen.append("reached"))
    scope.cancel()
    assert seen == ["reached"]
    assert "a callback of on_cancel failed" in caplog.text


def test_a_callback_may_use_its_scope(clock):
    """Callbacks run outside the lock: registering another or cancelling again from one cannot deadlock."""
    scope, seen = Scope(clock=clock), []
    scope.on_cancel(lambda: scope.on_cancel(lambda: seen.append("inner")))
    scope.on_cancel(scope.cancel)
    scope.cancel()
    assert seen == ["inner"]


class Download:
    """Something to be closed when it is not wanted any more."""

    def close(self):
        """Nothing is open."""


@pytest.fixture
def download():
    """A thing whose last references a test drops, and no collector that would find it in a cycle."""
    gc.disable()
    yield [Download()]
    gc.enable()


def test_outside_of_any_call_no_callback_is_kept(download):
    """Such a scope never ends, and whoever keeps it must not keep all that was ever registered."""
    scope, seen = current_scope(), weakref.ref(download[0])
    scope.on_cancel(download.pop().close)
    assert seen() is None


def test_a_callback_that_was_taken_back_is_forgotten(download):
    """By what takes it back too, which is often kept by what the callback is of."""
    scope, seen = Scope(), weakref.ref(download[0])
    download[0].forget = scope.on_cancel(download[0].close)
    download[0].forget()
    download.clear()
    assert seen() is None


def test_a_block_that_is_over_keeps_nothing(download):
    """Not even for whoever keeps the block."""
    seen = weakref.ref(download[0])
    with fail_after(60) as block:
        block.on_cancel(download.pop().close)
    assert seen() is None
    assert not block.cancelled
