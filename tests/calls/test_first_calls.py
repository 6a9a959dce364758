"""Single calls under policies are run as plainly as any until something happens to them."""

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, until
from support.scripted import Overload, Script, at_once, backing_off, rests
from threadfan import CancelledError, Fan, Hedge, LimitExhausted, RateLimit, TaskTimeout, current_scope, sleep, wait
from threadfan._core.base.usage import Usage
from threadfan._core.calls.policies import Policies
from threadfan.testing import Probe

GONE = ConnectionError("gone")
ALL = {"retry": 3, "hedge": Hedge(60.0)}


@pytest.fixture(params=["retry", "entries", "rate", "hedge", "all"])
def options(request):
    """Policies that have nothing to say to a call that succeeds."""
    return {
        "retry": {"retry": 3},
        "entries": {"retry": {ConnectionError: 3}},
        "rate": {"rate": RateLimit(6_000_000, burst=1000)},
        "hedge": {"hedge": Hedge(60.0)},
        "all": {**ALL, "rate": RateLimit(6_000_000, burst=1000)},
    }[request.param]


def test_calls_that_succeed_get_no_state(options):
    """Neither those of ``submit`` nor those of ``fan.call``, and yet each is counted."""
    with Fan(3, **options) as fan:
        futures = [fan.submit(abs, -number) for number in range(200)]
        assert [future.result(PATIENCE) for future in futures] == list(range(200))
        assert {future.state for future in futures} == {None}

        async def main():
            return await asyncio.gather(*(fan.call(abs, -number) for number in range(50)))

        assert asyncio.run(main()) == list(range(50))
        until(lambda: Probe(fan).at_work == 0)
        assert (fan.snapshot()["done"], fan.snapshot()["failed"], fan.snapshot()["retries"]) == (250, 0, 0)


def test_one_that_fails_goes_before_those_that_have_not_begun(clock):
    """It has a state from then on, and its attempts their back-off between them."""
    gate, steps = Gate(), []
    call = Script(GONE, "done")

    def one(item):
        steps.append(item)
        if item == "held":
            gate()
        return call(item) if item == "fails" else item

    with Fan(1, retry=2) as fan:
        futures = [fan.submit(one, item) for item in ("fails", "held", "last")]
        gate.wait_for(1)
        until(lambda: clock.wait_for_sleepers(until=0.5) is None)
        clock.advance(1)
        until(lambda: fan.snapshot()["queued"] == 2)
        gate.open()
        assert [future.result(PATIENCE) for future in futures] == ["done", "held", "last"]
        assert fan.snapshot()["retries"] == 1
    assert steps == ["fails", "held", "fails", "last"]


def test_they_start_in_their_order_under_a_limit(clock):
    """However many threads there are; those behind the first wait with it, and count as waiting."""
    call = Script("done")
    with Fan(8, rate=RateLimit(60)) as fan:
        futures = [fan.submit(call, item) for item in range(6)]
        until(lambda: fan.snapshot()["waiting"] == 5)
        while not all(future.done() for future in futures):
            until(lambda: wait(futures, 0).not_done == set() or (rests(fan) and clock._asleep(clock.monotonic() + 2)))
            clock.advance(1.25)
    moments = [moment for moment, _ in sorted(call.starts, key=lambda start: start[1])]
    assert moments == sorted(moments)
    assert moments[1] > moments[0]


def test_one_that_stands_in_line_and_is_cancelled_leaves_the_line_to_the_next(clock):
    """Nobody else would come for those behind it."""
    with Fan(2, rate=RateLimit(60)) as fan:
        first, second, third, last = [fan.submit(abs, number) for number in range(4)]
        assert first.result(PATIENCE) == 0
        backing_off(fan, clock, 3, due=2)
        assert second.cancel()
        assert last.cancel()
        backing_off(fan, clock, 1, due=2)
        clock.advance(1.25)
        assert third.result(PATIENCE) == 2
        assert wait([second, last], PATIENCE).not_done == set()
        assert fan.snapshot()["done"] == 4


