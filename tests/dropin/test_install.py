"""`install`: whatever executor is made from then on is a fan, and `uninstall` leaves nothing of that."""

import asyncio
import queue
import subprocess
import sys
import threading
from abc import ABCMeta
from concurrent import futures
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partialmethod

import pytest

import threadfan
from support.controlled import PATIENCE, Gate, aside, run_program, until, within_patience
from threadfan import Adaptive, Fan, RateLimit, TaskTimeout, current_scope, install, uninstall


class Tagged(ThreadPoolExecutor):
    """A subclass that was there before, in today's manner."""

    def __init__(self, workers, tag):
        super().__init__(workers)
        self.tag, self.seen = tag, []

    def submit(self, fn, /, *args, **kwargs):
        """Note it."""
        self.seen.append(args)
        return super().submit(fn, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Note it."""
        self.seen.append("shutdown")
        super().shutdown(wait, cancel_futures=cancel_futures)


class Spelled(ThreadPoolExecutor):
    """The same by the class's name."""

    def __init__(self, workers, tag):
        ThreadPoolExecutor.__init__(self, max_workers=workers)
        self.tag, self.seen = tag, []

    def submit(self, fn, /, *args, **kwargs):
        """Note it."""
        self.seen.append(args)
        return ThreadPoolExecutor.submit(self, fn, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Note it."""
        self.seen.append("shutdown")
        ThreadPoolExecutor.shutdown(self, wait, cancel_futures=cancel_futures)


# -- what is reached --------------------------------------------------------------------------------------------------


def test_a_class_that_was_imported_before_makes_fans():
    """By whatever name, and from wherever it was imported."""
    with install():
        for kind in (ThreadPoolExecutor, futures.ThreadPoolExecutor, futures.thread.ThreadPoolExecutor):
            with kind(2) as pool:
                assert isinstance(pool, Fan)
                assert isinstance(pool, ThreadPoolExecutor)
                assert type(pool).__name__ == "ThreadPoolExecutor"
                assert pool.submit(int, "1").result() == 1
                assert list(pool.map(int, ["1", "2"])) == [1, 2]


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("kind", [Tagged, Spelled])
def test_a_subclass_stands_on_it(kind, sequential):
    """Its own methods are called, and find those of the stand-in, by `super` or by the class's name."""
    with install(sequential=sequential):
        with kind(2, "tag") as pool:
            assert (isinstance(pool, kind), isinstance(pool, Fan)) == (True, not sequential)
            assert type(pool).__qualname__ == kind.__qualname__
            assert list(pool.map(str, [1, 2])) == ["1", "2"]
        assert pool.seen == [(1,), (2,), "shutdown"]
        with pytest.raises(RuntimeError):
            pool.submit(int)
        assert type(kind(1, "again")) is type(pool)


def test_a_subclass_that_is_made_afterwards_stands_on_it():
    """And so do those with other bases, slots and metaclasses."""
    with install():

        class Mixed(threading.local, metaclass=ABCMeta):
            pass

        class Later(ThreadPoolExecutor, metaclass=ABCMeta):
            __slots__ = ("held",)

            def __new__(cls, *args):
                return super().__new__(cls)

        with Later(1) as pool:
            pool.held = 1
            assert isinstance(pool, Fan)
            assert (pool.submit(int, "7").result(), pool.held) == (7, 1)


def test_asyncios_default_executor_is_a_fan():
    """`to_thread` and `run_in_executor` of a loop that has made none yet."""

    async def main():
        thread = await asyncio.to_thread(current_scope)
        return thread is not None, asyncio.get_running_loop()._default_executor

    with install(timeout=PATIENCE) as installed:
        found, executor = asyncio.run(main())
    assert (found, isinstance(executor, Fan)) == (True, True)
    assert [outcome.item for outcome in installed.report()] == ["current_scope"]


def test_the_options_are_the_defaults(clock):
    """A timeout, retries, a rate; the number of workers only where their maker does not say it."""
    rate = RateLimit(60_000)
    with install(3, timeout=5, rate=rate), ThreadPoolExecutor() as pool, ThreadPoolExecutor(2) as other:
        assert (pool._max_workers, other._max_workers) == (3, 2)
        gate, made = Gate(), pool.submit
        with gate:
            future = made(gate)
            gate.wait_for(1)
            clock.advance(5)
            with pytest.raises(TaskTimeout):
                future.result(PATIENCE)


def test_the_time_for_all_attempts():
    """However many there may be."""

    def fails():
        raise ConnectionError("again")

    with install(retry=50, total_timeout=0.2), ThreadPoolExecutor(1) as pool:
        assert pool.submit(fails).exception(PATIENCE) is not None


@pytest.mark.parametrize("workers", [2.5, 10**9])
def test_numbers_that_the_standard_pool_takes(workers):
    """It starts threads until it has as many."""
    with install(), ThreadPoolExecutor(workers) as pool:
        assert isinstance(pool, Fan)
        assert pool.submit(int, "1").result() == 1


def test_wrong_arguments_are_wrong_as_ever():
    """What its maker gives is told as the fan tells it."""
    with install():
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            ThreadPoolExecutor(0)
        with pytest.raises(TypeError):
            ThreadPoolExecutor(1, colour="red")


def test_the_initializer_and_reach_ins():
    """What libraries look at is there."""
    local = threading.local()
    with install(), ThreadPoolExecutor(2, "named", setattr, (local, "ready", True)) as pool:
        assert pool.submit(lambda: local.ready).result() is True
        assert (pool._max_workers, pool._work_queue.qsize(), len(pool._threads)) == (2, 0, 1)
        assert {thread.name for thread in pool._threads} == {"named_0"}


def test_fans_of_the_program_stay_what_they_are():
    """Whoever makes a `Fan`, by any name, has given it its options."""
    with install(timeout=5) as installed, threadfan.ThreadPoolExecutor(2) as fan:
        assert type(fan) is Fan
        assert fan.submit(int).result() == 0
    assert len(installed.report()) == 0


# -- what is not ------------------------------------------------------------------------------------------------------


def test_executors_that_are_there_stay_what_they_are():
    """They are counted, where they have threads."""
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(go.wait, PATIENCE)
        with install() as installed:
            assert type(pool) is ThreadPoolExecutor
            assert "not reached: 1 executor with threads, made before" in installed.summary()
        go.set()
        assert future.result() is True


def test_a_subclass_with_machinery_of_its_own_is_left():
    """And named, with the reason."""

    class Own(ThreadPoolExecutor):
        def _adjust_thread_count(self):
            super()._adjust_thread_count()

    class Overlapping(ThreadPoolExecutor):
        def set(self):
            self._options = 1

    with install() as installed:
        for kind in (Own, Overlapping):
            with kind(1) as pool:
                assert type(pool) is kind
                assert pool.submit(int, "1").result() == 1
    (line,) = [line for line in installed.summary().splitlines() if line.startswith("not reached")]
    assert "Own has a _adjust_thread_count of its own" in line
    assert "Overlapping has an attribute _options, and so has a fan" in line


def test_a_subclass_that_cannot_be_derived_from_is_left():
    """What its own hooks raise does not end the program."""

    class Final(ThreadPoolExecutor):
        def __init_subclass__(cls):
            raise TypeError("no more of these")

    with install() as installed, Final(1) as pool:
        assert type(pool) is Final
        assert pool.submit(int, "1").result() == 1
    assert "Final cannot be derived from: no more of these" in installed.summary()


def test_a_queue_of_its_own_makes_it_a_standard_pool_again():
    """With the bound that the queue has: who hands in more waits."""

    class Bounded(ThreadPoolExecutor):
        def __init__(self, workers, bound):
            super().__init__(workers)
            self._work_queue = queue.Queue(bound)

    go = threading.Event()
    with install() as installed, Bounded(1, 1) as pool:
        assert type(pool) is Bounded
        running = pool.submit(go.wait, PATIENCE)
        until(lambda: pool._work_queue.qsize() == 0)
        waiting = pool.submit(int, "1")
        third = aside(pool.submit, int, "2")
        with pytest.raises(TimeoutError):
            third.result(0)
        go.set()
        assert (running.result(), waiting.result(), third.result(PATIENCE).result()) == (True, 1, 2)
    assert "Bounded was given a _work_queue of its own" in installed.summary()
    assert installed.swap.made == 0


# -- taking it back ---------------------------------------------------------------------------------------------------


def test_it_is_taken_back_whole():
    """What was made meanwhile goes on as it is."""
    before = dict(vars(ThreadPoolExecutor))
    install()
    pool = Tagged(2, "tag")
    uninstall()
    uninstall()  # harmless
    assert dict(vars(ThreadPoolExecutor)) == before
    assert type(ThreadPoolExecutor(1)) is ThreadPoolExecutor
    assert type(Tagged(1, "tag")) is Tagged
    with pool:
        assert isinstance(pool, Fan)
        assert list(pool.map(str, [1, 2])) == ["1", "2"]


def test_who_has_wrapped_it_meanwhile_keeps_what_he_has():
    """What stands beneath does nothing any more."""
    usual = ThreadPoolExecutor.submit
    install()
    ours = ThreadPoolExecutor.submit
    ThreadPoolExecutor.submit = theirs = partialmethod(ours)
    try:
        uninstall()
        assert vars(ThreadPoolExecutor)["submit"] is theirs
        with ThreadPoolExecutor(1) as pool:
            assert type(pool) is ThreadPoolExecutor
            assert pool.submit(int, "1").result() == 1
    finally:
        ThreadPoolExecutor.submit = usual


def test_a_second_installation():
    """With the same options it is counted; with others it is refused, and says in what they differ."""
    with install(timeout=5, attach=["requests"]) as first:
        with install(timeout=5, attach="requests") as second:
            assert first is second
        assert isinstance(ThreadPoolExecutor(1), Fan)
        with pytest.raises(RuntimeError, match=r"another timeout and another sequential: uninstall\(\) first"):
            install(timeout=6, attach=["requests"], sequential=True)
    assert type(ThreadPoolExecutor(1)) is ThreadPoolExecutor
    with install(timeout=6):
        assert isinstance(ThreadPoolExecutor(1), Fan)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_workers": 0}, "max_workers must be greater than 0"),
        ({"max_workers": Adaptive()}, "install needs a number of workers"),
        ({"timeout": -1}, "timeout"),
        ({"attach": ["httpx"]}, "attach names 'httpx'; right are 'requests' and 'subprocess'"),
    ],
)
def test_wrong_options(options, said):
    """They are told when they are given, and nothing is changed."""
    with pytest.raises((TypeError, ValueError), match=said):
        install(**options)
    assert type(ThreadPoolExecutor(1)) is ThreadPoolExecutor


