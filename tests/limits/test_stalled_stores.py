"""A shared store that does not answer: nobody has to wait for it who wants to go."""

import asyncio
import signal
import sqlite3
from contextlib import contextmanager

import pytest

from support.controlled import PATIENCE, Gate, aside, run_program, until
from support.shared_limits import redis_server
from threadfan import Fan, RateLimit, fail_after, stage, task
from threadfan._core.limits import shared_waitlist as sharing
from threadfan._core.limits import stores, ticks
from threadfan._core.limits.rate_waitlist import STALL

pytestmark = pytest.mark.filterwarnings("ignore:.*still stuck:RuntimeWarning")


class Others:
    """A store that answers when the test lets it."""

    pauses, lacking = 0, 0.0

    def __init__(self):
        self.gate = Gate()

    def reach(self):
        """It is there."""

    def take(self, spacing, capacity):
        """There is room."""
        self.gate(object())
        return 0.0


@pytest.fixture
def store(monkeypatch):
    """One that stalls until the test has ended."""
    made = Others()
    monkeypatch.setattr(sharing, "store_at", lambda place, name: made)
    with made.gate:
        yield made


@pytest.fixture
def limit(store):
    """A limit that is kept there."""
    return RateLimit(60_000, shared="redis://nowhere", burst=100)


def at_deadline(fan, store):
    """The batch's own deadline."""
    report = fan.run(abs, range(8), deadline=0.01)
    assert report.stats.counts["cancelled"] == 8
    assert [outcome.attempts for outcome in report] == [0] * 8


def at_the_end_of_a_block(fan, store):
    """The scope around it ends."""
    with pytest.raises(TimeoutError), fail_after(0.01):
        fan.run(abs, range(8))


def at_an_interrupt(fan, store):
    """Ctrl-C, here from an iterable."""

    def inputs():
        yield from range(8)
        store.gate.wait_for(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fan.run(abs, inputs())
    assert [outcome.status for outcome in caught.value.report] == ["cancelled"] * 8


def at_an_error(fan, store):
    """An ordinary one, at which calls that run would be waited for: these have not begun."""

    def inputs():
        yield from range(8)
        store.gate.wait_for(1)
        raise ValueError("the input is broken")

    with pytest.raises(ValueError, match="broken"):
        fan.run(abs, inputs())


def at_a_closed_stream(fan, store):
    """Whoever reads it wants no more."""
    stream = fan.stream(abs, range(8))
    reading = aside(next, stream)
    store.gate.wait_for(1)
    fan.shutdown(wait=False, cancel_futures=True)
    assert reading.result(PATIENCE).status == "cancelled"
    stream.close()


def at_a_cancelled_arun(fan, store):
    """Of a task."""

    async def main():
        running = asyncio.ensure_future(fan.arun(abs, range(8)))
        await asyncio.to_thread(store.gate.wait_for, 1)
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def at_a_cancelled_call(fan, store):
    """Of a task."""

    async def main():
        running = fan.call(abs, -1)
        await asyncio.to_thread(store.gate.wait_for, 1)
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def at_shutdown(fan, store):
    """With ``cancel_futures``."""
    futures = [fan.submit(abs, -1) for _ in range(8)]
    store.gate.wait_for(4)
    fan.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)


def at_cancel(fan, store):
    """Of a future: it has not begun."""
    future = fan.submit(abs, -1)
    store.gate.wait_for(1)
    assert future.cancel()
    fan.shutdown()
    assert future.cancelled()


def at_the_end_of_a_gathering(fan, store):
    """Tasks of it."""
    with pytest.raises(TimeoutError), fail_after(0.01):
        fan.gather(task(abs, -1), task(abs, -2))


def at_the_end_of_a_pipeline(fan, store):
    """Steps of it."""
    with pytest.raises(TimeoutError), fail_after(0.01):
        fan.pipeline(stage(abs), stage(abs)).run([1, 2, 3])


