"""Inputs of a batch under policies are attempted as plainly as any until something happens to them."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, aside, until
from support.scripted import Overload, Script, at_once, rests
from threadfan import Fan, Hedge, LimitExhausted, RateLimit, current_scope
from threadfan._core.base.usage import Usage
from threadfan._core.calls import policy_queues
from threadfan._core.calls.policies import Policies
from threadfan.testing import Probe

GONE = ConnectionError("gone")


class Answer:
    """What a client returns, with its status."""

    def __init__(self, status):
        self.status_code = status
        self.headers = {"retry-after": "0"}
        self.closed = False

    def raise_for_status(self):
        """As clients have it."""

    def close(self):
        """Give back the connection."""
        self.closed = True


@pytest.fixture
def made(monkeypatch):
    """The places of the inputs that became calls of their own."""
    found = []
    make = policy_queues.TaskCall

    def note(item, index, *rest):
        found.append(index)
        return make(item, index, *rest)

    monkeypatch.setattr(policy_queues, "TaskCall", note)
    return found


@pytest.mark.parametrize(
    "options",
    [{"retry": 3}, {"retry": {ConnectionError: 3}}, {"rate": RateLimit(6_000_000, burst=1000)}, {"hedge": Hedge(60.0)}],
    ids=["retry", "entries", "rate", "hedge"],
)
def test_inputs_that_succeed_stay_inputs(made, options):
    """None of them becomes a call, and yet each has its attempt."""
    with Fan(3, **options) as fan:
        report = fan.run(abs, range(200))
        assert fan.snapshot()["done"] == 200
    assert report.unwrap() == list(range(200))
    assert {outcome.attempts for outcome in report} == {1}
    assert all(len(outcome.history) == 1 and outcome.history[0].error is None for outcome in report)
    assert made == []


def test_one_that_fails_becomes_a_call_and_goes_before_the_others(made, clock):
    """Its attempts are told with their times; inputs that have not begun wait for it."""
    call = Script(GONE, "done")
    steps = []
    gate = Gate()

    def one(item):
        steps.append(item)
        if item == "held":
            gate()
        return call(item) if item == "fails" else item

    with Fan(1, retry=2) as fan:
        report = aside(fan.run, one, ["fails", "held", "last"])
        gate.wait_for(1)
        until(lambda: clock.wait_for_sleepers(until=0.5) is None)
        clock.advance(1)
        until(lambda: fan.snapshot()["queued"] == 2)
        gate.open()
        outcomes = report.result(PATIENCE)
    assert steps == ["fails", "held", "fails", "last"]
    assert [(one.status, one.error, one.started) for one in outcomes[0].history] == [
        ("failed", GONE, 0), ("succeeded", None, 1)
    ]  # fmt: skip
    assert outcomes.stats.retries == 1
    assert made == [0]


@pytest.mark.parametrize("options", [{"retry": 1}, {"rate": RateLimit(600_000)}], ids=["retry", "rate"])
def test_an_answer_with_an_errors_status_counts_as_one(options, monkeypatch):
    """It is tried again and closed; the last one is the value after all."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    first, second = Answer(429), Answer(200)
    call = Script(first, second)
    with Fan(1, **options) as fan:
        report = fan.run(call, [0])
    assert (report[0].value, report[0].attempts, first.closed) == (second, 2, True)


def test_the_scope_of_a_first_attempt_is_its_own():
    """What it notes is told of it, and its end is no other's."""
    scopes = []

    def one(item):
        scopes.append(current_scope())
        current_scope().add_usage(Usage(item, 1))
        return item

    with Fan(2, retry=2, rate=RateLimit(6_000_000, burst=1000)) as fan:
        report = fan.run(one, range(50))
    assert [outcome.usage.input_tokens for outcome in report] == list(range(50))
    assert len({id(scope) for scope in scopes}) > 1
    assert {outcome.attempts for outcome in report} == {1}


def test_what_inputs_wait_for_a_limit_is_told_of_them(clock):
    """As of any call: from when they came until the limit let them through."""
    with Fan(2, rate=RateLimit(60)) as fan:
        report = aside(fan.run, abs, range(3))
        for left in (2, 1):
            until(lambda left=left: rests(fan) and fan.snapshot()["waiting"] == left)
            clock.wait_for_sleepers(until=PATIENCE)
            clock.advance(1.125)
        outcomes = report.result(PATIENCE)
    assert [outcome.waited_limit for outcome in outcomes] == [0, 1.125, 2.25]
    assert [outcome.waited_slot for outcome in outcomes] == [0, 0, 0]
    assert outcomes.stats.limited == 2.25