def test_threads_that_install_and_make_executors(eager_switching):
    """At the same moment: each executor is one or the other, and works."""

    def strike(number):
        for _ in range(30):
            with install(), Tagged(1, number) as pool:
                assert isinstance(pool, Fan)
                assert pool.submit(int, "1").result() == 1

    for done in [aside(strike, number) for number in range(4)]:
        done.result(PATIENCE)
    assert type(ThreadPoolExecutor(1)) is ThreadPoolExecutor


def test_nothing_is_imported_before():
    """`import threadfan` does without all of it."""
    said = run_program("import sys, threadfan; print(*[name for name in sys.modules if 'dropin' in name])")
    assert said == ("\n", "")


# -- clients ----------------------------------------------------------------------------------------------------------


def test_processes_end_with_their_call(clock):
    """`subprocess.run` is the scope's in calls, and the usual one elsewhere."""
    usual = subprocess.run
    with install(timeout=5, attach=["subprocess"]):
        assert subprocess.run is not usual
        assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(subprocess.run, [sys.executable, "-c", "import time; time.sleep(1000)"], check=False)
            until(lambda: pool.snapshot()["running"] == 1)
            clock.advance(5)
            with pytest.raises(TaskTimeout):
                future.result(PATIENCE)
            until(lambda: pool.snapshot()["abandoned"] == 0)
    assert subprocess.run is usual


