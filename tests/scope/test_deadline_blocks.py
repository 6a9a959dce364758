"""`fail_after` and `move_on_after`, with trio's meanings, alone, nested and in a fan's calls."""

import asyncio
import math
import threading
from contextvars import copy_context

import pytest

import threadfan
from support.controlled import PATIENCE, aside, until
from threadfan import CallCancelled, Fan, TaskTimeout, Usage, current_scope, fail_after, move_on_after


def in_time(clock, fn, *seconds):
    """Run a function aside, and let time pass in the given steps, each once somebody sleeps until its end."""
    result, now = aside(fn), clock.monotonic()
    for step in seconds:
        now += step
        clock.wait_for_sleepers(until=now)
        clock.advance(step)
    return result


def test_a_block_that_ends_in_time_changes_nothing(clock):
    """Its value passes, no alarm is left, and the scope around it is current again."""
    outside = current_scope()
    with fail_after(5) as inner, move_on_after(3) as innermost:
        assert current_scope() is innermost
        assert (inner.remaining(), innermost.remaining()) == (5, 3)
    assert current_scope().remaining() == outside.remaining() == math.inf
    assert not inner.cancelled_caught
    assert not innermost.cancelled_caught


def test_fail_after_raises_at_the_deadline(clock):
    """A sleep in the block ends, and the block raises the error that names its seconds."""

    def block():
        with fail_after(5):
            threadfan.sleep(60)

    with pytest.raises(TaskTimeout, match=r"the block of fail_after\(5\) did not end in time") as found:
        in_time(clock, block, 5).result(PATIENCE)
    assert isinstance(found.value.__cause__, CallCancelled)


def test_move_on_after_goes_on(clock):
    """The same in silence; the scope tells."""

    def block():
        with move_on_after(5) as scope:
            threadfan.sleep(60)
        return scope.cancelled_caught, scope.cancelled

    assert in_time(clock, block, 5).result(PATIENCE) == (True, True)


def test_no_time_at_all(clock):
    """With 0 seconds the first thing that heeds the scope ends the block."""
    with move_on_after(0) as scope:
        threadfan.sleep(0)
        pytest.fail("went on")
    assert scope.cancelled_caught
    with move_on_after(0) as scope:
        pass  # nothing that could be ended
    assert not scope.cancelled_caught


@pytest.mark.parametrize(("outer", "inner"), [(5, 3), (3, 5), (3, 3)])
def test_the_tighter_of_two_blocks_catches(clock, outer, inner):
    """Which may be the inner or the outer one; when both are due at once it is the outer one."""

    def blocks():
        with move_on_after(outer) as one:
            with move_on_after(inner) as other:
                threadfan.sleep(60)
            assert not one.cancelled
        return one.cancelled_caught, other.cancelled_caught

    assert in_time(clock, blocks, 3).result(PATIENCE) == (outer <= inner, inner < outer)


def test_an_inner_block_cannot_have_more_time(clock):
    """Its deadline is that of the block around it at the latest."""
    with fail_after(3), fail_after(5) as inner:
        assert inner.remaining() == 3
    with fail_after(3), move_on_after(math.inf) as inner:
        assert inner.remaining() == 3
    with move_on_after(math.inf) as inner:
        assert inner.remaining() == math.inf


def test_time_goes_on_after_an_inner_block(clock):
    """What the inner block has caught does not end the outer one, which ends at its own time."""

    def blocks():
        with move_on_after(5) as outer:
            with move_on_after(3) as inner:
                threadfan.sleep(60)
            assert inner.cancelled_caught
            threadfan.sleep(60)
        return outer.cancelled_caught

    assert in_time(clock, blocks, 3, 2).result(PATIENCE) is True


def test_a_cancel_from_another_thread(clock):
    """`cancel` ends the block at once, and no other."""
    scopes = []

    def blocks():
        with move_on_after(50) as outer:
            with move_on_after(30) as inner:
                scopes.append(inner)
                threadfan.sleep(60)
            return outer.cancelled, inner.cancelled_caught

    result = aside(blocks)
    clock.wait_for_sleepers(until=30)  # the alarms have it in view
    clock.wait_for_sleepers(2)
    scopes[0].cancel()
    assert result.result(PATIENCE) == (False, True)


def test_the_cancel_of_a_block_is_that_of_the_blocks_in_it(clock):
    """A cancelled outer block ends the inner one, and catches it itself."""
    with move_on_after(50) as outer:
        with move_on_after(30) as inner:
            outer.cancel()
            inner.check()
        pytest.fail("went on")
    assert (outer.cancelled_caught, inner.cancelled_caught) == (True, False)


@pytest.mark.parametrize("block", [fail_after, move_on_after])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, TimeoutError, CallCancelled])
def test_other_errors_pass_unchanged(clock, block, error):
    """Also when the time is up, and a cancel that is somebody else's while it is not."""
    raised = error("from within")

    def end():
        if error is not CallCancelled:
            clock.advance(5)
        raise raised

    with pytest.raises(error) as found, block(5) as scope:
        end()
    assert found.value is raised
    assert found.value.__cause__ is None
    assert not scope.cancelled_caught


