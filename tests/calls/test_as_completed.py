"""`as_completed` behaves as the standard library's, whatever futures it is given.

``THREADFAN_HAMMER=10`` in the environment makes its hammer strike ten times as often.
"""

import inspect
import os
import random
import weakref
from concurrent import futures
from contextlib import suppress
from itertools import count

import pytest

import threadfan
from support.collector import without_collector
from support.controlled import PATIENCE, Gate, aside, until
from support.striking import Strike, Struck, only_where_it_may_be_struck
from threadfan import CancelledError, Fan, fail_after
from threadfan._core.calls.lazy_future import LISTENERS

ROUNDS = int(200 * float(os.environ.get("THREADFAN_HAMMER", "1")))
WAYS = {"standard": futures.as_completed, "threadfan": threadfan.as_completed}
EXECUTORS = {"standard": futures.ThreadPoolExecutor, "threadfan": Fan}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def as_completed(request):
    """The standard library's, and threadfan's."""
    return request.param


@pytest.fixture(params=EXECUTORS.values(), ids=EXECUTORS)
def executor(request):
    """A standard pool, or a fan."""
    return request.param


def waiters(future):
    """What is noted with a future for its end."""
    cell = getattr(future, "_cell", {})
    return [*future._waiters, *cell.get(LISTENERS, ())]


def failing():
    """Fail."""
    raise KeyError("k")


def test_the_signature_is_the_standard_one():
    """Names, order and defaults of the parameters."""
    one, other = (inspect.signature(way).parameters for way in WAYS.values())
    assert [(name, p.kind, p.default) for name, p in one.items()] == [(n, p.kind, p.default) for n, p in other.items()]


def test_each_comes_once_and_as_it_ends(as_completed, executor):
    """A future that is given twice comes once; values, errors and what was cancelled all come."""
    gates = [Gate() for _ in range(4)]
    with executor(4) as pool:
        held = [pool.submit(gate, number) for number, gate in enumerate(gates)]
        for gate in gates:
            gate.wait_for(1)
        done = as_completed([*held, *held])
        for number in (2, 0, 3, 1):
            gates[number].open()
            assert next(done) is held[number]
        assert list(done) == []


def test_those_that_have_ended_come_first(as_completed, executor):
    """Before those that run; nobody waits for what is not asked for."""
    with executor(2) as pool, Gate() as gate:
        ended = {pool.submit(int), pool.submit(failing)}
        until(lambda: all(one.done() for one in ended))
        held = pool.submit(gate)
        done = as_completed([held, *ended])
        assert {next(done), next(done)} == ended
        gate.open()
        assert next(done) is held


@pytest.mark.parametrize("given", [list, set, iter, dict.fromkeys, tuple])
def test_any_iterable_will_do(as_completed, executor, given):
    """Also one that can be gone through once."""
    with executor(1) as pool:
        made = [pool.submit(int) for _ in range(3)]
        assert set(as_completed(given(made), PATIENCE)) == set(made)


def test_nothing_is_looked_at_before_the_first_next(as_completed):
    """An iterator is made of anything, and what is wrong with it is said when it is read."""
    for wrong in (5, [5]):
        done = as_completed(wrong)
        with pytest.raises((TypeError, AttributeError)):
            next(done)
    done = as_completed([], "soon")
    with pytest.raises(TypeError):
        next(done)


def test_of_nothing_comes_nothing(as_completed):
    """Also if there is no time."""
    assert list(as_completed([])) == list(as_completed([], 0)) == list(as_completed([], -1)) == []


@pytest.mark.parametrize("timeout", [0, -1, 0.01])
def test_the_time_is_up(as_completed, executor, timeout):
    """What has ended comes, and then the built-in error says how many have not; they are left as they were."""
    with executor(2) as pool, Gate() as gate:
        ended = pool.submit(int)
        until(ended.done)
        held = [pool.submit(gate) for _ in range(2)]
        done = as_completed([ended, *held], timeout)
        assert next(done) is ended
        with pytest.raises(TimeoutError, match=r"^2 \(of 3\) futures unfinished$"):
            next(done)
        assert list(done) == []
        assert [waiters(one) for one in held] == [[], []]


def test_the_time_is_looked_at_only_before_a_wait(as_completed, executor):
    """Those that ended together come together, however long the reader takes."""
    with executor(3) as pool, Gate() as gate:
        ended = [pool.submit(int) for _ in range(2)]
        until(lambda: all(one.done() for one in ended))
        held = pool.submit(gate)
        done = as_completed([*ended, held], 0)
        assert {next(done), next(done)} == set(ended)
        gate.open()
        until(held.done)
        with pytest.raises(TimeoutError, match=r"1 \(of 3\)"):  # for it had not ended at the last look
            next(done)


def test_a_cancelled_future_comes_when_its_executor_knows(as_completed, executor):
    """As long as it is in the queue it does not; it comes once."""
    with executor(1) as pool, Gate() as gate:
        held, queued = pool.submit(gate), pool.submit(int)
        gate.wait_for(1)
        assert queued.cancel()
        with pytest.raises(TimeoutError):
            next(as_completed([queued], 0))
        done = as_completed([held, queued])
        reader = aside(lambda: list(done))
        until(lambda: waiters(held) and waiters(queued))
        gate.open()
        assert set(reader.result(PATIENCE)) == {held, queued}
        with pytest.raises(CancelledError):
            queued.result()
        assert next(as_completed([queued], 0)) is queued


def test_one_that_is_cancelled_while_it_is_waited_for(as_completed, executor):
    """It comes once, though the end is told of twice."""
    with executor(1) as pool, Gate() as gate:
        held, queued = pool.submit(gate), pool.submit(int)
        gate.wait_for(1)
        reader = aside(lambda: list(as_completed([queued, held], PATIENCE)))
        until(lambda: waiters(held) and waiters(queued))
        assert queued.cancel()
        gate.open()
        found = reader.result(PATIENCE)
        assert len(found) == 2
        assert set(found) == {held, queued}