def test_requests_are_attached():
    """For as long as it is installed."""
    requests = pytest.importorskip("requests")
    usual = requests.Session.mount
    with install(attach=["requests"]):
        assert requests.Session.mount is not usual
    assert requests.Session.mount is usual


def test_who_has_imported_a_function_before_is_named(monkeypatch):
    """It cannot be reached there."""
    monkeypatch.setattr(threadfan, "held", subprocess.check_call, raising=False)
    with install(attach=["subprocess"]) as installed:
        assert "subprocess.check_call as threadfan had imported it before" in installed.summary()


# -- without threads --------------------------------------------------------------------------------------------------


def test_sequential_calls_are_made_by_who_hands_them_in():
    """One after another, in his thread; errors are the futures', and a Ctrl-C is his."""
    with install(sequential=True, max_workers=9, timeout=5), ThreadPoolExecutor(4, "", list, ((),)) as pool:
        future = pool.submit(threading.get_ident)
        assert future.done()
        assert future.result() == threading.get_ident()
        assert isinstance(pool.submit(int, "x").exception(), ValueError)
        assert isinstance(pool.submit(exit).exception(), SystemExit)
        with pytest.raises(KeyboardInterrupt):
            pool.submit(_interrupt)
        assert isinstance(pool, Executor)
        assert list(pool.map(str, [1, 2])) == ["1", "2"]


