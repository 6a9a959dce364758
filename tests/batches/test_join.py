"""`join`: a policy is told of outcomes by whoever waits, and what it does not need is cancelled."""

import contextlib
import signal
import sys
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, elapse, heed_cancel, meet, until
from threadfan import CallCancelled, Fan, FanClosed, TaskTimeout, fail_after, task
from threadfan._core.batches.joiners import AllSucceed, Collect, FirstSuccess, Joiner, Quorum


class Watching(Joiner):
    """Notes what it is told and where; has enough after so many."""

    def __init__(self, enough=1000):
        self.enough = enough
        self.told, self.threads, self.calls = [], set(), None

    def begin(self, calls):
        """Note how many calls there will be."""
        self.calls = calls

    def joined(self, outcome):
        """Note an outcome."""
        self.told.append(outcome)
        self.threads.add(threading.current_thread())
        return len(self.told) >= self.enough

    def result(self, report):
        """The report, and in which thread it was asked for."""
        self.threads.add(threading.current_thread())
        return report


@contextlib.contextmanager
def healthy(slots):
    """A fan whose threads are all back in the end."""
    with Fan(slots) as fan:
        yield fan
        meet(fan, slots)  # each slot came back, with its thread or without
        until(lambda: fan.snapshot()["abandoned"] == 0)


def test_a_policy_is_asked_by_whoever_waits():
    """Never on a worker or the deadline timer: all it is told comes in the thread that called `join`."""
    policy = Watching()
    with healthy(3) as fan:
        report = fan.join(
            policy, *[task(int, text) for text in "12x4"], late=task(heed_cancel).with_options(timeout=0.05)
        )
    assert policy.threads == {threading.current_thread()}
    assert policy.calls == 5
    assert sorted(outcome.index for outcome in policy.told) == [0, 1, 2, 3, 4]
    assert [outcome.status for outcome in report] == ["succeeded"] * 2 + ["failed", "succeeded", "timed_out"]


def test_an_outcome_comes_with_all_that_is_known_of_it():
    """Its name, its index, its task and its attempts are those of the report."""
    policy = Watching()
    attempts = []

    def second_time():
        attempts.append(1)
        if len(attempts) < 2:
            raise ConnectionError
        return "good"

    with Fan(1, retry=2) as fan:
        report = fan.join(policy, abs_=task(abs, -1), again=second_time)
    told = {outcome.name: outcome for outcome in policy.told}
    assert (told["abs_"].value, told["abs_"].index) == (1, 0)
    assert (told["again"].value, told["again"].attempts) == ("good", 2)
    assert report["again"].attempts == 2
    assert told["abs_"].item is report["abs_"].item


@pytest.mark.parametrize("retry", [None, 3])
def test_a_policy_that_has_enough_is_told_nothing_more(retry):
    """The rest is cancelled, whether it runs or is queued, and stands in the report."""
    policy, meeting = Watching(enough=1), threading.Barrier(2)

    def loser():
        meeting.wait(PATIENCE)
        heed_cancel()

    with healthy(2) as fan:
        report = fan.with_options(retry=retry).join(
            policy, lambda: meeting.wait(PATIENCE), loser, heed_cancel, heed_cancel
        )
    assert [outcome.index for outcome in policy.told] == [0]
    assert [outcome.status for outcome in report] == ["succeeded"] + ["cancelled"] * 3
    assert [outcome.attempts for outcome in report][2:] in ([0, 0], [1, 0])
    assert str(report[3].error) == "it was not needed any more: the outcomes so far were enough"


def test_the_order_is_that_of_the_ends():
    """Who ends first is told first, wherever it stands."""
    policy, first = Watching(), threading.Event()
    with Fan(2) as fan:
        fan.join(policy, lambda: until(lambda: policy.told), first.set)
    assert [outcome.index for outcome in policy.told] == [1, 0]


@pytest.mark.parametrize("where", ["joined", "result"])
def test_what_a_policy_raises_ends_the_batch(where):
    """It comes out as it is, with the report; what still runs is cancelled."""
    error = ZeroDivisionError(where)

    def fail(*_):
        raise error

    policy, meeting = Watching(enough=1), threading.Barrier(2)
    setattr(policy, where, fail)

    def loser():
        meeting.wait(PATIENCE)
        heed_cancel()

    with healthy(2) as fan, pytest.raises(ZeroDivisionError) as caught:
        fan.join(policy, lambda: meeting.wait(PATIENCE), loser)
    assert caught.value is error
    assert [outcome.status for outcome in error.report] == ["succeeded", "cancelled"]


def test_the_first_failure_of_all_cancels_the_rest():
    """`AllSucceed` is what `fail_fast` is for `run`, for different functions."""
    meeting = threading.Barrier(2)

    def loser():
        meeting.wait(PATIENCE)
        heed_cancel()

    with healthy(2) as fan:
        with pytest.raises(ValueError, match="invalid literal") as caught:
            fan.join(AllSucceed(), loser, lambda: int("x" * (meeting.wait(PATIENCE) + 1)))
        assert fan.join(AllSucceed(), task(int, "1"), b=task(int, "2"))["b"].value == 2
    assert [outcome.status for outcome in caught.value.report] == ["cancelled", "failed"]


