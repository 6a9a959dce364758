"""Limits shared between processes, as calls meet them: in time, fairly, and without a call lost."""

import logging
import os
import shutil
import signal
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, run_program, until, until_cancelled
from support.shared_limits import Worker, redis_server
from threadfan import Fan
from threadfan._core.base.errors import FanClosed, TaskTimeout
from threadfan._core.calls import answers, attempts
from threadfan._core.limits import shared_waitlist as sharing
from threadfan._core.limits import store_link, ticks
from threadfan._core.limits.request_end import RequestEnd
from threadfan._core.limits.waitlists import waitlist_of
from threadfan._core.policies.rate_limit import RateLimit
from threadfan._core.scope.scope import current_scope
from threadfan.testing import Limits, MessagesServer, Probe

HOUR = 3600.0


class Others:
    """A store of which a test says what it answers: waits in turn, then 0; an exception is raised."""

    def __init__(self, *answers, while_asked=lambda: None):
        self.answers = list(answers)
        self.while_asked = while_asked
        self.asked = 0
        self.told = []
        self.pauses, self.lacking = 0, HOUR

    def reach(self):
        """It is there."""

    def take(self, spacing, capacity):
        """What the test has said."""
        self.asked += 1
        self.while_asked()
        answer = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, seconds, bucket=None):
        """Note it."""
        self.told.append(seconds)


@pytest.fixture
def shared(monkeypatch):
    """Makes a limit that is shared through a store that the test has made."""

    def make(store, **limit):
        monkeypatch.setattr(sharing, "store_at", lambda place, name: store)
        for module in (store_link, attempts, answers):
            # a thread that is kept from running for long is no store that stalls
            monkeypatch.setattr(module, "STALL", HOUR)
        return RateLimit(limit.pop("per_minute", 60_000), shared="redis://nowhere", burst=limit.pop("burst", 100))

    return make


# -- several processes -------------------------------------------------------------------------------------------------


def test_two_processes_stay_under_one_limit(place):
    """All calls of both succeed, none is refused, and neither had to wait until the other was through."""
    limits = Limits(requests_per_minute=1200, burst=8)
    pytest.importorskip("uvicorn")
    with MessagesServer(limits=limits) as server:
        options = {"items": 30, "per_minute": 1200, "burst": 4}
        with Worker(server.url, place, **options) as first, Worker(server.url, place, **options) as second:
            first.go()
            second.go()
            first.wait_for(10)
            second.wait_for(10)
            assert server.stats().accepted < 60
            assert [first.result(), second.result()] == [{"succeeded": 30, "overloads": 0}] * 2
        stats = server.stats()
    assert (stats.accepted, stats.refused) == (60, 0)


def test_a_killed_process_gives_its_share_free(place):
    """The other one ends all its calls, at the limit."""
    limits = Limits(requests_per_minute=1200, burst=8)
    pytest.importorskip("uvicorn")
    with MessagesServer(limits=limits) as server:
        options = {"items": 30, "per_minute": 1200, "burst": 4}
        with Worker(server.url, place, **options) as first, Worker(server.url, place, **options) as second:
            first.go()
            second.go()
            first.wait_for(5)
            first.kill()
            assert second.result() == {"succeeded": 30, "overloads": 0}
        assert server.stats().refused == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_children_share_with_their_parent(place):
    """A limit that was in use before the fork counts for both; each makes a fan of its own."""
    program = f"""
import os
from threadfan import Fan
from threadfan._core.policies.rate_limit import RateLimit
limit = RateLimit(0.5, burst=9, shared={place!r})  # a bucket of eight and a half; the ninth would take a minute
with Fan(3, rate=limit) as fan:
    fan.run(abs, range(3)).unwrap()
child = os.fork()
with Fan(3, rate=limit) as fan:
    fan.run(abs, range(3 if child else 2)).unwrap()
if not child:
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
left = limit.waitlist._store.take(*limit.bucket)
assert left > 1, left
"""
    run_program(program)


# -- one of them -------------------------------------------------------------------------------------------------------


