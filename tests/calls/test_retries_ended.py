"""Calls that back off or wait for a limit when something ends them: they end at once, and nothing waits with them."""

import asyncio
import gc
import os
import threading
import weakref

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, run_program, until, within_patience
from support.scripted import Script, backing_off, every, opened
from threadfan import (
    BrokenThreadPool,
    CallCancelled,
    CancelledError,
    Fan,
    FanClosed,
    RateLimit,
    TaskCancelled,
    current_scope,
    move_on_after,
    task,
    wait,
)
from threadfan.testing import Probe

GONE = ConnectionError("gone")


def ended_with(error):
    """Whether a call was cancelled while it backed off after GONE."""
    return isinstance(error, TaskCancelled) and error.__cause__ is GONE


def spent(clock, **options):
    """A limit of one call a minute that is used up."""
    limit = RateLimit(1, **options)
    limit.failed(limit.take(clock.monotonic(), limit.cost()), clock.monotonic())
    return limit


def held(fan, count):
    """Wait until so many calls wait for their limit."""
    until(lambda: fan.snapshot()["waiting"] == count)


# -- by their future, or the task that awaits them --------------------------------------------------------------------


def test_cancelling_a_future_that_backs_off(clock):
    """``cancel`` says False, as of a call that runs; the future ends at once, with the last error as its cause."""
    with opened(1, retry=every(60)) as fan:
        future, told = fan.submit(Script(GONE)), []
        future.add_done_callback(told.append)
        backing_off(fan, clock, due=60)
        assert future.running()
        assert not future.cancel()
        assert ended_with(future.exception(PATIENCE))
        assert (fan.snapshot()["waiting"], fan.snapshot()["failed"]) == (0, 1)
        until(lambda: told == [future])


def test_cancelling_a_future_that_waits_for_a_limit(clock):
    """One that never started is cancelled as ever, and leaves the line: the others have its turn."""
    limit = spent(clock)
    with opened(1, rate=limit) as fan:
        first, second = fan.submit(abs, -1), fan.submit(abs, -2)
        held(fan, 2)
        waiting = aside(wait, [first], PATIENCE)
        assert first.cancel()
        assert waiting.result(PATIENCE).done == {first}
        assert fan.snapshot()["waiting"] == 1
        clock.wait_for_sleepers(until=62)
        clock.advance(62)
        assert second.result(PATIENCE) == 2
        third = fan.submit(abs, -3)
        held(fan, 1)
        assert third.cancel()
    assert limit.in_flight == 0
    assert not limit.waitlist._waiting


def test_cancelling_a_future_between_two_attempts(clock):
    """One that waits for the limit before its second attempt ends at once; so does one that waits for a slot."""
    limit = RateLimit(1)
    with opened(1, retry=every(0), rate=limit) as fan:
        future = fan.submit(Script(GONE))
        held(fan, 1)
        assert not future.cancel()
        assert ended_with(future.exception(PATIENCE))
    with Gate() as gate, opened(1, retry=every(4)) as fan:
        future = fan.submit(Script(GONE))
        backing_off(fan, clock, due=4)
        blocking = fan.submit(gate)
        gate.wait_for(1)
        clock.advance(4)
        until(lambda: fan.snapshot()["queued"] == 1)
        assert not future.cancel()
        assert ended_with(future.exception(PATIENCE))
        gate.open()
        blocking.result(PATIENCE)
    assert limit.in_flight == 0


def test_with_ends_when_the_last_call_that_backs_off_is_cancelled(clock):
    """Nothing but the cancelled call kept the fan open, and no thread was at work to notice."""
    with opened(1, retry=every(60)) as fan:
        future = fan.submit(Script(GONE))
        backing_off(fan, clock, due=60)
        closed = aside(fan.shutdown)
        until(lambda: Probe(fan).closers)
        assert not closed.done()
        future.cancel()
        closed.result(PATIENCE)


