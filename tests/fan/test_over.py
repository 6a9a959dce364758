"""A fan over an executor of others: what it sends, when, and what becomes of calls that the executor loses."""

import gc
import threading
import weakref
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

import pytest

import threadfan
from support.collector import without_collector
from support.controlled import PATIENCE, aside, until, within_patience
from support.elsewhere import (
    ByHand,
    double,
    hang_at,
    odd,
    refuse,
    refuse_hard,
    seconds_left,
    thing,
    together,
    use_tokens,
)
from support.kept_alive import GIL
from threadfan import Fan, RateLimit, TaskTimeout, WorkerLost, over, task
from threadfan._core.fan.over import sending, there
from threadfan._core.fan.over.carrier import MOST, Carrier, Errand, Parcel, Sort


@pytest.fixture(autouse=True)
def _closed():
    """What executors of this process have begun for calls ends with the test."""
    yield
    there.close()


@pytest.fixture
def by_hand():
    """An executor that does nothing by itself."""
    return ByHand()


@pytest.fixture
def here():
    """One that does what it is given at once."""
    with ThreadPoolExecutor(4) as executor:
        yield executor


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_no_more_calls_are_under_way_than_it_says(by_hand):
    """The executor has ``max_in_flight`` tasks at most, and gets the next one as one ends."""
    with over(by_hand, 3) as fan:
        report = aside(fan.run, double, range(7))
        until(lambda: len(by_hand.tasks) == 3)
        most = 0
        while not report.done():
            most = max(most, sum(len(args[2]) for _, _, args, _ in list(by_hand.tasks)))
            if by_hand.tasks:
                by_hand.do()
        assert report.result(PATIENCE).values() == [0, 2, 4, 6, 8, 10, 12]
    assert most == 3


def test_calls_that_come_together_travel_together(by_hand):
    """With ``threads=4`` a task has up to four calls, and each outcome is that of its own input."""
    with over(by_hand, 8, threads=4) as fan:
        report = aside(fan.run, pow, [2, 3, 4, 5, 6, 7, 8, 9], [2] * 8)
        while not report.done():
            if by_hand.tasks:
                by_hand.do()
        assert report.result(PATIENCE).values() == [4, 9, 16, 25, 36, 49, 64, 81]
    assert max(by_hand.sizes) <= 4


def test_a_task_makes_its_calls_at_once(by_hand, tmp_path, monkeypatch):
    """The calls of one task are made side by side, so many as ``threads`` says."""
    monkeypatch.setattr(sending, "LINGER", PATIENCE)
    with over(by_hand, 4, threads=4) as fan:
        report = aside(fan.run, together, [tmp_path] * 4, range(4), [4] * 4)
        until(lambda: by_hand.tasks)
        assert by_hand.sizes == [4]
        by_hand.do()
        assert report.result(PATIENCE).ok


def _carrier(executor, most, threads=1):
    return Carrier(executor, None, most, threads, 0, by_value=False, extra={})


def _errand(sort):
    return Errand(sort, (b"", None, None))


def test_calls_that_take_no_time_share_a_task(by_hand):
    """Once a function is known to take next to nothing its calls travel together; one that takes long never does."""
    carrier, short, long = _carrier(by_hand, 400), Sort("short", b"", (None,) * 3), Sort("long", b"x", (None,) * 3)
    for sort, seconds in ((short, 0.0), (long, 1.0)):
        for _ in range(3):
            sort.took(seconds)
    for sort in [short] * 100 + [long] * 3 + [short]:
        carrier.hand_in(_errand(sort))
    carrier.send()
    assert by_hand.sizes == [MOST, 100 - MOST, 1, 1, 1, 1]


def test_one_long_call_counts_at_once():
    """Of a function whose calls take now long and now no time, none waits behind another."""
    sort = Sort("fetch", b"", (None, None, False))
    assert sort.typical == float("inf")  # as long as nothing is known
    sort.took(0.001)
    sort.took(5.0)
    sort.took(0.001)
    assert sort.typical > 4