def test_a_refused_call_waits_and_holds_no_slot(shared):
    """What the others leave no room for goes back to its place; a call that needs no permit has the slot meanwhile."""
    store = Others(HOUR)
    with Fan(1, rate=shared(store)) as fan:
        waiting = fan.submit(abs, -1)
        until(lambda: store.asked == 1)
        assert fan.with_options(rate=None).submit(abs, -2).result(PATIENCE) == 2
        assert not waiting.done()
        fan.shutdown(cancel_futures=True)
    assert waiting.cancelled()


def test_refused_calls_come_again(shared):
    """Every item is called once, however often it was refused."""
    called = []
    store = Others(*[0.001, 0.0, 0.002] * 20)
    with Fan(4, rate=shared(store)) as fan:
        report = fan.run(lambda item: called.append(item) or item, range(40))
    assert report.values() == list(range(40))
    assert sorted(called) == list(range(40))
    assert store.asked == 80


def test_the_limit_is_whole_after_refusals(shared):
    """Void permits are given back: none is in flight, and none is missing from the bucket."""
    limit = shared(Others(*[0.001] * 30), per_minute=60 / HOUR, burst=10)
    with Fan(4, rate=limit) as fan:
        assert fan.run(abs, range(4)).values() == [0, 1, 2, 3]
    assert limit.in_flight == 0
    assert 5.4 <= limit.buckets.of_requests.level(Probe(fan).clock.monotonic()) <= 6.1


def test_a_batch_that_ends_meanwhile_is_complete(shared):
    """Calls that are refused when their batch is over are cancelled, not lost."""
    asked, go_on = threading.Event(), threading.Event()
    store = Others(*[HOUR] * 9, while_asked=lambda: (asked.set(), go_on.wait(PATIENCE)))
    with Fan(2, rate=shared(store)) as fan:
        running = aside(fan.run, abs, range(5))
        assert asked.wait(PATIENCE)
        fan.shutdown(wait=False, cancel_futures=True)
        go_on.set()
        error = running.exception(PATIENCE)
    assert isinstance(error, FanClosed)
    assert [outcome.status for outcome in error.report] == ["cancelled"] * 5


def test_every_request_of_a_call_is_counted(shared):
    """The first with the permit of the call, each further one with its own, asked for until it is granted."""
    store = Others(0.0, 0.001, 0.0, 0.001, 0.001, 0.0)

    def three_requests():
        permits = current_scope().permits
        for _ in range(3):
            permits.end(permits.begin(), 200, None)

    limit = shared(store, per_minute=1)  # a call that begins within a minute has the permit that it was given
    with Fan(1, rate=limit) as fan:
        fan.submit(three_requests).result(PATIENCE)
    assert (store.asked, limit.in_flight) == (6, 0)


# -- when requests are written -----------------------------------------------------------------------------------------


class Written(Others):
    """A store that has others come before the next request of this process when the test says so."""

    def __init__(self):
        super().__init__()
        self.busy = False
        self.late, self.spacings = [], []
        self.lacking = 0.0

    def take(self, spacing, capacity):
        """Others come first as long as it is busy."""
        self.asked += 1
        self.spacings.append(spacing)
        return 0.001 if self.busy else 0.0

    def left(self, spacing, capacity, late):
        """Note it."""
        self.late.append(late)


def request():
    """What an attached client does in a call."""
    permits = current_scope().permits
    counted = permits.begin()
    permits.sent()
    permits.end(counted, 200, None)


def test_requests_of_attached_clients_count_when_they_are_written(shared):
    """The first is counted before anybody knows, each later one when it is about to leave: its start asks nobody."""
    store, begun = Written(), []

    def call(number):
        begun.append((number, store.asked))
        request()
        return store.asked

    with Fan(1, rate=shared(store)) as fan:
        asked = fan.run(call, range(3)).values()
    first = asked[0]
    assert first in (1, 2)  # once more if it has come to write long after its start
    assert asked == [first, first + 1, first + 2]
    assert begun == [(0, 1), (1, first), (2, first + 1)]