def test_cancelling_a_task_that_awaits_a_call(clock):
    """A cancel of asyncio's drops a call that backs off or waits for its limit at once."""
    limit = spent(clock)

    async def main(fan, fn):
        awaited = asyncio.ensure_future(fan.call(fn))
        while fan.snapshot()["waiting"] != 1:
            await asyncio.sleep(0)
        awaited.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaited
        assert fan.snapshot()["waiting"] == 0

    with opened(1, retry=every(60)) as fan:
        within_patience(asyncio.run, main(fan, Script(GONE)))
        within_patience(asyncio.run, main(fan.with_options(rate=limit), abs))
        within_patience(asyncio.run, main(fan.with_options(rate=RateLimit(1)), Script(GONE)))
        assert fan.snapshot()["waiting"] == 0
    assert (limit.in_flight, limit.waitlist._waiting) == (0, {})


@pytest.mark.parametrize("rate", [None, RateLimit(1)])
def test_cancelling_a_task_that_awaits_a_batch(clock, rate):
    """The batch ends at once, and its error carries what was done."""
    del clock

    async def main(fan):
        awaited = asyncio.ensure_future(fan.arun(lambda item: item if not item else call(item), [0, 1]))
        while fan.snapshot()["waiting"] != 1:
            await asyncio.sleep(0)
        awaited.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await awaited
        return caught.value.report

    call = Script(GONE)
    with opened(1, retry=every(60), rate=rate) as fan:
        report = within_patience(asyncio.run, main(fan))
    assert [one.status for one in report] == ["succeeded", "cancelled"]
    assert rate is not None or ended_with(report[1].error)


# -- with their batch -------------------------------------------------------------------------------------------------


def test_fail_fast_drops_what_backs_off(clock):
    """The first final failure cancels calls that back off; their last error is the cause."""
    call = Script(GONE)
    with opened(2, retry={ConnectionError: every(60)}) as fan, Gate() as gate:

        def fails(item):
            if item:
                return call(item)
            gate()
            raise ValueError

        report = aside(fan.run, fails, [0, 1], fail_fast=True)
        until(lambda: fan.snapshot()["waiting"] == 1)
        gate.open()
        error = report.exception(PATIENCE)
    assert isinstance(error, ValueError)
    assert ended_with(error.report[1].error)
    assert (error.report[1].attempts, error.report[1].status) == (1, "cancelled")


def test_the_deadline_drops_what_waits_for_a_limit(clock):
    """Calls between two attempts are cancelled with their last error, others plainly."""
    limit, call = RateLimit(1), Script(GONE)
    with opened(1, retry=every(0), rate=limit) as fan:
        report = aside(fan.run, call, [0, 1], deadline=8)
        held(fan, 2)
        clock.wait_for_sleepers(2)
        clock.advance(8)
        first, second = report.result(PATIENCE)
    assert ended_with(first.error)
    assert (first.attempts, second.attempts) == (1, 0)
    assert isinstance(second.error, TaskCancelled)
    assert (limit.in_flight, limit.waitlist._waiting) == (0, {})


def test_a_mixed_gathering_is_dropped_whole(clock):
    """Plain tasks that are queued, those under policies that are held and ones that back off end together."""
    limit = spent(clock)
    with opened(1) as fan, Gate() as gate:
        tasks = [
            task(Script(GONE)).with_options(retry=every(60)),
            task(gate),
            task(abs, -1).with_options(rate=limit),
            task(abs, -2),
        ]
        report = aside(fan.gather, *tasks)
        gate.wait_for(1)
        until(lambda: fan.snapshot()["waiting"] == 1)
        fan.shutdown(wait=False, cancel_futures=True)
        gate.open()
        error = report.exception(PATIENCE)
    assert isinstance(error, FanClosed)
    assert [one.status for one in error.report] == ["cancelled", "succeeded", "cancelled", "cancelled"]
    assert ended_with(error.report[0].error)
    assert not limit.waitlist._waiting


@pytest.mark.parametrize("ordered", [False, True])
def test_closing_a_stream_drops_what_backs_off(clock, ordered):
    """No thread and no alarm is left of a stream that was left early."""
    call = Script(GONE)
    with opened(1, retry=every(60)) as fan:
        stream = fan.stream(lambda item: call(item) if item else item, range(3), ordered=ordered)
        assert next(stream).index == 0
        backing_off(fan, clock, 2, due=60)
        stream.close()
        assert fan.snapshot()["waiting"] == 0
        meet(fan, 1)