def test_short_calls_wait_for_a_task_that_comes_back(by_hand):
    """Few tasks of short calls are under way at once, so that there is something to bring together; none is left."""
    carrier, sort = _carrier(by_hand, 16), Sort("short", b"", (None,) * 3)
    sort.took(0.0)
    errands = [_errand(sort) for _ in range(9)]
    for errand in errands:
        carrier.hand_in(errand)
        carrier.send()
    assert by_hand.sizes == [1, 1, 1, 1]
    by_hand.fail(OSError("gone"))
    assert errands[4].gate.get(timeout=PATIENCE) is None  # who is first in line sends what has gathered
    carrier.send()
    assert by_hand.sizes == [1, 1, 1, 1, 5]


def test_who_leaves_has_the_next_one_send(by_hand):
    """One that was told to send and is cancelled in that moment does not leave the others waiting."""
    carrier, sort = _carrier(by_hand, 4), Sort("short", b"", (None,) * 3)
    sort.took(0.0)
    first, second, *_ = errands = [_errand(sort) for _ in range(4)]
    for errand in errands[2:]:
        carrier.hand_in(errand)
        carrier.send()
    carrier.hand_in(first)
    carrier.hand_in(second)
    carrier.send()
    assert len(by_hand.tasks) == 2
    carrier.withdraw(first)
    assert second.gate.get(timeout=PATIENCE) is None


# -- cancels and timeouts ---------------------------------------------------------------------------------------------


def test_what_is_cancelled_is_taken_back(by_hand):
    """A call that nobody waits for leaves at once, and the executor is told that it need not begin."""
    with over(by_hand, 2) as fan:
        run = fan.start(double, range(5))
        until(lambda: len(by_hand.tasks) == 2)
        run.cancel()
        report = within_patience(run.result)
        assert [outcome.status for outcome in report] == ["cancelled"] * 5
        until(lambda: all(future.cancelled() for future, *_ in by_hand.tasks))


def test_a_call_whose_worker_is_silent_ends(by_hand, monkeypatch):
    """If nothing comes back at all, a call with a timeout ends all the same: a stopped process is no hang."""
    monkeypatch.setattr(sending, "SILENCE", 0.05)
    with over(by_hand, 2, timeout=0.05) as fan:
        report = within_patience(fan.run, double, range(3))
    assert report.stats.timed_out == 3
    assert "nothing else is heard" in str(report[0].error)


def test_a_call_that_hangs_ends_at_its_timeout_there(here):
    """The timeout holds where the call runs, counted from its start there; others go on."""
    with over(here, 8, timeout=0.5) as fan:
        report = within_patience(fan.run, hang_at, range(8), [3] * 8)
    assert [outcome.status for outcome in report].count("timed_out") == 1
    assert type(report[3].error) is TaskTimeout
    assert str(report[3].error) == "hang_at did not return within 0.5 s"


def test_a_timeout_is_tried_again_like_any(here):
    """A retry sees a timeout there as it sees one here."""
    with over(here, 2, timeout=0.05, retry=1) as fan:
        (outcome,) = within_patience(fan.with_options(retry={TimeoutError: 1}).run, hang_at, [1], [1])
    assert (outcome.status, outcome.attempts) == ("timed_out", 2)


def test_the_scope_there_has_what_is_left_here(here):
    """The deadline of a block around, and ``total_timeout``, are a deadline there."""
    with over(here, 2) as fan:
        assert fan.run(seconds_left, [1]).values() == [float("inf")]
        with threadfan.fail_after(PATIENCE):
            assert 0 < fan.run(seconds_left, [1])[0].unwrap() <= PATIENCE
        assert 0 < fan.with_options(total_timeout=PATIENCE).run(seconds_left, [1])[0].unwrap() <= PATIENCE
        assert 0 < fan.with_options(timeout=PATIENCE).run(seconds_left, [1])[0].unwrap() <= PATIENCE


# -- an executor that fails -------------------------------------------------------------------------------------------


