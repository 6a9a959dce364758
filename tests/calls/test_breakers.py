"""Calls under a breaker: a service that is down is asked a few times, however many calls there are."""

import asyncio
import pickle
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, until, within_patience
from support.scripted import Overload, Script, backing_off, every, opened
from threadfan import Breaker, BreakerOpen, Fan, Hedge, RateLimit, TaskTimeout, stage, task
from threadfan._core.calls import first_attempts

GONE = ConnectionError("refused")


class Service:
    """Counts how often it is asked, and is down or not."""

    def __init__(self, error=GONE):
        self.error = error
        self.asked = 0
        self._lock = threading.Lock()

    def __call__(self, item=0):
        """One request."""
        with self._lock:
            self.asked += 1
        if self.error is not None:
            raise self.error
        return item


class AskedHedge(Hedge):
    """Counts how often a second attempt was to be made; each call may have one after a second."""

    asked = 0

    def __init__(self):
        super().__init__(after=1, budget=1.0)

    def allow(self):
        """Whether it may."""
        self.asked += 1
        return super().allow()


def down(**options):
    """Opens after five failures."""
    return Breaker(failures=5, recovery=30, **options)


# -- what is not asked -------------------------------------------------------------------------------------------------


async def _arun(fan, fn, items):
    return list(await fan.arun(fn, items))


async def _astream(fan, fn, items):
    return [one async for one in fan.astream(fn, items)]


def _submit(fan, fn, items):
    return [one.exception(PATIENCE) for one in [fan.submit(fn, item) for item in items]]


WAYS = {
    "run": lambda fan, fn, items: list(fan.run(fn, items)),
    "fed": lambda fan, fn, items: list(fan.run(fn, iter(items))),
    "stream": lambda fan, fn, items: list(fan.stream(fn, items)),
    "gather": lambda fan, fn, items: list(fan.gather(*(task(fn, item) for item in items))),
    "submit": _submit,
    "pipeline": lambda fan, fn, items: list(fan.pipeline(fn).run(items)),
    "arun": lambda fan, fn, items: asyncio.run(_arun(fan, fn, items)),
    "astream": lambda fan, fn, items: asyncio.run(_astream(fan, fn, items)),
}


@pytest.mark.parametrize(
    "more", [{}, {"rate": RateLimit(60_000_000, burst=50)}, {"hedge": Hedge(after=60, budget=1.0)}]
)
@pytest.mark.parametrize("way", WAYS)
def test_a_dead_service_is_asked_five_times_in_a_batch_of_1200(way, more):
    """With one slot; all others fail at once, with an error that says why."""
    service = Service()
    with opened(1, breaker=down(name="search"), **more) as fan:
        ends = within_patience(WAYS[way], fan, service, range(1200))
        assert fan.snapshot()["failed"] == 1200
    errors = [end if isinstance(end, Exception) else end.error for end in ends]
    assert service.asked == 5
    assert [type(error) for error in errors].count(ConnectionError) == 5
    shut_out = [error for error in errors if type(error) is BreakerOpen]
    assert len(shut_out) == 1195
    assert {(error.breaker, repr(error.__cause__)) for error in shut_out} == {("search", repr(GONE))}
    (text,) = {str(error) for error in shut_out}
    assert text == (
        "this call was not made: the breaker 'search' has opened after 5 failures in a row, the last with "
        "ConnectionError: refused; it lets one call try every 30 s"
    )


def test_calls_that_run_as_it_opens_run_on():
    """So a dead service is asked by as many more as there are other slots, and what those return counts."""
    gate, breaker, asked = Gate(), Breaker(1, 30), []

    def call(item):
        asked.append(item)
        if item == 0:
            gate.wait_for(3)
            raise GONE
        return gate(item)

    with gate, opened(4, breaker=breaker) as fan:
        report = aside(fan.run, call, range(100))
        until(lambda: fan.snapshot()["done"] == 97)
        gate.open()
        report = report.result(PATIENCE)
    assert sorted(asked) == [0, 1, 2, 3]
    assert [one.value for one in report if one.ok] == [1, 2, 3]
    assert breaker.state == "open"  # they had been asked before it opened


