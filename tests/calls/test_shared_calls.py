"""A view with ``unique=True``: equal calls under way share one."""

import asyncio
import threading
from concurrent.futures import CancelledError, as_completed, wait
from functools import partial

import pytest

from support.controlled import PATIENCE, Gate, aside, heed_cancel, until
from threadfan import Fan, TaskCancelled, TaskTimeout


@pytest.fixture
def gate():
    """Calls that run until the test lets them go."""
    with Gate() as gate:
        yield gate


def test_equal_calls_are_made_once(gate):
    """All that come while it waits or runs have its result; who comes later makes it anew."""
    with Fan(2) as fan:
        unique = fan.with_options(unique=True)
        futures = [unique.submit(gate, 1) for _ in range(3)]
        gate.wait_for(1)
        futures += [unique.submit(gate, item=1), unique.submit(gate, 1)]
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == [1] * 5
        assert sorted(gate.started) == [1, 1]  # positional and by name are two
        assert unique.submit(gate, 1).result(PATIENCE) == 1
        assert len(gate.started) == 3


def test_what_is_equal(gate):
    """Values of one type; another function, or an argument that cannot be hashed, makes another call."""
    with Fan(8) as fan:
        unique = fan.with_options(unique=True)
        calls = [
            *[partial(gate, 1), partial(gate, 1)],  # which are two functions
            *[(gate, (1, "a")), (gate, (1, "a")), (gate, 1.0), (gate, 1), (gate, True)],
            *[(lambda items: gate(items[0]), [1])] * 2,
        ]
        futures = [unique.submit(*(call if isinstance(call, tuple) else (call,))) for call in calls]
        gate.wait_for(8)
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == [1, 1, (1, "a"), (1, "a"), 1, 1, True, 1, 1]
        assert len(gate.started) == 8


def test_an_error_is_that_of_all(gate):
    """Whoever waits gets it."""

    def fail(item):
        gate(item)
        raise KeyError(item)

    with Fan(1) as fan:
        futures = [fan.with_options(unique=True).submit(fail, 1)]
        unique = fan.with_options(unique=True)
        futures += [unique.submit(fail, 1) for _ in range(2)]
        gate.wait_for(1)
        gate.open()
        for future in as_completed(futures, PATIENCE):
            with pytest.raises(KeyError):
                future.result()
        assert len(gate.started) == 2  # views know nothing of each other


def test_each_may_cancel_alone():
    """The others go on; with the last one the call is cancelled."""
    started, ended = threading.Event(), threading.Event()

    def call():
        try:
            heed_cancel(started)
        finally:
            ended.set()

    with Fan(1) as fan:
        unique = fan.with_options(unique=True)
        one, other = unique.submit(call), unique.submit(call)
        assert started.wait(PATIENCE)
        assert one.cancel()
        assert one.cancelled()
        with pytest.raises(CancelledError):
            one.result(0)
        assert not other.done()
        assert not ended.is_set()
        assert other.cancel()
        assert ended.wait(PATIENCE)


def test_who_comes_when_all_have_left_makes_it_anew(gate):
    """A call that nobody waits for is not joined."""
    with Fan(1) as fan:
        unique = fan.with_options(unique=True)
        blocked = fan.submit(gate)
        gate.wait_for(1)
        assert unique.submit(abs, -1).cancel()
        again = unique.submit(abs, -1)
        gate.open()
        assert again.result(PATIENCE) == 1
        blocked.result(PATIENCE)


def test_calls_that_wait_lend_their_slots():
    """Of calls of the same fan all wait for the one that runs."""
    made = []

    def inner(item):
        made.append(item)
        return item + 1

    with Fan(1) as fan:
        unique = fan.with_options(unique=True)
        outer = [fan.submit(lambda: unique.submit(inner, 1).result(PATIENCE)) for _ in range(4)]
        assert [future.result(PATIENCE) for future in outer] == [2] * 4
    assert 1 <= len(made) <= 4