def test_a_lost_worker_is_a_failed_attempt(by_hand):
    """What the executor loses fails as a broken connection does, which ``retry`` tries again."""
    with over(by_hand, 1, retry=2) as fan:
        future = fan.submit(double, 21)
        until(lambda: by_hand.tasks)
        by_hand.fail(BrokenExecutor("a process died"))
        until(lambda: by_hand.tasks)
        by_hand.do()
        assert future.result(PATIENCE) == 42
    with over(by_hand, 1) as fan:
        future = fan.submit(double, 21)
        until(lambda: by_hand.tasks)
        by_hand.fail(BrokenExecutor("a process died"))
        with pytest.raises(WorkerLost, match=r"the call of double has come to no end .* a process died") as caught:
            future.result(PATIENCE)
        assert isinstance(caught.value, ConnectionError)
        assert type(caught.value.__cause__) is BrokenExecutor


def test_a_call_that_the_executor_cancels_is_lost(by_hand):
    """Somebody else has cancelled its task: that is no cancel of the call."""
    with over(by_hand, 1) as fan:
        future = fan.submit(double, 21)
        until(lambda: by_hand.tasks)
        task = by_hand.tasks.pop()[0]
        task.cancel()
        with pytest.raises(WorkerLost, match="its executor has cancelled it"):
            future.result(PATIENCE)


def test_a_broken_executor_is_made_anew():
    """A function that makes executors is called again when one breaks, once, and what it made is closed at the end."""
    made = []

    def make():
        made.append(ByHand())
        return made[-1]

    with over(make, 3, retry=2) as fan:
        report = aside(fan.run, double, range(3))
        until(lambda: len(made[0].tasks) == 3)
        for _ in range(3):
            made[0].fail(BrokenExecutor("a process died"))
        until(lambda: len(made) == 2 and len(made[1].tasks) == 3)
        assert made[0].closed
        while made[1].tasks:
            made[1].do()
        assert report.result(PATIENCE).values() == [0, 2, 4]
        assert not made[1].closed
    assert len(made) == 2
    assert made[1].closed


def test_one_that_refuses_calls_says_why(by_hand):
    """An executor that was closed meanwhile fails the calls, which are not tried again for it."""
    by_hand.refusal = RuntimeError("cannot schedule new futures after shutdown")
    with over(by_hand, 2, retry=3) as fan:
        report = within_patience(fan.run, double, range(2))
    assert [outcome.attempts for outcome in report] == [1, 1]
    assert "did not take the call of double: RuntimeError: cannot schedule" in str(report[0].error)


def test_the_users_executor_stays_open(by_hand):
    """The fan closes only what it had made."""
    over(by_hand, 2).shutdown()
    assert not by_hand.closed


# -- what goes between ------------------------------------------------------------------------------------------------


def test_errors_arrive_as_they_are(here):
    """An error has its class and attributes; one that pickle cannot read again has its class and its text."""
    with over(here) as fan:
        first = fan.run(refuse, range(2))[0]
        assert (type(first.error), first.error.args, first.error.number) == (KeyError, ("no", 0), 0)
        assert "in refuse" in first.error.traceback_text
        hard = fan.run(refuse_hard, [5])[0].error
        assert (type(hard).__name__, str(hard), hard.code) == ("HardToMake", "refused 5", 17)


def test_what_cannot_be_sent_is_named(here, monkeypatch):
    """A function that cannot be pickled is refused before any call; an argument or a result fails its own call."""
    lock = threading.Lock()

    def local(_):
        return lock

    with over(here) as fan:
        for attempt in (fan.run, fan.stream, fan.start, fan.map):
            with pytest.raises(TypeError, match=r"local cannot be sent to another process .*: define it at the top of"):
                list(attempt(local, [1]))
        with pytest.raises(TypeError, match="local cannot be sent"):
            fan.submit(local, 1)
        monkeypatch.setattr("threadfan._core.fan.over.wire._cloudpickle", lambda: None)
        with pytest.raises(TypeError, match="or pip install cloudpickle"):
            fan.run(local, [1])
        report = fan.run(double, [1, lock, 3])
        assert [outcome.ok for outcome in report] == [True, False, True]
        assert "what double is called with cannot be sent" in str(report[1].error)
        (outcome,) = fan.run(odd, [1])
        assert "odd has returned a lock, which cannot be sent back" in str(outcome.error)


