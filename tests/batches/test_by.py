"""`by=`: a limit for each key of a batch's inputs, whatever the others do."""

import asyncio
import random
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, Hedge, RateLimit, TaskTimeout

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck in:RuntimeWarning")

OPTIONS = pytest.mark.parametrize("options", [{}, {"retry": 1}], ids=["plain", "policies"])


def key(item):
    """The first of two."""
    return item[0]


class Counting:
    """Calls that count how many of each key run at once."""

    def __init__(self, nap=lambda: None):
        self._lock = threading.Lock()
        self._running = Counter()
        self._nap = nap
        self.most = Counter()

    def __call__(self, item):
        """A call of a key."""
        with self._lock:
            self._running[item[0]] += 1
            self.most[item[0]] = max(self.most[item[0]], self._running[item[0]])
        self._nap()
        with self._lock:
            self._running[item[0]] -= 1
        return item


async def arun(fan, fn, items, **options):
    """An asynchronous one."""
    return await fan.arun(fn, items, **options)


WAYS = {
    "run": lambda fan, fn, items, **options: fan.run(fn, items, **options).unwrap(),
    "fed": lambda fan, fn, items, **options: fan.run(fn, iter(items), **options).unwrap(),
    "start": lambda fan, fn, items, **options: fan.start(fn, iter(items), **options).result().unwrap(),
    "map": lambda fan, fn, items, **options: list(fan.map(fn, items, **options)),
    "stream": lambda fan, fn, items, **options: [
        outcome.unwrap()
        for outcome in sorted(fan.stream(fn, iter(items), **options), key=lambda outcome: outcome.index)
    ],
    "arun": lambda fan, fn, items, **options: asyncio.run(arun(fan, fn, items, **options)).unwrap(),
}


@OPTIONS
@pytest.mark.parametrize("way", WAYS)
def test_one_slow_key_holds_up_nobody(way, options):
    """Those of a full key take no slot: all others are done while it is stuck."""
    slow, others = Gate(), []
    items = [("slow", number) for number in range(10)] + [("key", number) for number in range(50)]

    def one(item):
        if item[0] == "slow":
            return slow(item)
        others.append(item)
        return item

    with Fan(3, **options) as fan, slow:
        found = aside(WAYS[way], fan, one, items, by=key, max_concurrent=2)
        until(lambda: len(others) == 50)
        slow.wait_for(2)
        assert sorted(slow.started) == items[:2]
        assert slow.most == 2
        slow.open()
        assert found.result(PATIENCE) == items
        assert slow.most == 2
    assert sorted(slow.started) == items[:10]


@OPTIONS
@pytest.mark.usefixtures("eager_switching")
def test_calls_of_a_key_start_in_their_order(options):
    """With one at a time, each follows the one before."""
    started = []
    items = [(number % 3, number) for number in range(600)]
    with Fan(8, **options) as fan:
        fan.run(started.append, items, by=key, max_concurrent=1)
        for outcome in fan.stream(started.append, iter(items), by=key, max_concurrent=1):
            assert outcome.ok
    for one in range(3):
        assert [item for item in started if item[0] == one] == 2 * [item for item in items if item[0] == one]


@settings(max_examples=25)
@given(
    keys=st.lists(st.integers(0, 5), max_size=40),
    slots=st.integers(1, 6),
    most=st.integers(1, 3),
    way=st.sampled_from(["run", "fed", "stream"]),
    rate=st.booleans(),
)
def test_no_key_has_more_calls_than_it_may(keys, slots, most, way, rate):
    """Whatever the keys are; and each input has its outcome, at its place, under a limit or not."""
    call = Counting()
    items = [(one, place) for place, one in enumerate(keys)]
    with Fan(slots, rate=RateLimit(6e6, burst=1000) if rate else None) as fan:
        assert WAYS[way](fan, call, items, by=key, max_concurrent=most) == items
    assert all(found <= most for found in call.most.values())


@OPTIONS
@pytest.mark.usefixtures("eager_switching")
def test_hammer(options):
    """Thousands of keys, short calls, and threads that take turns at every moment."""
    call = Counting(nap=lambda: time.sleep(0))
    chance = random.Random(7)
    items = [(chance.randrange(chance.choice([3, 1000])), number) for number in range(2_000)]
    with Fan(8, **options) as fan:
        for way in ("run", "stream"):
            assert WAYS[way](fan, call, items, by=key, max_concurrent=2) == items
    assert set(call.most.values()) <= {1, 2}


@pytest.mark.usefixtures("eager_switching")
def test_a_run_that_meets_new_keys_can_be_reported():
    """Whoever asks meanwhile is told of all that have ended, however the keys become more."""
    call = Counting(nap=lambda: time.sleep(0))
    items = [(number, number) for number in range(3_000)]
    with Fan(4, rate=RateLimit(6e6, burst=10_000)) as fan:
        run = fan.start(call, iter(items), by=key, rate=RateLimit(6e6, burst=10))
        ended = [0]
        while ended[-1] < len(items):
            ended.append(len(run.report()))
        assert run.result(PATIENCE).unwrap() == items
    assert ended == sorted(ended)