def _interrupt():
    raise KeyboardInterrupt


def test_a_sequential_call_leaves_no_variables():
    """It runs in a copy of its caller's context, as in a thread."""
    from contextvars import ContextVar

    variable = ContextVar("variable")
    with install(sequential=True), ThreadPoolExecutor() as pool:
        pool.submit(variable.set, 1)
    assert variable.get(None) is None


# -- what it tells ----------------------------------------------------------------------------------------------------


def _fails(number):
    raise ValueError(f"number {number}")


def test_the_summary():
    """How many calls of how many executors, what failed and why, the slowest."""
    with install() as installed:
        none, *_ = installed.summary().splitlines()
        assert none.startswith("no ThreadPoolExecutor was made; ")
        assert none.endswith("threadfan run MODULE:FUNCTION FILE")
        with Gate() as gate:
            other = threading.Thread(target=gate, name="other")
            other.start()
            gate.wait_for(1)
            assert "other, at " in installed.summary().splitlines()[-1]
        other.join()
        pool = ThreadPoolExecutor(2)
        assert installed.summary() == "1 executor, and no call"
        with pool:
            pool.submit(int).result()
            pool.submit(_fails, 1).exception()
        head, failed, slowest = installed.summary().splitlines()[:3]
    assert head.startswith("2 calls of 1 executor in ")
    assert head.endswith("1 succeeded, 1 failed")
    assert failed == "_fails 1: failed, ValueError: number 1"
    assert slowest.startswith("slowest: ")
    assert repr(installed) == "<Installation: taken back, 1 executors>"


def test_what_is_stuck_is_named(clock):
    """By its function, whatever it was wrapped in."""
    with Gate() as gate, install(timeout=5) as installed:

        def held(wait=gate):
            wait()

        async def main():
            task = asyncio.ensure_future(asyncio.to_thread(held))
            await asyncio.to_thread(gate.wait_for, 1)
            clock.advance(5)
            with pytest.raises(TaskTimeout):
                await task
            said = installed.summary()
            gate.open()
            pool = asyncio.get_running_loop()._default_executor
            await asyncio.to_thread(until, lambda: pool.snapshot()["abandoned"] == 0)
            return said

        said = within_patience(asyncio.run, main())
        assert "1 thread still stuck in calls that are over: held, " in said
        assert "1 timed out" in said