WAYS = [
    at_deadline,
    at_the_end_of_a_block,
    at_an_interrupt,
    at_an_error,
    at_a_closed_stream,
    at_a_cancelled_arun,
    at_a_cancelled_call,
    at_shutdown,
    at_cancel,
    at_the_end_of_a_gathering,
    at_the_end_of_a_pipeline,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_whoever_ends_calls_does_not_wait_for_the_store(store, limit, way):
    """While the store is silent, they end, the fan closes, and no permit is lost."""
    fan = Fan(4, rate=limit, timeout=0.001)  # it does not run yet

    def act():
        way(fan, store)
        fan.shutdown()

    if way in (at_an_interrupt, at_a_cancelled_arun, at_a_cancelled_call):
        act()
    else:
        aside(act).result(PATIENCE)
    assert not store.gate._open
    assert limit.in_flight == 0
    store.gate.open()


def test_after_a_while_the_slot_is_others(store, limit, clock, caplog):
    """The call is back in its queue, another one has the slot, and the stall is told once; each call is made once."""
    called = []
    with Fan(1, rate=limit) as fan:
        futures = [fan.submit(called.append, number) for number in range(3)]
        store.gate.wait_for(1)
        clock.wait_for_sleepers(until=STALL)
        clock.advance(STALL)
        assert fan.with_options(rate=None).submit(abs, -1).result(PATIENCE) == 1
        assert len(store.gate.started) == 1  # no other one asks meanwhile
        until(lambda: "does not answer" in caplog.text)
        store.gate.open()
        until(lambda: (clock.advance(STALL), all(future.done() for future in futures))[1])
    assert sorted(called) == [0, 1, 2]
    assert limit.in_flight == 0
    assert caplog.text.count("does not answer") == 1


def test_a_stall_does_not_spend_a_calls_attempts(store, limit, clock):
    """It has one attempt, and has waited for the limit."""
    with Fan(1, rate=limit, retry=2, timeout=1) as fan:
        running = aside(fan.run, abs, [-1])
        store.gate.wait_for(1)
        clock.wait_for_sleepers(until=STALL)
        clock.advance(STALL)
        store.gate.open()
        until(lambda: (clock.advance(STALL), running.done())[1])
    (outcome,) = running.result()
    assert (outcome.value, outcome.attempts) == (1, 1)


@contextmanager
def stalled(kind, folder):
    """A place that does not answer for as long as its ``with stall():`` lasts."""
    if kind == "sqlite":
        path = f"{folder}/limits.db"

        @contextmanager
        def stall():
            other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            other.execute("BEGIN EXCLUSIVE")
            try:
                yield
            finally:
                other.close()

        yield f"sqlite:///{path}", stall
        return
    with redis_server(folder) as (url, process):

        @contextmanager
        def stall():
            process.send_signal(signal.SIGSTOP)
            try:
                yield
            finally:
                process.send_signal(signal.SIGCONT)

        yield url, stall


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_real_stores_hold_up_nobody(kind, tmp_path, monkeypatch):
    """A file that another process keeps locked, and a server that is stopped, of which an answer takes a minute."""
    monkeypatch.setattr(ticks, "PATIENCE", 60.0)
    with stalled(kind, tmp_path) as (place, stall):
        fan = Fan(2, rate=RateLimit(60_000, burst=50, shared=place))
        assert fan.run(abs, [-1, -2]).unwrap() == [1, 2]
        with stall():
            report = aside(fan.run, abs, range(5), deadline=0.1).result(PATIENCE)
            assert report.stats.counts["cancelled"] == 5
            aside(fan.shutdown).result(PATIENCE)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_ctrl_c_while_a_fan_is_made(kind, tmp_path):
    """Its store is silent from the start; the signal does not wait for it."""
    with stalled(kind, tmp_path) as (place, stall):
        if kind == "sqlite":
            stores.store_at(place, "rate").reach()
        with stall():
            program = f"""
import os, signal, threading
from threadfan import Fan, RateLimit
from threadfan._core.limits import ticks
ticks.PATIENCE = 60.0
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    Fan(rate=RateLimit(600, shared={place!r}))
except KeyboardInterrupt:
    print("interrupted", flush=True)
    os._exit(0)
"""
            assert run_program(program)[0] == "interrupted\n"