@OPTIONS
def test_a_call_whose_time_is_up_gives_its_place_to_the_next(clock, options):
    """Its outcome is final, and it counts no more, although its thread is stuck."""
    gate = Gate()
    with Fan(3, timeout=5, **({"retry": {ConnectionError: 1}} if options else {})) as fan, gate:
        found = aside(fan.run, gate, [("a", 0), ("a", 1), ("a", 2)], by=key, max_concurrent=1)
        for number in range(3):
            gate.wait_for(number + 1)
            clock.wait_for_sleepers(until=5.0 * (number + 1))
            clock.advance(5)
        report = found.result(PATIENCE)
    assert [type(outcome.error) for outcome in report] == [TaskTimeout] * 3


@OPTIONS
def test_one_that_is_held_can_be_cancelled_alone(options):
    """And the others of its key go on; a pause holds all."""
    gate = Gate()
    with Fan(4, **options) as fan, gate:
        run = fan.start(gate, [("a", number) for number in range(4)], by=key, max_concurrent=1)
        gate.wait_for(1)
        assert run.cancel(2)
        assert not run.cancel(2)
        run.pause()
        gate.open()
        until(lambda: len(run.report()) == 2)
        run.resume()
        report = run.result(PATIENCE)
    assert [outcome.status for outcome in report] == ["succeeded", "succeeded", "cancelled", "succeeded"]
    assert [number for _, number in gate.started] == [0, 1, 3]


@OPTIONS
def test_what_is_held_at_the_end_of_the_batch_is_cancelled(options):
    """One deadline for all, and one failure ends all with ``fail_fast``."""

    def fails(item):
        raise ValueError(item)

    items = [("a", number) for number in range(5)]
    with Fan(4, **options) as fan:
        with pytest.raises(ValueError, match="'a'") as caught:
            fan.run(fails, items, by=key, max_concurrent=1, fail_fast=True)
        statuses = [outcome.status for outcome in caught.value.report]
        assert "failed" in statuses
        assert set(statuses) <= {"failed", "cancelled"}
        assert options or statuses == ["failed"] + ["cancelled"] * 4
        gate = Gate()
        with gate:
            run = fan.start(gate, items, by=key, max_concurrent=1)
            gate.wait_for(1)
            run.cancel()
            assert [outcome.status for outcome in run.result(PATIENCE)] == ["cancelled"] * 5
        assert fan.snapshot()["queued"] == fan.snapshot()["waiting"] == 0


def test_a_call_that_backs_off_takes_no_place_of_its_key(clock):
    """The others of its key go on meanwhile, and when it comes back there is one of them at most."""
    call = Counting()
    failed = []

    def one(item):
        call(item)
        if item[1] == 0 and not failed:
            failed.append(item)
            raise ConnectionError("gone")
        return item

    items = [("a", number) for number in range(5)]
    with Fan(4, retry=3) as fan:
        found = aside(fan.run, one, items, by=key, max_concurrent=1)
        until(lambda: fan.snapshot()["done"] == 4)
        assert fan.snapshot()["waiting"] == 1
        clock.wait_for_sleepers()
        clock.advance(60)
        report = found.result(PATIENCE)
    assert report.unwrap() == items
    assert [outcome.attempts for outcome in report] == [2, 1, 1, 1, 1]
    assert call.most == {"a": 1}


def test_second_attempts_count(clock):
    """A hedged call has two of the places of its key while both attempts run."""
    gate = Gate()
    with Fan(4, hedge=Hedge(1.0, budget=1.0)) as fan, gate:
        found = aside(fan.run, gate, [("a", 0), ("a", 1)], by=key, max_concurrent=1)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=1.0)
        clock.advance(2)
        gate.open()
        assert found.result(PATIENCE).unwrap() == [("a", 0), ("a", 1)]
    assert gate.most == 1


def test_each_key_has_a_rate_of_its_own(clock):
    """One a minute for each: the first of both start at once, the second of both after a minute."""
    started = []
    items = [("a", 0), ("b", 1), ("a", 2), ("b", 3)]
    with Fan(4) as fan:
        found = aside(fan.run, started.append, items, by=key, rate=RateLimit(1))
        until(lambda: len(started) == 2)
        assert {item[0] for item in started} == {"a", "b"}
        until(lambda: fan.snapshot()["waiting"] == 2)
        clock.wait_for_sleepers(until=70.0)
        clock.advance(70)
        assert len(found.result(PATIENCE)) == 4
    assert Counter(item[0] for item in started) == {"a": 2, "b": 2}