def test_the_report_holds_no_arguments():
    """Nor results, errors and frames: what calls had is gone with them."""
    import weakref

    class Thing:
        pass

    def raises(thing):
        raise ValueError(thing.__class__.__name__, thing)

    thing = Thing()
    gone = weakref.ref(thing)
    with install() as installed, ThreadPoolExecutor(1) as pool:
        pool.submit(lambda one: one, thing).result()
        pool.submit(raises, thing).exception()
        del thing
        pool.submit(int).result()  # so that its thread has forgotten them
        assert gone() is None
    assert [outcome.status for outcome in installed.report()] == ["succeeded", "failed", "succeeded"]


def test_what_a_limit_held_back(clock):
    """Is told of each call, and of all of them."""
    with install(rate=RateLimit(60)) as installed, ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(int) for _ in range(3)]
        calls[0].result(PATIENCE)
        for call in calls[1:]:
            until(lambda: pool.snapshot()["waiting"] > 0 and pool.snapshot()["running"] == 0)
            clock.wait_for_sleepers(until=PATIENCE)
            clock.advance(1.125)
            call.result(PATIENCE)
    report = installed.report()
    assert [outcome.waited_limit for outcome in report] == [0, 1.125, 2.25]
    assert (report.stats.waited_slot, report.stats.limited) == (0, 2.25)
    assert "100% of the time went to the rate limit" in installed.summary()


def test_retries_are_counted():
    """Each attempt is kept, with what its error said."""
    left = [1, 1]

    def flaky():
        if left:
            left.pop()
            raise ConnectionError("not yet")
        return "done"

    with install(retry=_at_once()) as installed, ThreadPoolExecutor(1) as pool:
        assert pool.submit(flaky).result() == "done"
    (outcome,) = installed.report()
    assert [type(attempt.error).__name__ for attempt in outcome.history] == [
        "ConnectionError",
        "ConnectionError",
        "NoneType",
    ]
    assert installed.report().stats.retries == 2
    assert installed.summary().splitlines()[0].endswith("1 succeeded; 2 retries")


def _at_once():
    tenacity = pytest.importorskip("tenacity")
    return tenacity.Retrying(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none())


def test_calls_that_were_never_begun_are_told():
    """When the pool is shut down before their turn."""
    with Gate() as gate, install() as installed:
        pool = ThreadPoolExecutor(1)
        pool.submit(gate)
        gate.wait_for(1)
        pool.submit(int)
        pool.shutdown(wait=False, cancel_futures=True)
        gate.open()
        pool.shutdown()
    assert installed.report().stats.counts["cancelled"] == 1


def test_more_calls_than_are_kept_are_counted(monkeypatch):
    """So that memory has a bound."""
    monkeypatch.setattr("threadfan.dropin.calls.KEPT", 2)
    with install() as installed, ThreadPoolExecutor(1) as pool:
        list(pool.map(int, range(5)))
    assert len(installed.report()) == 2
    assert installed.summary().startswith("5 calls of 1 executor")
    assert "3 more not told of" in installed.summary()


def test_executors_beside_each_other_have_their_slots_together():
    """And those one after another the most that any had."""
    with install() as installed:
        with ThreadPoolExecutor(2) as first, ThreadPoolExecutor(3) as second:
            barrier = threading.Barrier(2)
            for future in [first.submit(barrier.wait, PATIENCE), second.submit(barrier.wait, PATIENCE)]:
                future.result()
        with ThreadPoolExecutor(4) as third:
            third.submit(int).result()
    assert installed.report().stats.slots == 5