def test_it_does_not_end_with_who_has_begun_it(gate):
    """The call that handed it in ends, and others wait for it still."""
    handed_in = threading.Event()

    def outer():
        future = unique.submit(gate, 1)
        handed_in.set()
        future.result(PATIENCE)

    with Fan(2) as fan:
        unique = fan.with_options(unique=True)
        first = fan.submit(outer)
        assert handed_in.wait(PATIENCE)
        gate.wait_for(1)
        other = unique.submit(gate, 1)
        first.cancel()
        assert isinstance(first.exception(PATIENCE), TaskCancelled)
        gate.open()
        assert other.result(PATIENCE) == 1
        assert gate.started == [1]


def test_a_timeout_is_that_of_the_call(clock):
    """All that wait get it."""
    started = threading.Event()
    with Fan(1, timeout=1) as fan:
        unique = fan.with_options(unique=True)
        futures = [unique.submit(heed_cancel, started) for _ in range(2)]
        assert started.wait(PATIENCE)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        assert [type(future.exception(PATIENCE)) for future in futures] == [TaskTimeout] * 2


def test_a_fan_that_is_closed_cancels_those_that_wait(gate):
    """As it does any future."""
    fan = Fan(1)
    unique = fan.with_options(unique=True)
    held, waiting = fan.submit(gate), [unique.submit(int), unique.submit(int)]
    gate.wait_for(1)
    fan.shutdown(wait=False, cancel_futures=True)
    assert wait(waiting, PATIENCE).not_done == set()
    assert all(future.cancelled() for future in waiting)
    gate.open()
    held.result(PATIENCE)
    with pytest.raises(RuntimeError, match="after shutdown"):
        unique.submit(int)
    fan.shutdown()


async def test_in_coroutines(gate):
    """`call` and `asyncify` share too, and a task that is cancelled leaves the others theirs."""
    async with Fan(2) as fan:
        unique = fan.with_options(unique=True)
        one, other = asyncio.ensure_future(unique.call(gate, 1)), unique.asyncify(gate)(1)
        await fan.call(gate.wait_for, 1)
        one.cancel()
        gate.open()
        assert await other == 1
        assert one.cancelled()
        assert gate.started == [1]
        with pytest.raises(TypeError, match="coroutine function"):
            unique.call(test_in_coroutines)


def test_map_and_further_options(gate):
    """What goes by way of `submit` shares; a view of the view does, unless it says otherwise."""
    with Fan(4) as fan:
        unique = fan.with_options(unique=True)
        results = unique.map(gate, [1, 2, 1, 2])
        gate.wait_for(2)
        more = unique.with_options(timeout=60)
        futures = [more.submit(gate, 3), more.submit(gate, 3)]
        gate.wait_for(3)
        plain = more.with_options(unique=False)
        futures += [plain.submit(gate, 4), plain.submit(gate, 4)]
        gate.open()
        assert list(results) == [1, 2, 1, 2]
        assert [future.result(PATIENCE) for future in futures] == [3, 3, 4, 4]
        assert sorted(gate.started) == [1, 2, 3, 4, 4]
        with pytest.raises(TypeError, match="unique must be True or False"):
            fan.with_options(unique="yes")


@pytest.mark.usefixtures("eager_switching")
def test_many_come_and_go():
    """Whoever does not cancel has a result, whatever the others do meanwhile."""
    with Fan(4) as fan:
        unique = fan.with_options(unique=True)

        def come(number):
            for turn in range(100):
                future = unique.submit(pow, turn % 3, 2)
                if (number + turn) % 3 == 0:
                    future.cancel()
                else:
                    assert future.result(PATIENCE) == (turn % 3) ** 2
            return number

        users = [aside(come, number) for number in range(6)]
        assert [user.result(PATIENCE) for user in users] == list(range(6))
        until(lambda: not unique._shared.by_key)