def test_a_stream_in_an_astream_is_closed(clock):
    """So for the asyncio side."""

    async def main(fan):
        stream = fan.astream(lambda item: call(item) if item else item, range(3))
        async for outcome in stream:
            assert outcome.index == 0
            while fan.snapshot()["waiting"] != 2:
                await asyncio.sleep(0)
            break
        await stream.aclose()

    call = Script(GONE)
    with opened(1, retry=every(60)) as fan:
        within_patience(asyncio.run, main(fan))
        assert fan.snapshot()["waiting"] == 0
    assert clock.monotonic() == 0


def test_an_outer_block_that_ends(clock):
    """Cancelling the block around a batch ends it while its calls back off, with the report on the error."""
    call, blocks = Script(GONE), []

    def body(fan):
        with move_on_after(60) as block:
            blocks.append(block)
            try:
                fan.run(call, [0])
            except CallCancelled as error:
                return error.report[0].error
        return None

    with opened(1, retry=every(40)) as fan:
        error = aside(body, fan)
        backing_off(fan, clock, due=40)
        blocks[0].cancel()
        assert ended_with(error.result(PATIENCE))


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # its thread may take a moment to come back
def test_an_outer_call_that_times_out_takes_its_calls_along(clock):
    """Calls that a call has handed in end with it, wherever they wait."""
    futures = []

    def outer():
        futures.append(limited.submit(abs, 1))
        futures[0].result()

    with opened(2) as fan:
        limited = fan.with_options(rate=spent(clock))
        future = fan.with_options(timeout=4).submit(outer)
        until(lambda: fan.snapshot()["waiting"] == 2)
        clock.wait_for_sleepers(2)
        clock.advance(4)
        assert isinstance(future.exception(PATIENCE), TimeoutError)
        until(futures[0].cancelled)
        until(lambda: fan.snapshot()["waiting"] == 0)


def test_an_outer_call_has_no_time_for_the_wait(clock):
    """A call that would be tried again only after the end of the call that handed it in ends at once."""
    inner = Script(GONE)
    with opened(2, retry=every(60)) as fan:
        view = fan.with_options(timeout=4, retry=None)
        assert view.submit(lambda: fan.submit(inner).result(PATIENCE)).exception(PATIENCE) is GONE
        assert view.submit(lambda: fan.run(inner, [1])[0].error).result(PATIENCE) is GONE
    assert (len(inner.starts), clock.monotonic()) == (2, 0)


# -- with their fan ---------------------------------------------------------------------------------------------------


def test_leaving_with_waits_for_what_backs_off(clock):
    """``with`` ends when the last attempt has, and not before."""
    call = Script(GONE, "done")
    fan = Fan(1, retry=every(4))
    future = fan.submit(call)
    backing_off(fan, clock, due=4)
    closed = aside(fan.shutdown)
    until(lambda: Probe(fan).closers)
    assert not closed.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        fan.submit(call)
    clock.advance(4)
    closed.result(PATIENCE)
    assert future.result(0) == "done"


def test_cancel_futures_drops_what_waits(clock):
    """What backs off or waits for a limit is dropped; what runs then is not tried again, and fails with its error."""
    with Gate() as gate:

        def fails(item):
            gate(item)
            raise GONE

        fan = Fan(2, retry=every(60))
        futures = [fan.submit(Script(GONE)), fan.with_options(rate=spent(clock)).submit(abs, 1), fan.submit(fails, 2)]
        gate.wait_for(1)
        until(lambda: fan.snapshot()["waiting"] == 2)
        closed = aside(fan.shutdown, cancel_futures=True)
        assert ended_with(futures[0].exception(PATIENCE))
        until(futures[1].cancelled)
        gate.open()
        closed.result(PATIENCE)
    assert futures[2].exception(0) is GONE


def test_a_ctrl_c_drops_what_waits(clock):
    """So does a Ctrl-C, in single calls and batches; the fan can be used afterwards."""
    with opened(1, retry=every(60)) as fan:
        future, report = fan.submit(Script(GONE)), aside(fan.run, Script(GONE), [0])
        third = fan.with_options(rate=spent(clock)).submit(abs, -1)
        until(lambda: fan.snapshot()["waiting"] == 3)
        Probe(fan).interrupt()
        assert ended_with(future.exception(PATIENCE))
        assert ended_with(report.result(PATIENCE)[0].error)
        assert third.cancelled()
        meet(fan, 1)


