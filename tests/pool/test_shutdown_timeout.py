"""``shutdown(timeout=…)``: what is left when the time is up, and who is told."""

import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, heed_cancel, until
from threadfan import Fan, FanClosed, TaskCancelled

# On a loaded machine a thread may not come back within the grace of its cancel.
pytestmark = pytest.mark.filterwarnings("ignore:.*still stuck in:RuntimeWarning")

OVER = "the fan was shut down with timeout=5, which is over"


def test_what_ends_in_time_is_as_ever():
    """Calls that run and wait end by themselves, and then nothing is due any more."""
    with Gate() as gate:
        fan = Fan(1)
        futures = [fan.submit(gate, number) for number in range(3)]
        gate.wait_for(1)
        closing = aside(fan.shutdown, timeout=600)
        until(lambda: fan._shutdown)
        gate.open()
        assert closing.result(PATIENCE) is None
    assert [future.result(0) for future in futures] == [0, 1, 2]


def test_what_is_left_is_cancelled(clock):
    """At that moment what runs is told, and its thread waited for; what waits never starts."""
    left = threading.Event()

    def heed():
        try:
            heed_cancel(started)
        finally:
            left.set()

    started = threading.Event()
    fan = Fan(1)
    running, queued = fan.submit(heed), fan.submit(int)
    assert started.wait(PATIENCE)
    closing = aside(fan.shutdown, timeout=5)
    clock.wait_for_sleepers(until=5)
    assert not queued.done()
    clock.advance(5)
    closing.result(PATIENCE)
    assert left.wait(PATIENCE)
    with pytest.raises(TaskCancelled, match=OVER):
        running.result(0)
    assert queued.cancelled()
    until(lambda: fan.snapshot()["abandoned"] == 0)


def test_a_thread_that_is_stuck_is_left_behind(clock):
    """It is abandoned as after a timeout, and the warning says where it hangs."""
    with Gate() as gate:
        fan = Fan(1)
        hung = fan.submit(gate)
        gate.wait_for(1)
        closing = aside(_warned, fan, timeout=5)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        assert "is still stuck in" in closing.result(PATIENCE)
        with pytest.raises(TaskCancelled, match=OVER):
            hung.result(0)
        assert fan.snapshot()["abandoned"] == 1
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)


def test_closing_waits_for_a_look_that_has_begun(clock, monkeypatch):
    """What it has taken out has its end when ``shutdown`` returns, also if the last call has ended by itself."""
    fan, decided, going, leaving = Fan(1), threading.Event(), threading.Event(), threading.Event()
    scheduler, waits = fan._scheduler, []
    timer, perform, join = scheduler.timer, scheduler.perform, scheduler.timer.join

    def held(after):
        if threading.current_thread().name == "threadfan-alarms" and not decided.is_set():
            decided.set()
            assert going.wait(PATIENCE)
        perform(after)

    def joined():
        waits.append(not timer.looking.acquire(blocking=False))
        if not waits[-1]:
            timer.looking.release()
        going.set()
        join()

    def close():
        fan.shutdown(timeout=5)
        return queued.cancelled()

    with Gate() as gate:
        running, queued = fan.submit(gate), fan.submit(int)
        running.add_done_callback(lambda _: leaving.wait(PATIENCE))
        gate.wait_for(1)
        closing = aside(close)
        clock.wait_for_sleepers(until=5)
        gate.open()
        running.result(PATIENCE)  # and its thread is still at its queue
        monkeypatch.setattr(scheduler, "perform", held)
        monkeypatch.setattr(timer, "join", joined)
        clock.advance(5)
        assert decided.wait(PATIENCE)
        leaving.set()  # then all is done
        assert closing.result(PATIENCE)
    assert waits == [True]


def _warned(fan, **options):
    with pytest.warns(RuntimeWarning) as told:
        fan.shutdown(**options)
    return str(told[0].message)