def test_a_block_is_entered_once(clock):
    """Its deadline is past and its cancel is final, so a second `with` is refused, saying what would be right."""
    for block in (fail_after(5), move_on_after(5)):
        with block:
            name = "fail_after" if block._fails else "move_on_after"
            with pytest.raises(RuntimeError, match=rf"write `with {name}\(5\)` for each"), block:
                pass
            assert current_scope() is block
        with pytest.raises(RuntimeError, match="entered before"), block:
            pass


@pytest.mark.parametrize("block", [fail_after, move_on_after])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-1, ValueError, "needs at least 0 seconds, not -1"),
        (math.nan, ValueError, "needs at least 0 seconds, not nan"),
        ("5", TypeError, "needs a number of seconds, not '5'"),
        (None, TypeError, "needs a number of seconds, not None"),
        (True, TypeError, "needs a number of seconds, not True"),
    ],
)
def test_bad_seconds_are_refused(block, value, error, message):
    """With the name of the block and the value that was wrong."""
    with pytest.raises(error, match=f"{block.__name__} {message}"):
        block(value)


def test_callbacks_are_called_at_the_deadline(clock):
    """Those that were registered before the block began too; nobody has to be waiting."""
    early, late = threading.Event(), threading.Event()
    block = move_on_after(5)
    block.on_cancel(early.set)
    with block:
        block.on_cancel(late.set)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        assert late.wait(PATIENCE)
        assert early.wait(PATIENCE)


def test_a_block_that_has_ended_sets_no_alarm(clock):
    """Whoever still has the scope in another thread does not start anything with it."""
    with move_on_after(5) as scope:
        pass
    scope.on_cancel(lambda: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "threadfan-alarms"]


def test_callbacks_from_many_threads_leave_no_alarm(clock, eager_switching):
    """A scope that was handed to other threads is not watched after its end."""

    def register(scope, barrier):
        barrier.wait(PATIENCE)
        scope.on_cancel(int)

    for _ in range(100):
        barrier = threading.Barrier(3)
        with move_on_after(5) as scope:
            results = [aside(register, scope, barrier) for _ in range(2)]
            barrier.wait(PATIENCE)
        for result in results:
            result.result(PATIENCE)
        assert not scope._alarms
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "threadfan-alarms"])


def test_in_a_fans_call(clock):
    """A block in a call ends that part of it, and the call goes on to its own value."""

    def tool(seconds):
        with move_on_after(seconds) as scope:
            threadfan.sleep(60)
        return scope.cancelled_caught

    with Fan(1, timeout=30) as fan:
        future = fan.submit(tool, 5)
        clock.wait_for_sleepers(2, until=30)
        clock.wait_for_sleepers(1, until=5)
        clock.advance(5)
        assert future.result(PATIENCE) is True


def test_the_calls_timeout_is_not_caught_by_a_block_in_it(clock):
    """What ends the call ends the block, and passes through it."""
    seen = []

    def tool():
        try:
            with move_on_after(60) as scope:
                assert scope.remaining() == 30
                threadfan.sleep(100)
        finally:
            seen.append(scope.cancelled_caught)

    with Fan(1, timeout=30) as fan:
        future = fan.submit(tool)
        clock.wait_for_sleepers(1, until=30)
        clock.wait_for_sleepers(3)
        clock.advance(30)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        until(lambda: fan.snapshot()["abandoned"] == 0)
    assert seen == [False]


def test_tokens_used_in_a_block_are_the_calls():
    """Usage noted in a block, in a block, adds up on the outcome of the call."""

    def tool(_):
        with fail_after(60), move_on_after(60) as scope:
            scope.add_usage(Usage(3, 4))

    with Fan(1) as fan:
        (outcome,) = fan.run(tool, [0])
    assert outcome.usage == Usage(3, 4)


def test_real_time():
    """On the real clock too, without any fan."""
    with move_on_after(0.05) as scope:
        threadfan.sleep(60)
    assert scope.cancelled_caught
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("threadfan-alarm")])


def test_a_block_that_is_left_when_its_time_is_up_tells_what_was_begun_in_it(clock):
    """Whoever notices the time by itself, before the alarm has come, must not take the end from the others."""
    for _ in range(50):
        told = threading.Event()
        with move_on_after(8) as scope:
            scope.on_cancel(told.set)
            clock.advance(8)
            scope.check()
        assert told.wait(PATIENCE)


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_a_block_that_is_left_by_a_cancel_ends_what_was_begun_in_it(clock, error):
    """In another thread, which hears neither of asyncio's cancels nor of Ctrl-C."""
    begun = []

    def block():
        with fail_after(60) as scope:
            begun[:] = scope, aside(copy_context().run, threadfan.sleep, 90)
            clock.wait_for_sleepers(until=clock.monotonic() + 90)
            raise error

    with pytest.raises(error):
        block()
    scope, sleeps = begun
    with pytest.raises(CallCancelled):
        sleeps.result(PATIENCE)
    with pytest.raises(CallCancelled):
        scope.check()


def test_a_block_that_is_left_by_an_error_ends_nothing(clock):
    """It is an affair of the block's own code, and no cancel."""
    called, scope = threading.Event(), fail_after(60)

    def block():
        with scope:
            scope.on_cancel(called.set)
            raise LookupError

    with pytest.raises(LookupError):
        block()
    assert not scope.cancelled
    assert not called.is_set()