def test_outcomes_tell_what_was_measured_there(here):
    """The duration is the function's own, without the way; tokens that it has noted are the outcome's."""
    with over(here, 2) as fan:
        limited = fan.with_options(rate=RateLimit(60_000))
        limited.run(double, [1])  # so that the next one has to wait
        for view in (fan, fan.with_options(retry=2), limited):
            (outcome,) = view.run(use_tokens, [5])
            assert outcome.usage.input_tokens == 5
            (attempt,) = outcome.history
            assert attempt.worker == there._here()
            assert outcome.duration == attempt.duration
            assert outcome.waited_slot > 0


@pytest.mark.skipif(not GIL, reason="without a GIL the thread that made a thing has to come by for it to die")
@pytest.mark.parametrize("use", ["run", "stream", "submit"])
@pytest.mark.parametrize("fn", [thing, refuse_hard])
def test_nothing_outlives_its_last_reference(here, fn, use):
    """Values and errors are gone when the user has let go of them, and so is what brought them, without a collector."""

    def watched(fan):
        if use == "submit":
            future = fan.submit(fn, 1)
            found = future.exception(PATIENCE) or future.result()
        else:
            (outcome,) = getattr(fan, use)(fn, [1])
            found = outcome.error or outcome.value
        return weakref.ref(found)

    with over(here, 2) as fan, without_collector():
        before = len(_live(Errand)), len(_live(Parcel))
        gone = watched(fan)
        until(lambda: gone() is None)
        until(lambda: (len(_live(Errand)), len(_live(Parcel))) == before)


def _live(kind):
    return [one for one in gc.get_objects() if type(one) is kind]


def test_texts_are_not_streamed_from_other_processes(here):
    """What cannot be is refused, with what would be right."""
    with over(here) as fan, pytest.raises(TypeError, match=r"use stream\(…\), or a Fan"):
        fan.stream_text(double, [1])


def test_limits_hold_as_ever(here):
    """A rate lets calls go as on any fan."""
    with over(here, rate=RateLimit(60_000, burst=5)) as fan:
        assert fan.run(double, range(20)).ok
        assert fan.gather(task(double, 4), other=task(double, 5)).values() == [8, 10]


# -- wrong arguments --------------------------------------------------------------------------------------------------


class Client:
    """Something like that of Dask's."""

    def get_executor(self):
        """What should have been given."""


@pytest.mark.parametrize(
    ("given", "options", "kind", "text"),
    [
        (3, {}, TypeError, r"over needs an executor, such as ProcessPoolExecutor\(4\), not 3"),
        (dict, {}, TypeError, "over needs an executor"),
        (Client(), {}, TypeError, r"over\(client.get_executor\(\)\)"),
        (lambda: 3, {}, TypeError, "it has made 3"),
        (Fan, {}, None, None),
        (ByHand(), {}, TypeError, r"does not say how many calls it runs at once: give max_in_flight=16"),
        (ByHand(), {"max_in_flight": 0}, ValueError, "max_in_flight must be greater than 0, not 0"),
        (ByHand(), {"max_in_flight": "4"}, TypeError, "max_in_flight"),
        (ByHand(), {"max_in_flight": 4, "threads": 0}, ValueError, "threads must be greater than 0"),
        (ByHand(), {"max_in_flight": 4, "timeout": -1}, ValueError, "timeout"),
        (ByHand(), {"max_in_flight": 4, "retries": 3}, TypeError, "it is called retry here"),
    ],
)
def test_wrong_arguments_are_named(given, options, kind, text):
    """Each wrong call says what was wrong, and what would be right."""
    if kind is None:
        with Fan(1) as fan, pytest.raises(TypeError, match="a Fan has threads of this one"):
            over(fan, **options)
        return
    with pytest.raises(kind, match=text):
        over(given, **options)


def test_a_closed_executor_is_refused():
    """One that is shut down is named at once, not by each call."""
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(ValueError, match="this ThreadPoolExecutor is shut down"):
        over(executor)