def test_the_report_says_what_stopped_it():
    """With the number of calls that were not made; it can be pickled, and each error with its cause."""
    with opened(1, breaker=down(name="search")) as fan:
        report = fan.run(Service(), range(12))
        assert report.stopped == "the breaker 'search' had opened, and 7 calls were not made"
        assert f"stopped early: {report.stopped}" in repr(report)
        read = pickle.loads(pickle.dumps(report))  # noqa: S301
        assert read.stopped == report.stopped
        assert (read[7].error.breaker, repr(read[7].error.__cause__)) == ("search", repr(GONE))
        assert fan.run(Service(), range(3)).stopped == "the breaker 'search' had opened, and 3 calls were not made"
    with opened(1, breaker=down()) as fan:
        assert fan.run(Service(), range(5)).stopped is None
        graph = fan.graph()
        graph.add(lambda: None, name="left out")
        assert graph.run().stopped == "the breaker had opened, and 1 call was not made"


def test_what_was_left_out_is_called_by_retry():
    """A report knows how to go on when the service is back."""
    service = Service()
    with opened(1, breaker=Breaker(2, 0.001)) as fan:
        report = fan.run(service, range(10))
        service.error = None
        until(lambda: fan.submit(service).exception(PATIENCE) is None)
        assert report.retry(fan).values() == list(range(10))


# -- open, half open, closed -------------------------------------------------------------------------------------------


def test_one_call_tries_and_its_answer_closes_it(clock):
    """After the recovery, while others still fail at once."""
    service, breaker = Service(), down()
    with Gate() as gate, opened(4, breaker=breaker) as fan:
        fan.with_options(max_concurrent=1).run(service, range(5))
        clock.advance(29.9)
        assert type(fan.submit(service).exception(PATIENCE)) is BreakerOpen
        clock.advance(0.1)
        trial = fan.submit(gate, "back")
        gate.wait_for(1)
        assert type(fan.submit(service).exception(PATIENCE)) is BreakerOpen
        gate.open()
        assert trial.result(PATIENCE) == "back"
        service.error = None
        assert fan.run(service, range(100)).ok
    assert breaker.state == "closed"
    assert service.asked == 105


def test_the_failure_of_the_trial_opens_it_again(clock):
    """So it is asked once in thirty seconds."""
    service = Service()
    with opened(1, breaker=down()) as fan:
        fan.run(service, range(5))
        for number in range(1, 4):
            clock.advance(30)
            report = fan.run(service, range(100))
            assert service.asked == 5 + number
            assert report.by_error()  # the errors are alike
            assert {error.seconds for error in (one.error for one in report[1:])} == {30}


def test_a_trial_that_hangs_is_followed_by_another(clock):
    """After a further recovery; the answer of that one closes it."""
    service = Service()
    with Gate() as gate, opened(2, breaker=down()) as fan:
        fan.run(service, range(5))
        clock.advance(30)
        hangs = fan.submit(gate)
        gate.wait_for(1)
        assert type(fan.submit(service).exception(PATIENCE)) is BreakerOpen
        clock.advance(30)
        service.error = None
        assert fan.submit(service, "back").result(PATIENCE) == "back"
        assert fan.run(service, range(3)).ok
        gate.open()
        hangs.result(PATIENCE)


@pytest.mark.parametrize("way", ["cancelled", "a bug"])
def test_a_trial_that_says_nothing_leaves_it_to_the_next_call(clock, way):
    """It does not count as a failure, nor as an answer."""
    service, breaker = Service(), down()
    with Gate() as gate, opened(2, breaker=breaker) as fan:
        fan.run(service, range(5))
        clock.advance(30)
        if way == "a bug":
            assert type(fan.submit(len, 3).exception(PATIENCE)) is TypeError
        else:
            batch = fan.stream(gate, [1])
            reading = aside(next, batch, None)
            gate.wait_for(1)
            fan._scheduler.interrupt()
            gate.open()
            reading.result(PATIENCE)
        assert breaker.state == "open"
        service.error = None
        assert fan.submit(service, 1).result(PATIENCE) == 1
    assert breaker.state == "closed"


def test_what_a_trial_calls_is_a_part_of_it(clock):
    """Calls of the same fan that a call makes are not kept out by its own trial."""
    service = Service()
    with opened(4, breaker=down()) as fan:
        fan.run(service, range(5))
        clock.advance(30)
        service.error = None

        def outer(number):
            return [fan.run(service, [number, 1]).unwrap(), fan.submit(service, 2).result(PATIENCE)]

        assert fan.submit(outer, 0).result(PATIENCE) == [[0, 1], 2]
        assert fan.run(service, range(3)).ok