def test_a_closed_fan_still_makes_those_behind_one_that_is_cancelled(clock):
    """Whoever looks then whether anything is left to do finds them waiting."""
    fan = Fan(2, rate=RateLimit(60))
    first, second, third = [fan.submit(abs, number) for number in range(3)]
    assert first.result(PATIENCE) == 0
    backing_off(fan, clock, 2, due=2)
    fan.shutdown(wait=False)
    assert second.cancel()
    assert fan.snapshot()["waiting"] == 1
    clock.wait_for_sleepers(until=2)
    clock.advance(1.25)
    assert third.result(PATIENCE) == 2
    fan.shutdown()


def test_a_call_that_waits_for_one_that_stands_in_line_leaves_the_line_to_the_next(clock):
    """The one that is waited for goes deeper; those behind it are still seen to."""
    go = threading.Event()
    with Fan(2, rate=RateLimit(60)) as fan:
        plain = fan.with_options(rate=None)

        def outer():
            go.wait(PATIENCE)
            return second.result(PATIENCE)

        waits = plain.submit(outer)
        first, second, third = [fan.submit(abs, number) for number in range(3)]
        assert first.result(PATIENCE) == 0
        until(lambda: fan.snapshot()["waiting"] == 2)
        go.set()
        until(lambda: fan.snapshot()["waiting"] == 3)
        for future in (second, third):
            while not future.done():
                until(lambda done=future.done: done() or clock._asleep(clock.monotonic() + 2))
                clock.advance(1.25)
        assert (waits.result(PATIENCE), third.result(PATIENCE)) == (1, 2)


def test_an_interrupt_ends_those_there_are_and_none_that_come_after(clock):
    """What runs then is not tried again; a later call is."""
    gate = Gate()
    call = Script(GONE, "done")

    def fails():
        gate()
        raise GONE

    with Fan(1, retry=2) as fan:
        runs, queued = fan.submit(fails), fan.submit(abs, -1)
        gate.wait_for(1)
        Probe(fan).interrupt()
        assert queued.cancelled()
        gate.open()
        assert runs.exception(PATIENCE) is not None
        later = fan.submit(call)
        backing_off(fan, clock, due=2)
        clock.advance(1)
        assert later.result(PATIENCE) == "done"
    assert len(call.starts) == 2


def test_one_that_is_late_is_tried_again(clock):
    """Its time was up in its first attempt, of which nothing had been known."""
    gate = Gate()
    tried = []

    def call():
        tried.append(None)
        if len(tried) == 1:
            gate()
        return "done"

    with Fan(2, timeout=5, retry=1) as fan:
        future = fan.submit(call)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        backing_off(fan, clock, due=7)
        clock.advance(2)
        assert future.result(PATIENCE) == "done"
        gate.open()


def test_the_second_attempt_of_a_slow_one_wins(clock):
    """The first is seen by the look that is planned for it, and the fan plans none when it is closed."""
    gate = Gate()
    tried = []

    def call():
        tried.append(None)
        if len(tried) == 1:
            gate()
        return len(tried)

    with Fan(2, hedge=Hedge(1.0, budget=1.0)) as fan:
        future = fan.submit(call)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        assert future.result(PATIENCE) == 2
        gate.open()
        assert fan.submit(abs, -1).result(PATIENCE) == 1
    until(lambda: not clock._asleep(PATIENCE))


def test_a_second_attempt_beyond_the_budget_is_not_made(clock):
    """The first ends as it would have."""
    gate = Gate()
    with Fan(2, hedge=Hedge(1.0, budget=0.5)) as fan:
        future = fan.submit(gate, "value")
        gate.wait_for(1)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        gate.open()
        assert future.result(PATIENCE) == "value"
        until(lambda: Probe(fan).at_work == 0)
        assert fan.snapshot()["done"] == 1


