"""Objects of the user's that fail or block when they are asked: no thread, no slot and no lock depends on them."""

import asyncio
import logging
import threading
import weakref

import pytest

from support.controlled import PATIENCE, Gate, until, within_patience
from threadfan import Fan, RateLimit, TaskTimeout, current_scope, fail_after, report_of, task
from threadfan._core.base.static import describe
from threadfan._core.scope.scope import Scope


class Unbound:
    """A proxy that is bound to nothing, as werkzeug's `LocalProxy` outside of a request: whatever is asked raises."""

    def __init__(self, fn):
        object.__setattr__(self, "_fn", fn)

    def __getattribute__(self, name):
        """Fail."""
        raise RuntimeError(f"working outside of context: {name}")

    def __call__(self, *args):
        """Call the function."""
        return object.__getattribute__(self, "_fn")(*args)


class MuteError(Exception):
    """An error that cannot be asked, shown or told."""

    def __getattribute__(self, name):
        """Fail."""
        raise RuntimeError(f"asked for {name}")

    def __str__(self):
        """Fail."""
        raise RuntimeError("no text")

    __repr__ = __str__


def fail(item=None):
    """Raise what cannot be asked."""
    raise MuteError


@pytest.fixture(
    params=[{}, {"retry": 1}, {"rate": RateLimit(requests_per_minute=60_000)}], ids=["plain", "retry", "rate"]
)
def options(request):
    """The paths that a call may take."""
    return request.param


@pytest.fixture
def hostile_log():
    """A handler that fails on the standard library's log and on ours."""

    class Failing(logging.Handler):
        def emit(self, record):
            raise RuntimeError("no log")

    handler = Failing()
    loggers = [logging.getLogger(name) for name in ("concurrent.futures", "threadfan")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)


def test_timeouts_go_on_after_a_call_that_cannot_be_named(options, clock):
    """The deadline timer ends a call whose function raises when it is asked for its name, and the calls after it."""
    gate = Gate()
    fan = Fan(2, timeout=1, **options | ({"retry": None} if "retry" in options else {}))
    for fn in (Unbound(gate), gate, gate):
        future = fan.submit(fn)
        clock.wait_for_sleepers(until=clock.monotonic() + 1)
        clock.advance(1)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
    gate.open()
    until(lambda: fan.snapshot()["abandoned"] == 0)
    fan.shutdown()


def test_names_are_not_asked_for_under_the_lock(clock):
    """A function whose attributes block holds up nobody: its name is read without asking."""
    asked = threading.Event()

    class Blocking:
        def __getattr__(self, name):
            asked.set()
            raise AttributeError(name)

        def __call__(self):
            gate()

    gate = Gate()
    fan = Fan(1, timeout=1)
    future = fan.submit(Blocking())
    clock.wait_for_sleepers(until=1)
    clock.advance(1)
    assert "Blocking" in str(future.exception(PATIENCE))
    gate.open()
    until(lambda: fan.snapshot()["abandoned"] == 0)
    fan.shutdown()
    assert not asked.is_set()


def test_an_error_that_cannot_be_asked_is_an_outcome(options):
    """Calls that raise it end with it, by every way of calling; slots and threads are as before."""
    with Fan(2, **options) as fan:
        for _ in range(4):
            assert type(fan.submit(fail).exception(PATIENCE)) is MuteError
        report = within_patience(fan.run, fail, range(4))
        assert [type(outcome.error) for outcome in report] == [MuteError] * 4
        report = within_patience(fan.gather, *[task(fail) for _ in range(4)])
        assert [type(outcome.error) for outcome in report] == [MuteError] * 4
        assert fan.submit(int).result(PATIENCE) == 0
        assert fan.snapshot()["running"] == 0


def test_a_callback_that_raises_it_costs_no_worker(hostile_log):
    """Neither an error that cannot be shown nor a handler that fails ends the thread: others are called as ever."""
    with Fan(1) as fan:
        for _ in range(3):
            go, later = threading.Event(), []
            future = fan.submit(go.wait, PATIENCE)
            future.add_done_callback(fail)
            future.add_done_callback(later.append)
            go.set()
            assert fan.submit(int).result(PATIENCE) == 0
            assert later == [future]


def test_a_callback_of_on_cancel_that_raises_it_keeps_none_from_being_called(hostile_log):
    """The callbacks after it are called."""
    scope, told = Scope(), []
    scope.on_cancel(fail)
    scope.on_cancel(lambda: told.append(1))
    scope.cancel()
    assert told == [1]