def test_collect_is_gather():
    """The same report comes of both."""
    tasks = [task(int, "1"), task(int, "x")]
    with Fan(2) as fan:
        joined, gathered = fan.join(Collect(), *tasks, c=task(int, "3")), fan.gather(*tasks, c=task(int, "3"))
    assert [(one.name, one.status, one.value) for one in joined] == [
        (one.name, one.status, one.value) for one in gathered
    ]


def test_nothing_to_join():
    """Without tasks a policy is asked for its result at once."""
    with Fan(1) as fan:
        assert len(fan.join(Collect())) == 0


def test_a_policy_must_be_one():
    """A function or a class in its place is refused, and so are tasks that cannot be called."""
    with Fan(1) as fan:
        for wrong in (FirstSuccess, int, task(int)):
            with pytest.raises(
                TypeError, match=r"fan.join needs a policy first, such as fan.join\(FirstSuccess\(\), …\), not"
            ):
                fan.join(wrong, task(int))
        with pytest.raises(TypeError, match="needs a function to call, not 5"):
            fan.join(Collect(), 5)


def test_a_closed_fan():
    """It takes nothing, like every batch."""
    with Fan(1) as fan:
        pass
    with pytest.raises(RuntimeError, match="shutdown"):
        fan.join(Collect(), task(int))


def test_a_fan_that_is_closed_meanwhile():
    """What ends the batch is raised with the report, and not the policy's result."""
    fan, gate = Fan(1), Gate()

    def close():
        gate.wait_for(1)
        fan.shutdown(wait=False, cancel_futures=True)
        gate.open()

    def fail_late():
        gate()
        raise ValueError

    closing = aside(close)
    with pytest.raises(FanClosed) as caught:
        fan.join(FirstSuccess(), fail_late, lambda: 1)
    closing.result(PATIENCE)
    fan.shutdown()
    assert [outcome.status for outcome in caught.value.report] == ["failed", "cancelled"]


def test_a_join_inside_a_call_lends_its_slot():
    """On one slot an outer call joins inner ones, to any depth."""

    def nested(depth):
        if depth == 0:
            return 1
        return fan.join(Quorum(2), task(nested, depth - 1), task(nested, depth - 1)).unwrap()[0] + 1

    with healthy(1) as fan:
        assert fan.submit(nested, 4).result(PATIENCE) == 5


def test_a_join_ends_with_the_call_that_waits_for_it(clock):
    """When the outer call is late its inner ones are cancelled, and their threads come back."""
    seen, begun = [], threading.Event()

    def outer():
        try:
            fan.join(FirstSuccess(), heed_cancel, task(heed_cancel, begun))
        except BaseException as error:
            seen.append(error)
            raise

    with healthy(3) as fan:
        elapse(clock, 8, begun)
        assert isinstance(fan.with_options(timeout=8).submit(outer).exception(PATIENCE), TaskTimeout)
        until(lambda: seen)
    assert isinstance(seen[0], CallCancelled)


def test_a_join_ends_with_its_block(clock):
    """A deadline around it ends it."""
    begun = threading.Event()
    elapse(clock, 8, begun)
    with healthy(2) as fan, pytest.raises(TaskTimeout), fail_after(8):
        fan.join(Collect(), heed_cancel, task(heed_cancel, begun))


@pytest.mark.skipif(sys.platform == "win32", reason="a thread cannot be sent a signal there")
def test_ctrl_c_cancels_the_rest():
    """It is raised at once with what was done, and all threads come back."""
    gate = threading.Barrier(3)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident

    def interrupt():
        gate.wait(PATIENCE)
        signal.pthread_kill(main, signal.SIGINT)

    def loser():
        gate.wait(PATIENCE)
        heed_cancel()

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    policy = Watching()
    try:
        with healthy(3) as fan, pytest.raises(KeyboardInterrupt) as caught:
            fan.join(policy, loser, loser)
    finally:
        signal.signal(signal.SIGINT, previous)
        interrupter.join()
    assert [outcome.status for outcome in caught.value.report] == ["cancelled", "cancelled"]
    assert policy.told == []


@pytest.mark.usefixtures("eager_switching")
def test_no_outcome_is_missed():
    """A hammer: many short calls in eager threads, and each is told once, before the result."""
    with Fan(8) as fan:
        for size in (1, 2, 3, 50, 200):
            policy = Watching()
            report = fan.join(policy, *[task(abs, number) for number in range(size)])
            assert sorted(outcome.index for outcome in policy.told) == list(range(size)) == report.unwrap()


def test_enough_among_many():
    """However the calls come in, exactly as many as were needed are told."""
    with Fan(8) as fan:
        for enough in (1, 7, 50, 99):
            policy = Watching(enough)
            report = fan.join(policy, *[task(abs, number) for number in range(100)])
            assert len(policy.told) == enough <= len(report.succeeded)
            assert len(report) == 100


def test_a_gate_left_closed_holds_nobody_up():
    """A call that does not look at its scope is abandoned: the result does not wait for it."""
    gate = Gate()
    with gate, Fan(2) as fan:

        def win():
            gate.wait_for(1)
            return "won"

        assert fan.join(FirstSuccess(), gate, win).value == "won"
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)