def test_inputs_start_in_their_order_under_a_limit(clock):
    """However many threads there are, a later one never gets an earlier one's permit."""
    call = Script("done")
    with Fan(8, rate=RateLimit(60, burst=2)) as fan:
        report = aside(fan.run, call, range(6))
        while not report.done():
            until(lambda: report.done() or (rests(fan) and clock._asleep(clock.monotonic() + 2)))
            clock.advance(1.25)
        assert report.result(PATIENCE).unwrap() == ["done"] * 6
    assert sorted(item for _, item in call.starts) == list(range(6))
    moments = [moment for moment, _ in sorted(call.starts, key=lambda start: start[1])]
    assert moments == sorted(moments)


def test_all_inputs_fail_where_waiting_is_for_nothing():
    """One answer says that the account has no money: those that were not pulled yet need not ask."""

    class Broke(Exception):
        status_code = 429

        def __init__(self):
            super().__init__()
            self.body = {"error": {"type": "insufficient_quota"}}

    def one(item):
        raise Broke

    with Fan(1, rate=RateLimit(60)) as fan:
        report = fan.run(one, range(5))
        assert fan.snapshot()["failed"] == 5
    assert [type(outcome.error) for outcome in report] == [Broke] + [LimitExhausted] * 4
    assert [outcome.attempts for outcome in report] == [1, 0, 0, 0, 0]


def test_a_second_attempt_that_waits_for_the_limit_holds_up_nobody_once_it_is_dropped(clock):
    """The first answers while the second waits: inputs behind it go on without an invitation of its own."""
    gate = Gate()

    def one(item):
        if item == 0:
            gate()
        return item

    with Fan(2, hedge=Hedge(1.0, budget=1.0), rate=RateLimit(12)) as fan:
        report = aside(fan.run, one, range(2))
        gate.wait_for(1)
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.wait_for_sleepers(until=2)
        clock.advance(1)
        until(lambda: fan.snapshot()["waiting"] == 2)
        gate.open()
        until(lambda: fan.snapshot()["done"] == 1)
        clock.wait_for_sleepers(until=2 * PATIENCE)
        clock.advance(6)
        assert report.result(PATIENCE).unwrap() == [0, 1]


def test_a_batch_that_is_cancelled_leaves_no_input(clock):
    """Those that wait for the limit, and those behind them."""
    with Fan(2, rate=RateLimit(60)) as fan:
        report = aside(fan.run, abs, range(5), deadline=0.5)
        until(lambda: fan.snapshot()["waiting"] == 4)
        clock.wait_for_sleepers(until=0.5)
        clock.advance(0.5)
        outcomes = report.result(PATIENCE)
        assert fan.snapshot()["waiting"] == 0
        assert fan.submit(abs, -1) is not None
        clock.advance(2)
    assert [outcome.ok for outcome in outcomes] == [True, False, False, False, False]


RAISED = [ValueError, ConnectionError, TimeoutError, KeyboardInterrupt, StopIteration]
steps = st.lists(st.one_of(st.integers(0, 3), st.sampled_from(RAISED)), min_size=1, max_size=3)


def seen(outcomes):
    """What a user sees of each outcome, times aside."""
    return [
        (one.index, one.status, one.value, type(one.error), [(part.status, type(part.error)) for part in one.history])
        for one in outcomes
    ]


class Steps:
    """Each input is a list of what its attempts do; the last is repeated."""

    def __init__(self):
        self._begun = {}
        self._lock = threading.Lock()

    def __call__(self, item):
        """One attempt."""
        place, todo = item
        with self._lock:
            number = self._begun[place] = self._begun.get(place, -1) + 1
        step = todo[min(number, len(todo) - 1)]
        if isinstance(step, type):
            raise step()
        return step


@settings(max_examples=60)
@given(
    st.lists(steps, max_size=6),
    st.sampled_from([1, {ConnectionError: at_once(3)}, {(Overload, ConnectionError): at_once(2)}, None]),
    st.booleans(),
    st.booleans(),
)
def test_the_plain_way_and_the_general_one_give_equal_outcomes(mix, retry, limited, hedged):
    """Whatever an input's attempts do, under a retry, a limit, a hedge or all of them."""
    items = list(enumerate(mix))
    rate = {"rate": RateLimit(600_000_000, burst=10_000)} if limited else {}
    hedge = {"hedge": Hedge(60.0)} if hedged else {}
    retry = None if retry == 1 and any({ConnectionError, TimeoutError} & set(one) for one in mix) else retry
    found = []
    for plain in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not plain:
                patch.setattr(Policies, "first_is_plain", False)
            with Fan(2, retry=retry, **rate, **hedge) as fan:
                found.append(seen(fan.run(Steps(), items)))
                assert seen(sorted(fan.stream(Steps(), iter(items)), key=lambda one: one.index)) == found[-1]
                until(lambda: Probe(fan).at_work == 0)
                assert fan.snapshot()["done"] == 2 * len(mix)
    assert found[0] == found[1]