def test_an_initializer_that_raises_it_breaks_the_pool_as_ever(hostile_log):
    """Whoever waits is told, whatever the log makes of it."""
    fan = Fan(1, initializer=fail)
    with pytest.raises(RuntimeError, match="initializer"):
        fan.submit(int).result(PATIENCE)
    fan.shutdown()


def test_callbacks_are_not_compared():
    """Taking one back asks none of the others whether they are equal: under the scope's lock that might block."""

    class Equal:
        def __eq__(self, other):
            raise RuntimeError("compared")

        __hash__ = None

        def __call__(self):
            told.append(1)

    scope, told = Scope(), []
    scope.on_cancel(Equal())
    scope.on_cancel(Equal())()
    scope.on_cancel(Equal())()
    scope.cancel()
    assert told == [1]


def test_what_an_earlier_call_returned_is_not_dropped_under_the_lock():
    """A result's finaliser may wait for other threads of the fan, so a call's scope is let go without the lock.

    Without a GIL a thread takes apart what it has made, wherever it is when others let go of that; so what counts here
    was made by threads that have ended, and whoever lets go of it last takes it apart there and then.
    """
    locked, both, dropped = [], threading.Event(), threading.Event()

    class Result:
        pass

    def asks(told, results):
        assert told.wait(PATIENCE)
        current_scope()
        return results.pop()

    with Fan(1) as fan:
        results = [made_by_a_thread_that_ends(Result)]
        earlier = made_by_a_thread_that_ends(fan.submit, asks, both, results)
        later = fan.submit(asks, dropped, [1])  # in the same stay of the thread, so it has the scope of the earlier one
        both.set()
        weakref.finalize(earlier.result(PATIENCE), lambda: locked.append(fan._scheduler.lock._is_owned()))
        del earlier
        dropped.set()
        later.result(PATIENCE)
    assert locked == [False]


def made_by_a_thread_that_ends(make, *args):
    """What a function gives, called in a thread that is gone by then."""
    made = []
    thread = threading.Thread(target=lambda: made.append(make(*args)))
    thread.start()
    thread.join()
    return made.pop()


def test_a_worker_that_dies_is_replaced(monkeypatch, caplog):
    """An error outside of any call ends its thread; the slot goes to another, and the log says so once."""
    fan = Fan(1)
    turn, failures = fan._scheduler.turn, [RuntimeError("in the scheduler")]

    def failing(worker, left):
        if left is not None and failures:
            raise failures.pop()
        return turn(worker, left)

    monkeypatch.setattr(fan._scheduler, "turn", failing)
    assert fan.submit(int).result(PATIENCE) == 0
    assert fan.submit(int).result(PATIENCE) == 0
    fan.shutdown()
    assert fan.snapshot()["running"] == 0
    until(lambda: caplog.records)
    assert [record.message for record in caplog.records] == ["Exception in worker"]


def test_the_name_of_a_method_of_what_cannot_be_asked():
    """`describe` never fails."""
    assert describe(Unbound(len)) == "Unbound"


class Nameless(Exception):
    """An error that cannot be asked for its class, which `isinstance` does of what is not plainly of another."""

    @property
    def __class__(self):
        """Fail."""
        raise RuntimeError("asked for its class")


async def test_awaited_calls_that_cannot_be_asked_for_their_class(options):
    """Whoever awaits one gets it, and so does whoever awaits another that has ended with it."""

    def call(kind):
        if kind is not None:
            raise kind
        return 1

    async with Fan(2, **options) as fan:
        kinds = [Nameless, None, MuteError, None]
        awaited = [fan.call(call, kind) for kind in kinds]
        _, waiting = await asyncio.wait(awaited, timeout=PATIENCE)
        ends = [type(future.exception()) for future in awaited if future not in waiting]
    assert ends == [Nameless, type(None), MuteError, type(None)]


@pytest.mark.parametrize("kind", [Nameless, MuteError])
def test_blocks_that_end_with_what_cannot_be_asked(kind):
    """A fan's block closes the fan, and one with a deadline ends; both let the error pass."""
    fan = Fan(1)
    try:
        with fan, fail_after(PATIENCE):
            raise kind
    except Exception as error:
        found = type(error)
    closed = "closed" in repr(fan)
    fan.shutdown()
    assert (found, closed) == (kind, True)


def test_groups_of_what_cannot_be_asked():
    """A report's errors can be told apart, and one without a report says so."""

    def call(kind):
        raise kind

    with Fan(1) as fan:
        report = fan.run(call, [Nameless, ValueError])
    found = []
    try:
        try:
            report.unwrap()
        except* ValueError as group:
            found += group.indices
    except Exception as error:
        found.append(type(error).__name__)
    assert found == [1, "Failures"]
    assert report_of(Nameless()) is None