def test_without_waiting_the_time_holds_all_the_same(clock):
    """`wait=False` returns at once, and calls are cancelled when the time is up."""
    started = threading.Event()
    fan = Fan(1)
    running = fan.submit(heed_cancel, started)
    assert started.wait(PATIENCE)
    fan.shutdown(wait=False, timeout=5)
    clock.wait_for_sleepers(until=5)
    assert not running.done()
    clock.advance(5)
    assert isinstance(running.exception(PATIENCE), TaskCancelled)
    fan.shutdown()


def test_a_batch_is_cut_short(clock):
    """It raises `FanClosed`, and its report has what was done until then."""

    def call(item):
        if item:
            heed_cancel(started)
        return item

    started = threading.Event()
    fan = Fan(1)
    batch = aside(fan.run, call, [0, 1, 2])
    assert started.wait(PATIENCE)
    closing = aside(fan.shutdown, timeout=5)
    clock.wait_for_sleepers(until=5)
    clock.advance(5)
    with pytest.raises(FanClosed, match=OVER) as caught:
        batch.result(PATIENCE)
    assert [outcome.status for outcome in caught.value.report] == ["succeeded", "cancelled", "cancelled"]
    closing.result(PATIENCE)


def test_a_call_that_backs_off_is_cancelled(clock):
    """Nobody waits for a retry that is due later."""

    def fail():
        failed.set()
        raise ConnectionError

    failed = threading.Event()
    fan = Fan(1, retry={ConnectionError: 10_000})
    future = fan.submit(fail)
    assert failed.wait(PATIENCE)
    closing = aside(fan.shutdown, timeout=0)
    with pytest.raises(TaskCancelled):
        future.result(PATIENCE)
    closing.result(PATIENCE)


def test_steps_of_a_graph_are_cancelled(clock):
    """What runs is told, and nothing follows it."""
    started = threading.Event()
    fan = Fan(1)
    graph = fan.graph(name="two")
    graph.add(lambda: heed_cancel(started), name="first")
    graph.add(lambda first: first, name="second", depends_on=["first"])
    run = aside(graph.run)
    assert started.wait(PATIENCE)
    closing = aside(fan.shutdown, timeout=5)
    clock.wait_for_sleepers(until=5)
    clock.advance(5)
    with pytest.raises(FanClosed, match=OVER):
        run.result(PATIENCE)
    closing.result(PATIENCE)


def test_a_callback_that_blocks_its_worker_is_left(clock):
    """What cannot be cancelled has a second more, and then is left."""
    with Gate() as gate:
        fan = Fan(1)
        looked = threading.Event()
        future = fan.submit(looked.wait, PATIENCE)
        future.add_done_callback(gate)
        looked.set()
        gate.wait_for(1)
        closing = aside(fan.shutdown, timeout=5)
        clock.wait_for_sleepers(until=6)
        clock.advance(6)
        closing.result(PATIENCE)
    fan.shutdown()


async def test_in_a_coroutine(clock):
    """`aclose` takes both, and the loop goes on meanwhile."""
    started = threading.Event()
    fan = Fan(1)
    running, queued = fan.submit(heed_cancel, started), fan.submit(int)
    assert started.wait(PATIENCE)
    await fan.aclose(cancel_futures=True, timeout=0)
    with pytest.raises(TaskCancelled):
        running.result(0)
    assert queued.cancelled()


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_no_time(seconds):
    """It is refused before anything is closed."""
    with Fan(1) as fan:
        with pytest.raises(ValueError, match="timeout=…"):
            fan.shutdown(timeout=seconds)
        with pytest.raises(TypeError, match="timeout=…"):
            fan.shutdown(timeout="soon")
        assert fan.submit(abs, -1).result(PATIENCE) == 1
        with pytest.raises(RuntimeError, match="a view cannot be shut down"):
            fan.with_options(timeout=1).shutdown(timeout=1)