# -- what counts -------------------------------------------------------------------------------------------------------


class Status(Exception):
    """As a client raises it for an answer."""

    def __init__(self, status):
        super().__init__(status)
        self.status_code = status


@pytest.mark.parametrize(
    "error", [GONE, TimeoutError(), Status(500), Status(503), Status(408), Status(429), Overload(1)]
)
def test_what_counts(error):
    """Connections, timeouts, and answers by which a server says that it cannot."""
    service = Service(error)
    with opened(1, breaker=down()) as fan:
        fan.run(service, range(20))
    assert service.asked == 5


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), KeyError(1), Status(400), Status(401), Status(404), Status(409)]
)
def test_what_does_not(error):
    """Bugs, and answers: who says 404 is there."""
    service = Service(error)
    with opened(1, breaker=Breaker(1, 30)) as fan:
        report = fan.run(service, range(20))
    assert service.asked == 20
    assert report.stopped is None


def test_an_answer_begins_the_count_anew_and_a_bug_does_not():
    """In a row means without an answer between them."""
    for between, asked in ((Status(404), 6), (ValueError("a bug"), 4)):
        ends = iter([GONE, GONE, between, GONE, GONE, GONE, GONE])
        calls = []

        def call(_, ends=ends, calls=calls):
            calls.append(1)
            raise next(ends)

        with opened(1, breaker=Breaker(3, 30)) as fan:
            fan.run(call, range(7))
        assert len(calls) == asked


def test_a_timeout_of_the_fan_counts(clock):
    """Whoever takes too long is down, and its calls are ended from outside."""
    breaker = Breaker(2, 30)
    with Gate() as gate, opened(1, timeout=1, breaker=breaker) as fan:
        report = aside(fan.run, gate, range(9))
        for number in (1, 2):
            gate.wait_for(number)
            clock.wait_for_sleepers(until=number)
            clock.advance(1)
        report = report.result(PATIENCE)
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)
    assert [type(one.error) for one in report] == [TaskTimeout] * 2 + [BreakerOpen] * 7
    assert isinstance(report[8].error.__cause__, TaskTimeout)


def test_an_answer_that_is_returned_counts():
    """As requests and httpx hand on a 503."""

    class Answer:
        """One of them."""

        status_code, headers = 503, {}

        def raise_for_status(self):
            """As of requests."""

    asked = []
    with opened(1, breaker=down()) as fan:
        report = fan.run(lambda number: asked.append(number) or Answer(), range(20))
    assert len(asked) == 5
    assert [one.ok for one in report] == [True] * 5 + [False] * 15


def test_a_refusal_that_a_limit_sees_to_does_not_count(clock):
    """A limit has all calls wait, so that each has its value in the end."""
    call = Script(Overload(1), Overload(1), "done")
    breaker = Breaker(1, 30)
    with opened(1, rate=RateLimit(60_000), breaker=breaker) as fan:
        future = fan.submit(call)
        for due in (1, 2):
            backing_off(fan, clock, due=due)
            clock.advance(1)
        assert future.result(PATIENCE) == "done"
    assert breaker.state == "closed"


# -- with retries, limits and second attempts --------------------------------------------------------------------------


def test_attempts_count_and_an_open_breaker_ends_retries(clock):
    """A call that would back off is over with its own error, if nobody would let it try then."""
    call = Script(GONE)
    with opened(1, retry=every(10, attempts=9), breaker=Breaker(3, 30)) as fan:
        future = fan.submit(call)
        for due in (10, 20):
            backing_off(fan, clock, due=due)
            clock.advance(10)
        assert future.exception(PATIENCE) is GONE
    assert call.moments() == [0, 10, 20]


def test_a_call_that_backs_off_as_it_opens_is_not_made_again(clock):
    """Its error says so, and its cause is what it had failed with itself."""
    own = ConnectionError("its own")
    call, other = Script(own), Script(GONE)
    with opened(1, retry=every(10, attempts=9), breaker=Breaker(3, 30)) as fan:
        future = fan.submit(call)
        backing_off(fan, clock, due=10)
        fan.with_options(retry=None).run(other, range(2))
        clock.advance(10)
        error = future.exception(PATIENCE)
    assert type(error) is BreakerOpen
    assert error.__cause__ is own
    assert str(error).startswith("this call was not made again: the breaker has opened after 3 failures in a row")
    assert len(call.starts) == 1