def test_few_calls_wait_until_they_may_write(shared):
    """While others come first, two have begun and hold their slots; the rest is queued, and other calls go on."""
    store, begun = Written(), Gate()

    def call(number):
        begun(number)
        request()

    limit = shared(store)
    with Fan(8, rate=limit) as fan, begun:
        begun.open()
        fan.submit(call, 0).result(PATIENCE)
        store.busy = True
        running = aside(fan.run, call, range(1, 7))
        until(lambda: len(limit.waitlist._departing) == sharing.AHEAD)
        asked = store.asked
        until(lambda: store.asked > asked + 20)
        assert len(begun.started) == 1 + sharing.AHEAD
        assert fan.with_options(rate=None).submit(abs, -2).result(PATIENCE) == 2
        store.busy = False
        assert running.result(PATIENCE).ok
    assert (limit.waitlist._departing, limit.in_flight) == ({}, 0)


def test_a_call_that_tells_of_no_request_counts_when_it_starts(shared):
    """Once one has ended well without a request, starts are what is counted, though other calls tell of theirs."""
    store = Written()
    with Fan(1, rate=shared(store)) as fan:
        fan.submit(request).result(PATIENCE)
        fan.submit(abs, -1).result(PATIENCE)
        asked = store.asked
        assert fan.run(abs, range(3)).ok
    assert store.asked == asked + 3


def test_a_request_that_is_written_late_is_told(shared, clock):
    """All processes have to know, as the distance to the next one counts from there; what is usual is not told."""
    store = Written()

    def call(seconds):
        permits = current_scope().permits
        counted = permits.begin()
        clock.advance(seconds)
        permits.sent()
        permits.end(counted, 200, None)

    with Fan(1, rate=shared(store)) as fan:
        for seconds in (0.0, 0.25, 0.0001):
            fan.submit(call, seconds).result(PATIENCE)
            clock.advance(1.0)
    assert store.late == [0.25]


@pytest.mark.parametrize(("burst", "margin"), [(1, sharing.NEW_MARGIN), (10, 0.0)])
def test_the_first_requests_keep_the_next_ones_further_away(shared, burst, margin):
    """Their connections are new, so they arrive later than those that follow; a burst takes that up."""
    store = Written()
    limit = shared(store, burst=burst, per_minute=6_000_000)
    with Fan(1, rate=limit) as fan:
        assert fan.run(lambda _: request(), range(20)).ok
    first, last = store.spacings[1 : sharing.NEW], store.spacings[-1]
    assert first == pytest.approx(
        [last * (1 + margin)] * (sharing.NEW - 1), rel=0.03
    )  # the margin sinks a little meanwhile


def test_what_one_process_is_refused_for_all_learn_from(shared):
    """Each goes slower by as much as the one that was refused, once for each refusal, and not for its own twice."""
    store = Written()
    limit = shared(store, burst=1, per_minute=6_000_000)
    with Fan(1, rate=limit) as fan:
        assert fan.run(abs, range(2)).ok
        before = limit.bucket[0]
        store.pauses = 1
        assert fan.run(abs, range(2)).ok
        learned = limit.bucket[0]
        line = waitlist_of(limit)
        permits = []
        until(lambda: permits.append(line.take(Nobody(), None, Probe(fan).clock)) or permits[-1])
        line.note(permits[-1], Probe(fan).clock, RequestEnd("overloaded", retry_after=0.001))
        own = limit.bucket[0]
        until(lambda: store.told)
        store.pauses = 2
        assert fan.run(abs, range(2)).ok
    assert before < learned < own
    assert limit.bucket[0] == pytest.approx(own, rel=0.01)


def test_a_store_that_hangs_holds_up_one_slot(shared):
    """Neither other calls, nor figures, nor alarms wait for it."""
    gate = Gate()
    store = Others(while_asked=gate)
    with Fan(2, rate=shared(store)) as fan, gate:
        slow = fan.submit(abs, -1)
        gate.wait_for(1)
        free = fan.with_options(rate=None)
        assert free.submit(abs, -2).result(PATIENCE) == 2
        assert isinstance(free.with_options(timeout=0.01).submit(until_cancelled).exception(PATIENCE), TaskTimeout)
        until(lambda: fan.snapshot()["abandoned"] == 0)
        assert fan.snapshot()["queued"] <= 1
        gate.open()
        assert slow.result(PATIENCE) == 1


