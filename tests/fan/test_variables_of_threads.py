"""Context variables that are really a thread's: what an initializer sets, numeric contexts, the event loop's name."""

import asyncio
import decimal
import sys
import threading
import traceback
from concurrent import futures
from contextvars import Context, ContextVar
from decimal import Decimal

import pytest

from support.controlled import PATIENCE, elapse, run_program
from support.ways import WAYS
from threadfan import Fan
from threadfan.testing import ManualClock

own = ContextVar("own", default="nobody's")
other = ContextVar("other", default="nobody's")


def digits():
    """How many this thread computes with, now."""
    return len(str(Decimal(1) / 3)) - 2


@pytest.fixture(params=WAYS)
def way(request):
    """One of all ways to have calls made."""
    return WAYS[request.param]


@pytest.fixture
def apart():
    """Runs a function in an empty context, as in a program of its own."""
    return Context().run


# -- what an initializer sets -----------------------------------------------------------------------------------------


def initialise():
    """As in the manual of `decimal`, and a connection for each thread."""
    decimal.getcontext().prec = 50
    own.set(threading.current_thread().name)


def look(_=None):
    """What a call sees."""
    return digits(), own.get() == threading.current_thread().name, other.get()


def test_what_an_initializer_sets_holds_in_every_call(way, apart):
    """It holds in the calls of its own thread."""

    def caller():
        with Fan(2, initializer=initialise) as fan:
            return way(fan, look, range(4))

    assert apart(caller) == [(50, True, "nobody's")] * 4


def test_it_wins_over_the_callers_and_all_others_are_the_callers(way, apart):
    """A caller that has run the same initializer for itself does not share what that has made with its threads."""

    def caller():
        own.set("the caller's")
        other.set("the caller's")
        decimal.getcontext().prec = 7
        with Fan(2, initializer=initialise) as fan:
            seen = way(fan, look, range(4))
        return seen, decimal.getcontext().prec, own.get()

    assert apart(caller) == ([(50, True, "the caller's")] * 4, 7, "the caller's")


@pytest.mark.parametrize("pool", [futures.ThreadPoolExecutor, Fan])
@pytest.mark.parametrize("used", [False, True])
def test_that_is_so_in_the_standard_pool_too(pool, used, apart):
    """Of variables that the initializer sets, the standard pool and ours show the same."""

    def caller():
        if used:
            initialise()
        with pool(2, initializer=initialise) as one:
            return [one.submit(look).result(), *one.map(look, range(3))]

    assert apart(caller) == [(50, True, "nobody's")] * 4


def test_the_base_class_need_not_keep_the_initializer():
    """Before 3.14 that of the standard library does, from then on it does not."""
    began = threading.Event()
    with Fan(1, initializer=lambda event: event.set(), initargs=(began,)) as fan:
        for name in ("_initializer", "_initargs"):
            vars(fan).pop(name, None)
        assert fan.submit(began.is_set).result(PATIENCE)


@pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")
def test_a_thread_that_replaces_a_stuck_one_is_initialised_too(apart):
    """What the new thread's initializer has set holds in its calls."""
    stuck, go = threading.Event(), threading.Event()

    def hang():
        stuck.set()
        assert go.wait(PATIENCE)

    def caller():
        with ManualClock() as clock, Fan(1, initializer=initialise, timeout=8) as fan:
            elapse(clock, 8, stuck)
            lost = fan.submit(hang)
            assert lost.exception(PATIENCE) is not None
            seen = fan.with_options(timeout=None).submit(look).result(PATIENCE)
            go.set()
            return seen

    assert apart(caller) == (50, True, "nobody's")


# -- numeric contexts -------------------------------------------------------------------------------------------------


def test_calls_do_not_share_the_callers_digits(way, apart):
    """Calls that run at the same time set different precisions; each computes with its own, and so does the caller."""
    both = threading.Barrier(2)

    def third(number):
        decimal.getcontext().prec = number
        both.wait(PATIENCE)
        try:
            return digits()
        finally:
            both.wait(PATIENCE)

    def caller():
        decimal.getcontext().prec = 9
        with Fan(2) as fan:
            return way(fan, third, [5, 10, 20, 40]), digits()

    assert apart(caller) == ([5, 10, 20, 40], 9)


@pytest.mark.parametrize("used", [False, True])
def test_what_a_call_sets_is_seen_by_no_other(way, used, apart):
    """Each call begins with the caller's precision, whatever the one before has set in the same thread."""

    def change(_):
        seen = digits()
        decimal.getcontext().prec = 3
        return seen

    def caller():
        if used:
            decimal.getcontext().prec = 9
        with Fan(1) as fan:
            return way(fan, change, range(4))

    assert apart(caller) == [9 if used else decimal.DefaultContext.prec] * 4