def test_a_ctrl_c_while_with_waits_for_what_backs_off(clock):
    """The interrupt ends the wait of ``shutdown`` in another thread, too."""
    with opened(1, retry=every(60)) as fan:
        fan.submit(Script(GONE))
        backing_off(fan, clock, due=60)
        closed = aside(fan.shutdown)
        until(lambda: Probe(fan).closers)
        Probe(fan).interrupt()
        closed.result(PATIENCE)


def test_a_batch_that_ends_while_its_fan_is_closing(clock):
    """A deadline that strikes when nothing runs any more lets ``shutdown`` return."""
    with opened(1, rate=spent(clock)) as fan:
        report = aside(fan.run, abs, [1], deadline=8)
        held(fan, 1)
        clock.wait_for_sleepers(2)
        closed = aside(fan.shutdown)
        until(lambda: Probe(fan).closers)
        clock.advance(8)
        assert report.result(PATIENCE)[0].status == "cancelled"
        closed.result(PATIENCE)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pool_that_breaks_while_calls_back_off(clock, caplog):
    """Calls that wait end with the pool's error, or as cancelled ones; what still runs fails with its own."""
    made = []

    def initializer():
        made.append(1)
        if len(made) == 2:
            raise ValueError("the second thread")

    with Gate() as gate:

        def fails(item):
            gate(item)
            raise GONE

        fan = Fan(2, initializer=initializer, retry=every(60))
        waiting = fan.submit(Script(GONE))
        backing_off(fan, clock, due=60)
        until(lambda: fan._scheduler.crew.idle)  # else the next call gets the second thread
        running = fan.submit(fails, 1)
        gate.wait_for(1)
        broken = fan.submit(abs, 1)
        assert isinstance(broken.exception(PATIENCE), BrokenThreadPool)
        assert ended_with(waiting.exception(PATIENCE))
        gate.open()
        assert running.exception(PATIENCE) is GONE
        within_patience(fan.shutdown)
    assert "Exception in initializer" in caplog.text