def test_with_a_journal_what_is_left_is_called_under_its_keys(tmp_path):
    """The inputs that are called again keep their places and their keys."""
    call = Counting(nap=lambda: time.sleep(0))
    items = [[number % 4, number] for number in range(40)]
    path = tmp_path / "run.db"
    with Fan(8) as fan:
        fan.run(call, items[::2], journal=path, version=1)
        report = fan.run(call, items, journal=path, version=1, by=key, max_concurrent=1)
    assert report.unwrap() == items
    assert call.most[1] == call.most[3] == 1


def test_a_limit_of_one_batch_without_keys():
    """It is a limit for the whole batch."""
    gate = Gate()
    with Fan(4) as fan, gate:
        found = aside(fan.run, gate, range(6), max_concurrent=2)
        gate.wait_for(2)
        assert fan.submit(abs, -1).result(PATIENCE) == 1
        gate.open()
        assert found.result(PATIENCE).unwrap() == list(range(6))
    assert gate.most == 2


@OPTIONS
def test_the_wait_for_a_key_counts_as_one_for_a_slot(clock, options):
    """It is for a call of the key to end, and for no limit, under policies too; the advice says which number it is."""
    with Fan(8, **options) as fan:
        report = fan.run(lambda _: clock.advance(1), [("a", number) for number in range(20)], by=key, max_concurrent=1)
    stats = report.stats
    assert stats.wall == 20
    assert (stats.waited_slot, stats.waited_limit, stats.limited) == (190, 0, 0)
    assert stats.advice == "calls waited for max_concurrent=1 of their keys for 95% of the time: raise it"


@pytest.mark.parametrize("most", [None, 2])
def test_the_wait_for_the_rate_of_a_key(most):
    """It counts as one for a limit, and the advice says how many calls the key has whose rate decides."""
    items = [("a", number) for number in range(12)] + [("b", 0)]
    with Fan(8) as fan:
        report = fan.run(lambda _: time.sleep(0.001), items, by=key, max_concurrent=most, rate=RateLimit(1200))
    stats = report.stats
    assert stats.waited_limit > 10 * stats.waited_slot
    assert stats.limited > stats.wall / 2
    assert stats.advice.endswith(
        "went to the rate limit of the keys, of which the one with most calls has 12 of 13: raise it"
    )


def test_what_waits_for_its_limit_does_not_count_for_another_key(clock):
    """Each call waits for what its own key does."""
    with Fan(1) as fan:
        items = [("busy", 0), ("busy", 1), ("busy", 2)]
        report = fan.run(lambda _: clock.advance(1), items, by=key, max_concurrent=1, rate=RateLimit(60_000))
    assert report.stats.waited_limit == 0


def test_what_fails_in_by_ends_the_batch_before_it_begins():
    """Or where the input is taken, with what was done until then."""

    def by(item):
        return 1 // item

    with Fan(2) as fan:
        with pytest.raises(ZeroDivisionError):
            fan.run(abs, [1, 0], by=by, max_concurrent=1)
        with pytest.raises(ZeroDivisionError) as caught:
            fan.run(abs, iter([1, 0]), by=by, max_concurrent=1)
        assert [outcome.item for outcome in caught.value.report] == [1]


@pytest.mark.parametrize("options", [{"max_concurrent": 1}, {"rate": RateLimit(60_000)}])
@pytest.mark.parametrize("kind", [list, iter])
def test_what_fails_in_by_names_its_input(options, kind):
    """The error alone may say nothing of it; passwords are masked."""
    urls = ["http://a.example/", "http://me:hush@[::1/x", "http://b.example/"]

    def host(url):
        return urlsplit(url).netloc

    with Fan(2) as fan, pytest.raises(ValueError, match="Invalid IPv6 URL") as caught:
        fan.run(len, kind(urls), by=host, **options)
    (note,) = [note for note in caught.value.__notes__ if note.startswith("by=")]
    assert note.startswith("by=")
    assert "host raised this for the input 'http://***@[::1/x': what it raises ends the batch" in note
    assert "hush" not in note


def test_a_type_error_from_inside_by_names_its_input():
    """It is by's own, and not told as a wrong ``by``."""
    with Fan(2) as fan, pytest.raises(TypeError, match="unsupported operand") as caught:
        fan.run(str, [1, None, 2], by=lambda item: item + 1, max_concurrent=1)
    assert any("for the input None" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"by": 3, "max_concurrent": 1}, TypeError, "by must be a function"),
        ({"by": key}, TypeError, "neither"),
        ({"by": key, "max_concurrent": 0}, ValueError, "max_concurrent"),
        ({"by": key, "rate": 5}, TypeError, "RateLimit"),
        ({"by": key, "rate": RateLimit(1, shared="sqlite:///x.db")}, ValueError, "shared"),
        ({"by": list, "max_concurrent": 1}, TypeError, "key of a dict"),
    ],
)
def test_what_cannot_be_is_refused(options, error, says):
    """Before anything is called."""
    called = []
    with Fan(2) as fan, pytest.raises(error, match=says):
        fan.run(called.append, [("a", 1)], **options)
    assert called == []