def test_what_a_call_changes_of_the_initializers_is_seen_by_no_other(way, apart):
    """The thread's own numeric context is as the initializer has left it, for each call."""

    def change(_):
        seen = digits()
        decimal.getcontext().prec = 3
        return seen

    def caller():
        with Fan(1, initializer=initialise) as fan:
            return way(fan, change, range(4))

    assert apart(caller) == [50] * 4


def test_another_attempt_begins_anew(apart):
    """What an attempt that failed has set is not there in the next."""
    seen = []

    def change():
        seen.append(digits())
        decimal.getcontext().prec = 3
        raise ConnectionError

    def caller():
        decimal.getcontext().prec = 9
        with Fan(1, retry={ConnectionError: 2}) as fan:
            return fan.submit(change).exception()

    assert isinstance(apart(caller), ConnectionError)
    assert seen == [9, 9, 9]


def test_calls_compute_as_their_caller_did_when_they_were_handed_in(apart):
    """Later changes of the caller's do not reach calls that still wait."""
    go = threading.Event()

    def caller():
        with Fan(1) as fan:
            fan.submit(go.wait, PATIENCE)
            waiting = []
            for number in (5, 10, 20):
                decimal.getcontext().prec = number
                waiting.append(fan.submit(digits))
            go.set()
            return [future.result() for future in waiting]

    assert apart(caller) == [5, 10, 20]


def test_a_block_of_the_callers_holds_in_calls(way, apart):
    """`decimal.localcontext` bounds what calls are handed in with."""

    def caller():
        with Fan(2) as fan:
            with decimal.localcontext() as context:
                context.prec = 11
                inside = way(fan, lambda _: digits(), range(3))
            return inside, way(fan, lambda _: digits(), range(1))

    assert apart(caller) == ([11] * 3, [28])


def test_a_failing_calls_traceback_begins_in_the_function(way, apart):
    """What renews the numeric context is no part of it."""

    def fail(_):
        raise ValueError

    def caller():
        decimal.getcontext()
        with Fan(1) as fan, pytest.raises(BaseException) as caught:  # noqa: PT011
            way(fan, fail, range(1))
        return caught.value

    error = apart(caller)
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-1] == "fail"
    assert "renew_and_call" not in names


# -- which event loop runs here ---------------------------------------------------------------------------------------


def test_a_call_may_start_an_event_loop(way, apart):
    """Whatever library the caller's loop is of: in the thread of a call none runs."""
    anyio, sniffio = pytest.importorskip("anyio"), pytest.importorskip("sniffio")

    async def seven():
        await anyio.sleep(0)
        return 7

    def caller():
        with Fan(2) as fan:
            sniffio.current_async_library_cvar.set("trio")
            return way(fan, lambda _: anyio.run(seven), range(3))

    assert apart(caller) == [7] * 3


async def test_calls_from_anyio_may_start_a_loop():
    """The caller's own library is still known to it after a call."""
    anyio, sniffio = pytest.importorskip("anyio"), pytest.importorskip("sniffio")

    async def seven():
        await anyio.sleep(0)
        return sniffio.current_async_library()

    async def caller():
        async with Fan(2) as fan:
            called = await fan.call(anyio.run, seven)
            in_batch = (await fan.arun(lambda _: anyio.run(seven), range(2))).unwrap()
            coroutine = (await fan.agather(seven)).unwrap()
            return called, in_batch, coroutine, sniffio.current_async_library()

    seen = await asyncio.to_thread(anyio.run, caller)
    assert seen == ("asyncio", ["asyncio"] * 2, ["asyncio"], "asyncio")


# -- threads that would inherit ---------------------------------------------------------------------------------------

INHERITING = """
import contextvars, threading
from threadfan import Fan
variable = contextvars.ContextVar("variable", default="nobody's")
seen = []
variable.set("the first caller's")
with Fan(1, initializer=lambda: seen.append(variable.get())) as fan:
    fan.submit(int).result()
    variable.set("the second's")
    print(*seen, fan.submit(variable.get).result(), sep=", ")
"""


@pytest.mark.skipif(sys.version_info < (3, 14), reason="threads can inherit since Python 3.14")
def test_a_thread_keeps_nothing_of_whoever_had_it_started():
    """Where threads inherit context variables, those of the fan do not: they work for other callers as well."""
    assert run_program(INHERITING, "-X", "thread_inherit_context=1")[0] == "nobody's, the second's\n"