# -- pauses ------------------------------------------------------------------------------------------------------------


def test_a_pause_reaches_the_other_processes(place, clock):
    """One is refused for half an hour: the other starts nothing in that time."""
    first, second = (waitlist_of(RateLimit(600, shared=place)) for _ in range(2))
    permit = first.take(Nobody(), None, clock)
    first.note(permit, clock, RequestEnd("overloaded", retry_after=HOUR / 2))
    clock.advance(0.0)
    until(lambda: second._store.take(0.001, 100) > 60)
    assert not second.confirm(second.take(Nobody(), None, clock), clock)
    assert second.limit.wait(clock.monotonic(), second.limit.cost()) == pytest.approx(HOUR / 2, abs=60)


def test_a_pause_is_told_once(shared):
    """Refusals of requests that were under way make no second one."""
    store = Others()
    line = waitlist_of(shared(store))
    with Fan(1) as fan:
        clock = Probe(fan).clock
        permits = [line.take(Nobody(), None, clock) for _ in range(3)]
        for permit in permits:
            line.note(permit, clock, RequestEnd("overloaded", retry_after=5.0))
        until(lambda: store.told)
    assert [round(seconds) for seconds in store.told] == [5]


class Nobody:
    """Who stands in line and is never there."""

    def can_start(self):
        """Never."""
        return False

    def invite(self):
        """Nothing happens."""


# -- a store that is lost ----------------------------------------------------------------------------------------------


def test_without_its_store_each_process_goes_on(shared, caplog):
    """An error costs no call and one warning; the store is asked again after a while, and its return is told."""
    now = 100.0

    class Clock:
        monotonic = staticmethod(lambda: now)

    store = Others(ConnectionError("gone"), ConnectionError("gone"), 0.0, 0.0)
    line = waitlist_of(shared(store))
    for later, asked in ((0.0, 1), (store_link.AGAIN - 1, 1), (2.0, 2), (store_link.AGAIN, 3), (0.0, 4)):
        now += later
        assert line.confirm(line.take(Nobody(), None, Clock), Clock)
        assert store.asked == asked
    gone, back = caplog.records
    assert gone.levelno == logging.WARNING
    assert "does not answer (ConnectionError: gone); until it does, each process keeps" in gone.message
    assert "answers again" in back.message


def test_a_file_that_vanishes_loses_no_call(tmp_path, caplog):
    """The folder is removed between two batches."""
    (tmp_path / "below").mkdir()
    with Fan(4, rate=RateLimit(60_000, shared=f"sqlite:///{tmp_path}/below/limits.db", burst=50)) as fan:
        assert fan.run(abs, range(5)).values() == list(range(5))
        shutil.rmtree(tmp_path / "below")
        assert fan.run(abs, range(5)).values() == list(range(5))
    assert "unable to open database file" in caplog.text


def test_a_redis_that_hangs_loses_no_call(tmp_path, caplog, monkeypatch):
    """The server is stopped between two batches; when it goes on, it is asked again."""
    monkeypatch.setattr(ticks, "PATIENCE", 0.2)
    monkeypatch.setattr(store_link, "AGAIN", 0.1)
    with redis_server(tmp_path) as (url, process), Fan(4, rate=RateLimit(60_000, burst=50, shared=url)) as fan:
        process.send_signal(signal.SIGSTOP)
        try:
            assert fan.run(abs, range(5)).values() == list(range(5))
        finally:
            process.send_signal(signal.SIGCONT)
        until(lambda: fan.run(abs, range(5)).ok and "answers again" in caplog.text)
    assert "does not answer (TimeoutError" in caplog.text


def test_a_redis_that_dies_loses_no_call(tmp_path, caplog):
    """The server is killed between two batches."""
    with redis_server(tmp_path) as (url, process), Fan(4, rate=RateLimit(60_000, shared=url, burst=50)) as fan:
        assert fan.run(abs, range(5)).values() == list(range(5))
        process.kill()
        process.wait()
        assert fan.run(abs, range(5)).values() == list(range(5))
    assert "each process keeps to the limit for itself" in caplog.text