def test_a_queue_that_is_dropped(as_completed):
    """`shutdown(cancel_futures=True)` ends what waits, and the reader goes on; a standard pool tells nobody."""
    pool, gate = Fan(1), Gate()
    held, queued = pool.submit(gate), pool.submit(int)
    gate.wait_for(1)
    done = as_completed([held, queued], PATIENCE)
    reader = aside(next, done)
    until(lambda: waiters(held) and waiters(queued))
    pool.shutdown(wait=False, cancel_futures=True)
    assert reader.result(PATIENCE) is queued
    gate.open()
    assert list(done) == [held]
    pool.shutdown()


def test_an_iterator_that_is_dropped_leaves_nothing(as_completed, executor):
    """With those that have not ended, those that were not asked for, and those that ended meanwhile."""
    with executor(2) as pool, Gate() as gate, Gate() as later:
        ended = [pool.submit(int) for _ in range(2)]
        until(lambda: all(one.done() for one in ended))
        held, soon = pool.submit(gate), pool.submit(later)
        done = as_completed([held, soon, *ended])
        next(done)
        later.open()
        until(soon.done)
        done.close()
        assert [waiters(one) for one in (held, soon, *ended)] == [[]] * 4


def test_an_iterator_holds_nothing_that_it_has_given_out(as_completed, executor):
    """Nor does a future that has ended lead back to itself."""
    with without_collector(), executor(2) as pool, Gate() as gate:
        held, quick = pool.submit(gate), pool.submit(gate)
        done = as_completed({held, quick})
        reader = aside(next, done)
        until(lambda both=(held, quick): all(map(waiters, both)))
        gate.open()
        first = reader.result(PATIENCE)
        last = next(done)
        references = [weakref.ref(first), weakref.ref(last)]
        del first, last, held, quick, reader
        until(lambda: [reference() for reference in references] == [None, None])
        assert list(done) == []


def test_futures_of_several_executors(as_completed):
    """Of fans, of a standard pool, and set by hand."""
    with Fan(1) as fan, Fan(1) as other, futures.ThreadPoolExecutor(1) as standard, Gate() as gate:
        by_hand = futures.Future()
        held = [fan.submit(gate), other.submit(gate), standard.submit(gate)]
        for_nothing = as_completed([*held, by_hand], 0)
        with pytest.raises(TimeoutError, match=r"4 \(of 4\)"):
            next(for_nothing)
        done = as_completed([*held, by_hand], PATIENCE)
        reader = aside(next, done)
        until(lambda: all(map(waiters, [*held, by_hand])))
        by_hand.set_result(None)
        assert reader.result(PATIENCE) is by_hand
        gate.open()
        assert set(done) == set(held)


def test_two_readers_of_the_same_futures(as_completed):
    """Each gets all of them, and `wait` and `result` at the same time do too."""
    with Fan(4) as fan, Gate() as gate:
        held = [fan.submit(gate, number) for number in range(4)]
        readers = [aside(lambda: set(as_completed(held, PATIENCE))) for _ in range(2)]
        waiting = aside(futures.wait, held, PATIENCE)
        results = aside(lambda: [one.result(PATIENCE) for one in held])
        until(lambda: len(waiters(held[3])) >= 3)
        gate.open()
        assert [reader.result(PATIENCE) for reader in readers] == [set(held)] * 2
        assert waiting.result(PATIENCE).done == set(held)
        assert results.result(PATIENCE) == [0, 1, 2, 3]


def test_the_scope_around_ends_the_wait(clock):
    """In a block with a deadline the reader waits no longer than that."""
    with Fan(1) as fan, Gate() as gate:
        held = fan.submit(gate)
        gate.wait_for(1)

        def read():
            with fail_after(5):
                return list(threadfan.as_completed([held]))

        reader = aside(read)
        until(lambda: bool(waiters(held)))
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        with pytest.raises(TimeoutError):
            reader.result(PATIENCE)


@only_where_it_may_be_struck
def test_a_signals_exception_leaves_nothing():
    """Wherever it strikes, no future has a waiter any more once the iterator is gone."""

    def of_ours(frame, _event):
        return frame.f_code.co_filename.endswith(("as_completed.py", "lazy_future.py"))

    def strike_at(place):
        strike = Strike(place, of_ours)
        with Gate() as gate:
            held = [fan.submit(gate) for _ in range(2)]
            gate.wait_for(2)
            made = [fan.submit(int), *held]
            done = []
            opener = aside(lambda: (until(lambda: all(map(waiters, held)) or strike.where or done), gate.open()))
            with suppress(Struck), strike:
                done += threadfan.as_completed(made, PATIENCE)
            opener.result(PATIENCE)
            assert [waiters(one) for one in made] == [[]] * 3, strike.where
        return strike.where

    with Fan(3) as fan:
        places = next(place for place in count() if strike_at(place) is None)
    assert places > 10


def test_hammer(eager_switching):
    """Readers race the ends of calls, cancels and one another: each gets each future once."""
    chance = random.Random(7)
    for _ in range(ROUNDS):
        with Fan(4) as fan:
            made = [fan.submit(int) if chance.random() < 0.5 else fan.submit(failing) for _ in range(20)]
            readers = [aside(lambda made=made: list(threadfan.as_completed(made, PATIENCE))) for _ in range(2)]
            for one in chance.sample(made, 5):
                one.cancel()
            for reader in readers:
                found = reader.result(PATIENCE)
                assert len(found) == 20
                assert set(found) == set(made)
        assert [waiters(one) for one in made] == [[]] * 20