def test_its_scope_is_its_own():
    """What a call notes is counted, whatever it is under."""

    def one(number):
        current_scope().add_usage(Usage(number, 1))
        return number

    with Fan(2, retry=2, rate=RateLimit(6_000_000, burst=1000)) as fan:
        assert [fan.submit(one, number).result(PATIENCE) for number in range(20)] == list(range(20))
        assert (fan.snapshot()["input_tokens"], fan.snapshot()["output_tokens"]) == (190, 20)


def test_a_call_that_runs_and_is_cancelled_makes_no_further_attempt():
    """It hears of it by its scope."""
    begun = threading.Event()

    def call():
        begun.set()
        sleep(PATIENCE)

    with Fan(1, retry=5, rate=RateLimit(6_000_000, burst=1000)) as fan:
        future = fan.submit(call)
        assert begun.wait(PATIENCE)
        assert not future.cancel()
        assert future.exception(PATIENCE) is not None
        assert fan.snapshot()["retries"] == 0


def test_a_fan_that_is_closed_with_cancelled_futures_lets_none_begin(clock):
    """Those that wait for the limit, and those behind them."""
    fan = Fan(2, rate=RateLimit(60))
    futures = [fan.submit(abs, number) for number in range(5)]
    until(lambda: fan.snapshot()["waiting"] == 4)
    fan.shutdown(cancel_futures=True)
    assert futures[0].result(PATIENCE) == 0
    for future in futures[1:]:
        with pytest.raises(CancelledError):
            future.result(PATIENCE)


def test_all_fail_where_waiting_is_for_nothing():
    """One answer says that the account has no money: those that have not begun need not ask."""

    class Broke(Exception):
        status_code = 429

        def __init__(self):
            super().__init__()
            self.body = {"error": {"type": "insufficient_quota"}}

    gate = Gate()

    def one(_):
        gate()
        raise Broke

    with Fan(1, rate=RateLimit(60)) as fan:
        futures = [fan.submit(one, number) for number in range(5)]
        gate.open()
        assert [type(future.exception(PATIENCE)) for future in futures] == [Broke] + [LimitExhausted] * 4


RAISED = [ValueError, ConnectionError, TimeoutError, KeyboardInterrupt, StopIteration]
steps = st.lists(st.one_of(st.integers(0, 3), st.sampled_from(RAISED)), min_size=1, max_size=3)


def ends(mix, **options):
    """How calls that make these steps end, one after another and side by side, and how often they were called."""
    calls = [Script(*(step() if isinstance(step, type) else step for step in one)) for one in mix]
    with Fan(2, **options) as fan:
        one_by_one = [end(fan.submit(call)) for call in calls]
        side_by_side = [end(future) for future in [fan.submit(call) for call in calls]]
        until(lambda: Probe(fan).at_work == 0)
        figures = fan.snapshot()
    return one_by_one, side_by_side, [len(call.starts) for call in calls], figures["done"], figures["failed"]


def end(future):
    """What a user sees."""
    error = future.exception(PATIENCE)
    return (None if error is not None else future.result()), type(error)


@settings(max_examples=60)
@given(
    st.lists(steps, max_size=5),
    st.sampled_from([None, {ConnectionError: at_once(3)}, {(Overload, ConnectionError): at_once(2)}]),
    st.booleans(),
    st.booleans(),
)
def test_the_plain_way_and_the_general_one_give_equal_ends(mix, retry, limited, hedged):
    """Whatever a call's attempts do, under a retry, a limit, a hedge or all of them."""
    rate = {"rate": RateLimit(600_000_000, burst=10_000)} if limited else {}
    hedge = {"hedge": Hedge(60.0)} if hedged else {}
    found = []
    for plain in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not plain:
                patch.setattr(Policies, "first_is_plain", False)
            found.append(ends(mix, retry=retry, **rate, **hedge))
    assert found[0] == found[1]


def test_a_timeout_is_that_of_each_attempt(clock):
    """Without a retry the first is the last."""
    gate = Gate()
    with Fan(1, timeout=5, rate=RateLimit(6_000_000, burst=1000)) as fan:
        future = fan.submit(gate)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        gate.open()
