"""What a running call sees of its scope, and what its caller sees of a cancel."""

import contextvars
import math
import threading

import pytest

from support.controlled import PATIENCE, heed_cancel
from threadfan import CallCancelled, CancelledError, Fan, TaskCancelled, TaskTimeout, current_scope

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def test_the_time_left_is_the_calls():
    """Inside a call, `remaining` counts from the call's start and follows the options it was handed in under."""
    with Fan(1, timeout=500) as fan:
        assert 0 < fan.submit(lambda: current_scope().remaining()).result() <= 500
        (short,) = fan.with_options(timeout=50).run(lambda _: current_scope().remaining(), [0]).values()
        (endless,) = fan.with_options(timeout=None).run(lambda _: current_scope().remaining(), [0]).values()
    assert 0 < short <= 50
    assert endless == math.inf


def test_every_look_gives_the_same_scope():
    """A callback registered in one place of a tool is found in another."""
    with Fan(1) as fan:
        assert fan.submit(lambda: current_scope() is current_scope()).result()


def test_two_calls_have_two_scopes():
    """A scope kept by one call is not the next one's, in the same thread."""
    with Fan(1) as fan:
        first, second = fan.run(lambda _: current_scope(), range(2)).values()
    assert first is not second


def test_a_context_copied_in_a_call_does_not_see_later_calls():
    """A context that outlives its call leads to a scope that never ends, not to somebody else's."""
    with Fan(1, timeout=500) as fan:
        context = fan.submit(contextvars.copy_context).result()
        assert context.run(current_scope).remaining() == math.inf


def test_cancelling_a_running_call_signals_its_scope():
    """`Future.cancel` says False, as ever, and the call that heeds its scope ends as a cancelled one."""
    started = threading.Event()
    with Fan(1) as fan:
        future = fan.submit(heed_cancel, started)
        assert started.wait(PATIENCE)
        assert future.cancel() is False
        with pytest.raises(TaskCancelled, match=r"heed_cancel was cancelled"):
            future.result()
        assert (future.done(), future.cancelled()) == (True, False)
        assert isinstance(future.exception(), CancelledError)


def test_a_running_call_may_ignore_the_cancel():
    """`Future.cancel` on a running call takes nothing away: the future ends with the call's value."""
    started, go = threading.Event(), threading.Event()

    def stubborn():
        started.set()
        assert go.wait(PATIENCE)
        return current_scope().cancelled

    with Fan(1) as fan:
        future = fan.submit(stubborn)
        assert started.wait(PATIENCE)
        assert not future.cancel()
        assert not future.done()
        go.set()
        assert future.result() is True


def test_a_scope_made_after_the_cancel_is_cancelled():
    """A call that asks for its scope only after it was cancelled learns of it."""
    started, go = threading.Event(), threading.Event()

    def late():
        started.set()
        assert go.wait(PATIENCE)
        current_scope().check()

    with Fan(1) as fan:
        future = fan.submit(late)
        assert started.wait(PATIENCE)
        future.cancel()
        go.set()
        with pytest.raises(TaskCancelled):
            future.result()


def test_the_timeout_signals_the_scope():
    """A call whose time is up is told, and its caller gets a `TaskTimeout` that names the function and the limit."""
    told = threading.Event()

    def tool(_):
        current_scope().on_cancel(told.set)
        assert told.wait(PATIENCE)

    with Fan(1, timeout=0.02) as fan:
        (outcome,) = fan.run(tool, ["x"])
        assert told.wait(PATIENCE)
    assert outcome.status == "timed_out"
    assert isinstance(outcome.error, TaskTimeout)
    assert "tool did not return within 0.02 s" in str(outcome.error)


@pytest.mark.parametrize("way", ["run", "gather", "submit"])
def test_a_cancel_that_a_call_raises_is_no_failure(way):
    """`CallCancelled` out of a call counts as cancelled on every path."""

    def tool(*_):
        try:
            raise CallCancelled("as a seam does")
        except Exception:  # pragma: no cover - what a careless tool does
            return "swallowed"

    with Fan(1) as fan:
        if way == "submit":
            error = fan.submit(tool).exception()
        else:
            (outcome,) = fan.run(tool, [0]) if way == "run" else fan.gather(tool)
            assert outcome.status == "cancelled"
            error = outcome.error
    assert isinstance(error, TaskCancelled)