def test_a_call_that_backs_off_for_longer_is_the_trial(clock):
    """Whose time comes after the recovery is not over."""
    call = Script(GONE, "back")
    with opened(1, retry=every(40, attempts=9), breaker=Breaker(1, 30)) as fan:
        future = fan.submit(call)
        backing_off(fan, clock, due=40)
        clock.advance(40)
        assert future.result(PATIENCE) == "back"
        assert fan.submit(int).result(PATIENCE) == 0


@pytest.mark.parametrize("way", ["run", "fed", "gather", "submit", "stream", "pipeline", "arun"])
def test_calls_that_wait_for_a_limit_fail_at_once(clock, way):
    """They do not wait for the permits of calls that are not made."""
    service = Service()
    with opened(4, rate=RateLimit(60), breaker=Breaker(1, 3600)) as fan:
        ends = within_patience(WAYS[way], fan, service, range(50))
        assert len(ends) == 50
        assert fan.snapshot()["waiting"] == 0
    assert service.asked == 1
    assert clock.monotonic() == 0


def test_no_second_attempt_is_made_while_it_is_open(clock):
    """And none is taken from the budget; the first goes on."""
    hedge = AskedHedge()
    with Gate() as gate, opened(4, hedge=hedge, breaker=Breaker(1, 30)) as fan:
        future = fan.submit(gate, "slow")
        gate.wait_for(1)
        assert fan.submit(Service()).exception(PATIENCE) is GONE
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        until(lambda: hedge.asked == 1 and hedge.extra == 0)
        assert len(gate.started) == 1
        gate.open()
        assert future.result(PATIENCE) == "slow"


def test_a_trial_has_no_second_attempt(clock):
    """Of one that takes long nobody knows whether the service is back."""
    hedge = AskedHedge()
    with Gate() as gate, opened(4, breaker=Breaker(1, 30)) as fan:
        assert fan.submit(Service()).exception(PATIENCE) is GONE
        clock.advance(30)
        trial = fan.with_options(hedge=hedge).submit(gate, "back")
        gate.wait_for(1)
        clock.wait_for_sleepers(until=31)
        clock.advance(1)
        until(lambda: hedge.asked == 1 and hedge.extra == 0)
        gate.open()
        assert trial.result(PATIENCE) == "back"
        assert (gate.started, fan.submit(int).result(PATIENCE)) == (["back"], 0)


def test_second_attempts_count(clock):
    """Two attempts of one call that fail are two failures."""
    started, breaker = threading.Semaphore(0), Breaker(2, 30)
    free = threading.Event()

    def call():
        started.release()
        assert free.wait(PATIENCE)
        raise GONE

    with opened(2, hedge=Hedge(after=1, budget=1.0), breaker=breaker) as fan:
        future = fan.submit(call)
        assert started.acquire(timeout=PATIENCE)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        assert started.acquire(timeout=PATIENCE)
        free.set()
        assert future.exception(PATIENCE) is GONE
        assert breaker.state == "open"


# -- who shares it -----------------------------------------------------------------------------------------------------


def test_several_fans_views_tasks_and_stages_share_one():
    """What one of them has learned all know."""
    breaker, service = down(), Service()
    with opened(1, breaker=breaker) as first, opened(1) as second:
        first.run(service, range(3))
        second.with_options(breaker=breaker).run(service, range(3))
        assert service.asked == 5
        assert breaker.state == "open"
        others = [
            second.gather(task(service, 1).with_options(breaker=breaker))[0].error,
            second.pipeline(stage(service, breaker=breaker)).run([1])[0].error,
            first.submit(service).exception(PATIENCE),
        ]
        assert {type(error) for error in others} == {BreakerOpen}
        assert service.asked == 5
        assert second.submit(service).exception(PATIENCE) is GONE
        assert first.with_options(breaker=None).submit(service).exception(PATIENCE) is GONE
        meet(first.with_options(breaker=None), 1)


def test_who_has_none_pays_nothing(monkeypatch):
    """Inputs under a retry and a limit are still no calls before their first attempt has failed."""
    ran = []
    run = first_attempts.run
    monkeypatch.setattr(first_attempts, "run", lambda *args: ran.append(1) or run(*args))
    with Fan(2, retry=1, rate=RateLimit(60_000_000, burst=50)) as fan:
        assert fan.run(int, range(9)).ok
    assert ran