def test_a_fan_nobody_holds_finishes_what_backs_off(clock):
    """A fan that is forgotten while its calls back off ends them as it should, and then is gone."""
    call = Script(lambda _: 1 / 0, "done")  # an error that is kept keeps the frames that it went through
    fan = Fan(1, retry=every(4))
    hub = weakref.ref(fan._scheduler)
    future = fan.submit(call)
    backing_off(fan, clock, due=4)
    del fan
    gc.collect()
    clock.advance(4)
    assert future.result(PATIENCE) == "done"
    del future
    until(lambda: gc.collect() is None or hub() is None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_calls_wait():
    """In the child what waits says so, and the fan and its limit can be used; in the parent all go on."""
    out, err = run_program(
        """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
from threadfan import Fan, RateLimit, BrokenThreadPool
import tenacity
limit, free = RateLimit(1), RateLimit()
go = threading.Event()
seen = []
def fails():
    seen.append(1)
    if len(seen) == 1:
        raise ConnectionError
    return "done"
fan = Fan(2, retry=tenacity.Retrying(wait=tenacity.wait_fixed(1), stop=tenacity.stop_after_attempt(3)))
capped = fan.with_options(max_concurrent=1, retry=None)
capped.submit(go.wait)
limited = fan.with_options(rate=limit)
limited.submit(int).result()
first, second, third = fan.submit(fails), limited.submit(int), fan.with_options(rate=free).submit(int)
third.result()
while fan.snapshot()["waiting"] != 2:
    pass
child = os.fork()
if not child:
    try:
        for future in (first, second):
            assert isinstance(future.exception(10), BrokenThreadPool), future
        assert fan.submit(int).result(10) == 0
        assert fan.with_options(rate=free).submit(int).result(10) == 0
        assert capped.submit(int).result(10) == 0
        assert not limit.waitlist._waiting
        fan.shutdown()
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(first.result(10))
go.set()
second.cancel()
fan.shutdown()
"""
    )
    assert out.split() == ["0", "done"], err


def test_the_interpreter_waits_for_what_backs_off():
    """At exit calls that back off are tried again, and finish."""
    out, err = run_program(
        """
import tenacity
from threadfan import Fan
seen = []
def fails():
    seen.append(1)
    if len(seen) < 3:
        raise ConnectionError
    print("done")
Fan(2, retry=tenacity.Retrying(wait=tenacity.wait_fixed(0.2), stop=tenacity.stop_after_attempt(3))).submit(fails)
"""
    )
    assert (out, err) == ("done\n", "")


@pytest.mark.parametrize(
    "how",
    [
        "fan.run(fails, range(3))",
        "fan.submit(fails).result()",
        "[*fan.stream(fails, range(3))]",
        "next(fan.map(fails, range(3)))",
        "fan.submit(fails), fan.shutdown()",
        "limited.run(abs, range(3))",
        "[limited.submit(int).result() for _ in range(2)]",
    ],
)
def test_a_real_ctrl_c_while_calls_wait(how):
    """A program whose calls back off or wait for a limit ends at once when the user presses Ctrl-C."""
    out, _ = run_program(
        f"""
import signal, threading, time
import tenacity
from threadfan import Fan, RateLimit
def fails(*_):
    raise ConnectionError
def press():
    while not fan.snapshot()["waiting"]:
        time.sleep(0)
    while inside:  # a signal that comes just before a wait does not interrupt it
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.5)
inside = [True]
try:
    with Fan(2, retry=tenacity.Retrying(wait=tenacity.wait_fixed(600))) as fan:
        limited = fan.with_options(rate=RateLimit(0.1), retry=None)
        threading.Thread(target=press, daemon=True).start()
        try:
            {how}
        finally:
            inside.clear()
except KeyboardInterrupt:
    print("interrupted")
"""
    )
    assert out == "interrupted\n"


def test_an_estimate_that_raises():
    """The item that it fails for fails alone, by every way in, and the fan goes on."""

    def wrong(item):
        if item == 3:
            raise KeyError(item)
        return 1, 1

    with opened(1, rate=RateLimit(60_000_000, burst=100, input_tokens_per_minute=1e9, estimate=wrong)) as fan:
        error = fan.submit(abs, 3).exception(PATIENCE)
        assert (type(error), error.args) == (KeyError, (3,))
        for report in (
            fan.run(abs, [1, 3, 2]),
            fan.run(abs, iter([1, 3, 2])),
            list(fan.stream(abs, iter([1, 3, 2]), ordered=True)),
            fan.gather(task(abs, 1), task(abs, 3), task(abs, 2)),
        ):
            assert [(one.status, one.value, type(one.error)) for one in report] == [
                ("succeeded", 1, type(None)), ("failed", None, KeyError), ("succeeded", 2, type(None))
            ]  # fmt: skip
            assert report[1].attempts == 0
        assert asyncio.run(_awaited(fan)) == (3,)
        assert fan.run(abs, [1]).unwrap() == [1]
        meet(fan.with_options(rate=None), 1)
    with opened(1, rate=RateLimit(60, estimate=lambda _: "many")) as fan:
        with pytest.raises(ValueError, match="estimate"):
            fan.submit(abs, 3).result(PATIENCE)
        assert fan.snapshot()["failed"] == 1


async def _awaited(fan):
    try:
        await fan.call(abs, 3)
    except KeyError as error:
        return error.args


def test_a_call_that_heeds_its_cancel_is_not_tried_again(clock):
    """``cancel`` on a running future ends it as the call ends, whatever the policy says."""
    with opened(1, retry=every(0), timeout=60) as fan:
        started = threading.Event()

        def call():
            scope, gone = current_scope(), threading.Event()
            scope.on_cancel(gone.set)
            started.set()
            assert gone.wait(PATIENCE)
            raise GONE

        future = fan.submit(call)
        started.wait(PATIENCE)
        assert not future.cancel()
        assert future.exception(PATIENCE) is GONE
        with pytest.raises(CancelledError):
            raise TaskCancelled
    assert clock.monotonic() == 0
