"""`max_queued=`: how many submitted calls may wait to begin, and what happens to one more."""

import queue
import threading
from collections import deque

import pytest

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import CallCancelled, Fan, RateLimit, TaskTimeout, fail_after

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck in:RuntimeWarning")

OPTIONS = pytest.mark.parametrize("options", [{}, {"retry": 1}], ids=["plain", "policies"])


def waiting(fan):
    """How many stand in line for a place."""
    return len(fan._scheduler.room._line)


@OPTIONS
def test_one_more_waits_until_one_begins(options):
    """First come, first served; and none is lost."""
    gates = [Gate() for _ in range(3)]
    with Fan(1, max_queued=2, **options) as fan, gates[2], gates[1], gates[0]:
        futures = [fan.submit(gate, number) for number, gate in enumerate(gates)]
        gates[0].wait_for(1)
        late = []
        for number in (-3, -4):
            late.append(aside(fan.submit, abs, number))
            until(lambda: waiting(fan) == len(late))
        gates[0].open()
        futures.append(late[0].result(PATIENCE))
        assert waiting(fan) == 1
        gates[1].open()
        futures.append(late[1].result(PATIENCE))
        gates[2].open()
        assert [future.result(PATIENCE) for future in futures] == [0, 1, 2, 3, 4]


@OPTIONS
def test_one_more_is_refused(options):
    """At once, with the number; once there is a place, it is taken."""
    gate = Gate()
    with Fan(1, max_queued=2, when_full="raise", **options) as fan, gate:
        futures = [fan.submit(gate, 0)]
        gate.wait_for(1)
        futures += [fan.submit(gate, number) for number in (1, 2)]
        with pytest.raises(queue.Full, match="2 calls wait to begin"):
            fan.submit(gate, 3)
        assert futures[2].cancel()  # which gives its place back, although its thread has not come to see it
        futures[2] = fan.with_options(timeout=9).submit(gate, 4)
        with pytest.raises(queue.Full):
            fan.with_options(timeout=9).submit(gate, 5)
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == [0, 1, 4]


def test_batches_are_not_counted():
    """They have windows of their own."""
    gate = Gate()
    with Fan(1, max_queued=1, when_full="raise") as fan, gate:
        found = aside(fan.run, gate, range(50))
        gate.wait_for(1)
        future = fan.submit(abs, -1)
        gate.open()
        assert found.result(PATIENCE).unwrap() == list(range(50))
        assert future.result(PATIENCE) == 1


def test_a_wait_ends_with_its_scope(clock):
    """A block's deadline ends it, and its place in the line is gone."""
    gate = Gate()

    def late(fan):
        with fail_after(5):
            fan.submit(gate, 2)

    with Fan(1, max_queued=1) as fan, gate:
        futures = [fan.submit(gate, number) for number in range(2)]
        gate.wait_for(1)
        found = aside(late, fan)
        until(lambda: waiting(fan) == 1)
        clock.wait_for_sleepers(until=5.0)
        clock.advance(5)
        assert type(found.exception(PATIENCE)) is TaskTimeout
        assert waiting(fan) == 0
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == [0, 1]
        assert fan.submit(abs, -1).result(PATIENCE) == 1


@OPTIONS
def test_the_call_that_waits_is_ended_with_its_time(clock, options):
    """A call of the fan that submits to it is ended like any that waits, and leaves nothing behind."""
    seen = []
    gate = Gate()

    def outer(fan):
        try:
            fan.submit(abs, 1)
        except CallCancelled:
            seen.append(waiting(fan))
            raise

    with Fan(2, max_queued=1, **options) as fan, gate:
        fan.submit(gate)
        gate.wait_for(1)
        held = fan.with_options(max_concurrent=1)
        held.submit(gate, 1)
        gate.wait_for(2)
        first = held.submit(abs, -3)  # has the place, and waits for the view's cap
        other = Fan(1, timeout=5)
        late = other.submit(outer, fan)
        until(lambda: waiting(fan) == 1)
        clock.wait_for_sleepers(until=5.0)
        clock.advance(5)
        assert type(late.exception(PATIENCE)) is TaskTimeout
        until(lambda: seen == [0])
        other.shutdown()
        gate.open()
        assert first.result(PATIENCE) == 3


@pytest.mark.parametrize("depth", [1, 3])
def test_calls_that_submit_to_their_own_fan_do_not_block_it(depth):
    """All slots are held by calls that find no place: they lend them, and what is queued begins."""
    done = deque()

    def spread(fan, level):
        if level:
            for _ in range(3):
                fan.submit(spread, fan, level - 1)
        done.append(level)

    with Fan(2, max_queued=1) as fan:
        for _ in range(4):
            fan.submit(spread, fan, depth)
        total = 4 * sum(3**level for level in range(depth + 1))
        until(lambda: len(done) == total)


@pytest.mark.parametrize("cancel", [False, True])
def test_closing_the_fan_ends_every_wait(cancel):
    """Who waits learns that the fan is closed, as who comes later does."""
    gate = Gate()
    fan = Fan(1, max_queued=1)
    with gate:
        futures = [fan.submit(gate, number) for number in range(2)]
        gate.wait_for(1)
        late = [aside(fan.submit, gate, 2) for _ in range(3)]
        until(lambda: waiting(fan) == 3)
        fan.shutdown(wait=False, cancel_futures=cancel)
        for one in late:
            assert "cannot schedule new futures after shutdown" in str(one.exception(PATIENCE))
        with pytest.raises(RuntimeError, match="after shutdown"):
            fan.submit(gate, 3)
        gate.open()
        within_patience(fan.shutdown)
        assert futures[1].cancelled() is cancel


def test_calls_that_wait_for_a_limit_count(clock):
    """They have not begun."""
    with Fan(4, rate=RateLimit(1), max_queued=1, when_full="raise") as fan:
        assert fan.submit(abs, -1).result(PATIENCE) == 1
        second = fan.submit(abs, -2)
        with pytest.raises(queue.Full):
            fan.submit(abs, -3)
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.wait_for_sleepers(until=70.0)
        clock.advance(70)
        assert second.result(PATIENCE) == 2
        assert fan.submit(abs, -4).cancel()


@pytest.mark.usefixtures("eager_switching")
def test_hammer():
    """Many threads submit, cancel and wait: at the end no place is missing."""
    with Fan(3, max_queued=4) as fan:

        def strike(seed):
            for number in range(60):
                future = fan.submit(abs, -number)
                if (seed + number) % 3 == 0:
                    future.cancel()
                elif (seed + number) % 7 == 0:
                    assert future.result(PATIENCE) == number

        threads = [threading.Thread(target=strike, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        until(lambda: fan._scheduler.room._taken == 0)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"max_queued": 0}, ValueError, "max_queued must be greater than 0, not 0"),
        ({"max_queued": "many"}, TypeError, "max_queued must be a whole number"),
        ({"max_queued": 1, "when_full": "block"}, ValueError, 'when_full must be "wait" or "raise"'),
        ({"when_full": "raise"}, TypeError, "give max_queued=100"),
    ],
)
def test_what_cannot_be_is_refused(options, error, says):
    """With what would be right."""
    with pytest.raises(error, match=says):
        Fan(1, **options)
