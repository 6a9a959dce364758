"""Thousands of calls under retries and a limit, with failures, timeouts and cancels at random: none is lost or doubled.

``THREADFAN_HAMMER=5`` in the environment makes it 20,000.
"""

import asyncio
import os
import random
import threading
import time
from collections import Counter

import pytest

import threadfan
from support.controlled import PATIENCE, aside, meet
from support.counted_limits import CountedLimit
from threadfan import Fan, TaskCancelled, TaskTimeout, task

CALLS = int(4_000 * float(os.environ.get("THREADFAN_HAMMER", "1")))
DRIVERS, SLOTS, RETRIES = 6, 8, 3
TIMEOUT = 3  # seconds; an attempt that naps times out, and no other, even on a machine where all wait for a turn
PER_MINUTE, BURST = 60_000, 50


class Ledger:
    """What each attempt does, drawn in advance, and what was done."""

    def __init__(self, seed):
        chance = random.Random(seed)
        kinds, weights = ("value", "gone", "bug", "exit", "nap"), (892, 80, 15, 10, 3)
        self.plan = [chance.choices(kinds, weights, k=RETRIES + 1) for _ in range(CALLS)]
        self.starts = Counter()
        self.values = Counter()
        self._lock = threading.Lock()

    def call(self, item):
        """The function that every way calls."""
        with self._lock:
            kind = self.plan[item][self.starts[item]]
            self.starts[item] += 1
            self.values[item] += kind == "value"
        if kind == "gone":
            raise ConnectionError(item)
        if kind == "bug":
            raise ValueError(item)
        if kind == "exit":
            raise (SystemExit, KeyboardInterrupt)[item % 2](item)
        if kind == "nap":
            while not threadfan.current_scope().cancelled:
                time.sleep(0.05)
            time.sleep(0.1)  # longer than anybody waits for it
            raise threadfan.CallCancelled
        return 2 * item + 1

    def expected(self, item):
        """The kinds of the attempts that are made if nobody cancels."""
        for number, kind in enumerate(self.plan[item]):
            if kind not in ("gone", "nap"):
                return self.plan[item][: number + 1]
        return self.plan[item]

    def check(self, item, status, value, error, *, may_cancel=False):
        """An outcome is one that the item can have."""
        last = self.expected(item)[-1]
        if may_cancel and status != "succeeded":
            return
        if status == "succeeded":
            assert last == "value"
            assert value == 2 * item + 1
        elif status == "failed":
            assert last in ("gone", "bug", "exit")
            assert error.args == (item,)
        elif status == "timed_out":
            assert isinstance(error, TaskTimeout)
        else:
            raise AssertionError((item, status, error))

    def check_first_failure(self, error, report):
        """What a batch that failed fast has raised is the error of one of its calls."""
        alike = [outcome.error for outcome in report.failed if type(outcome.error) is type(error)]
        assert any(one.args == error.args for one in alike)

    def check_outcomes(self, items, outcomes, *, may_cancel=False):
        """Each item has exactly one outcome, its own, with as many attempts as were made."""
        outcomes = sorted(outcomes, key=lambda outcome: outcome.index)
        assert [outcome.index for outcome in outcomes] == list(range(len(items)))
        for item, outcome in zip(items, outcomes, strict=True):
            assert outcome.item == item
            assert outcome.attempts == self.starts[item] or (may_cancel and outcome.attempts <= RETRIES + 1)
            self.check(item, outcome.status, outcome.value, outcome.error, may_cancel=may_cancel)


class Driver:
    """One thread that hands its share of the items in, by ways chosen at random."""

    def __init__(self, fan, ledger, items, seed):
        self.fan = fan
        self.ledger = ledger
        self.items = items
        self.chance = random.Random(seed)

    def drive(self):
        """Hand all items in, in portions."""
        ways = [self.run, self.run_lazily, self.fail_fast, self.deadline, self.map, self.stream, self.close_stream,
                self.submit, self.gather, self.arun, self.calls]  # fmt: skip
        rest = list(self.items)
        while rest:
            size = int(10 ** self.chance.uniform(0, 2.3))
            portion, rest = rest[:size], rest[size:]
            self.chance.choice(ways)(portion)

    def run(self, items):
        """All at hand."""
        self.ledger.check_outcomes(items, self.fan.run(self.ledger.call, items))

    def run_lazily(self, items):
        """Fed one by one."""
        self.ledger.check_outcomes(items, self.fan.run(self.ledger.call, iter(items)))

    def fail_fast(self, items):
        """The first failure cancels the rest."""
        try:
            report = self.fan.run(self.ledger.call, items, fail_fast=True)
        except BaseException as error:
            if not hasattr(error, "report"):
                raise
            report = error.report
            self.ledger.check_first_failure(error, report)
        self.ledger.check_outcomes(items, report, may_cancel=True)

    def deadline(self, items):
        """Time runs out somewhere in the batch."""
        report = self.fan.run(self.ledger.call, items, deadline=self.chance.uniform(0.0001, 0.1))
        self.ledger.check_outcomes(items, report, may_cancel=True)

    def map(self, items):
        """``map`` ends at the first error; the rest still runs."""
        got = []
        try:
            for value in self.fan.map(self.ledger.call, items, buffersize=self.chance.choice([None, 1, 7])):
                got.append(value)  # noqa: PERF402 -- what came before an error counts
        except BaseException as error:
            item = items[len(got)]
            self.ledger.check(item, "timed_out" if isinstance(error, TaskTimeout) else "failed", None, error)
        else:
            assert len(got) == len(items)
        assert got == [2 * item + 1 for item in items[: len(got)]]

    def stream(self, items):
        """To the end, in either order."""
        ordered, window = self.chance.random() < 0.5, self.chance.choice([None, 1, 2, 5])
        outcomes = list(self.fan.stream(self.ledger.call, iter(items), ordered=ordered, window=window))
        self.ledger.check_outcomes(items, outcomes)

    def close_stream(self, items):
        """Left early."""
        wanted, seen = self.chance.randrange(len(items)) + 1, set()
        stream = self.fan.stream(self.ledger.call, items, window=self.chance.choice([None, 3]))
        for outcome in stream:
            assert outcome.index not in seen
            seen.add(outcome.index)
            self.ledger.check(outcome.item, outcome.status, outcome.value, outcome.error)
            if len(seen) == wanted:
                stream.close()

    def submit(self, items):
        """Single calls, some of them cancelled now or a little later, wherever they are then."""
        futures = {self.fan.submit(self.ledger.call, item): item for item in items}
        unwanted = {future for future in futures if self.chance.random() < 0.2}
        dropped = {future for future in unwanted if self.chance.random() < 0.5 and future.cancel()}
        time.sleep(0.001)
        dropped |= {future for future in unwanted if future.cancel()}
        assert threadfan.wait(futures, PATIENCE).done == set(futures)
        for future, item in futures.items():
            try:
                status, value, error = "succeeded", future.result(0), None
            except threadfan.CancelledError:
                assert future in unwanted
                continue
            except TaskTimeout as problem:
                status, value, error = "timed_out", None, problem
            except BaseException as problem:
                status, value, error = "failed", None, problem
            assert future not in dropped
            self.ledger.check(item, status, value, error, may_cancel=future in unwanted)

    def gather(self, items):
        """As different functions, some of them under a policy of their own."""
        tasks = [task(self.ledger.call, item) for item in items]
        tasks = [one.with_options(retry={Exception: 0}) if self.chance.random() < 0.3 else one for one in tasks]
        report = self.fan.gather(*tasks)
        for item, outcome in zip(items, report, strict=True):
            assert outcome.attempts == self.ledger.starts[item]
            self.ledger.check(item, outcome.status, outcome.value, outcome.error, may_cancel=True)

    def arun(self, items):
        """A batch awaited in an event loop of this thread's."""
        self.ledger.check_outcomes(items, asyncio.run(self.fan.arun(self.ledger.call, items)))

    def calls(self, items):
        """Single calls awaited in an event loop, some of them cancelled now or a little later."""
        # An event loop lets KeyboardInterrupt and SystemExit through, and a future of its cannot hold them.
        plain = [item for item in items if "exit" not in self.ledger.plan[item]]

        async def main():
            futures = [self.fan.call(self.ledger.call, item) for item in plain]
            cancelled = [self.chance.random() < 0.1 and future.cancel() for future in futures]
            await asyncio.sleep(0.001)
            cancelled = [before or (self.chance.random() < 0.1 and future.cancel())
                         for before, future in zip(cancelled, futures, strict=True)]  # fmt: skip
            return cancelled, await asyncio.gather(*futures, return_exceptions=True)

        for item, cancelled, result in zip(plain, *asyncio.run(main()), strict=True):
            if cancelled:
                assert isinstance(result, asyncio.CancelledError)
            elif isinstance(result, BaseException):
                assert not isinstance(result, TaskCancelled)
                self.ledger.check(item, "timed_out" if isinstance(result, TaskTimeout) else "failed", None, result)
            else:
                self.ledger.check(item, "succeeded", result, None)


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_doubled_under_policies(seed, eager_switching, monkeypatch):
    """Six threads hand calls in by eleven ways to two fans under one limit: each ends once, none after a value."""
    draw = random.Random(seed).random
    monkeypatch.setattr(random, "random", lambda: draw() / 50)
    ledger, limit = Ledger(seed), CountedLimit(PER_MINUTE, burst=BURST)
    with (
        Fan(SLOTS, timeout=TIMEOUT, retry=RETRIES, rate=limit, max_abandoned=1000) as one,
        Fan(SLOTS, timeout=TIMEOUT, retry=RETRIES, rate=limit, max_abandoned=1000) as other,
    ):
        drivers = [
            Driver(
                (one, other, one.with_options(max_concurrent=3))[number % 3],
                ledger,
                range(number, CALLS, DRIVERS),
                number,
            )
            for number in range(DRIVERS)
        ]
        for result in [aside(driver.drive) for driver in drivers]:
            result.result(100)
        for fan in (one, other):
            meet(fan.with_options(timeout=None, retry=None, rate=None), SLOTS)
    for fan in (one, other):
        figures = fan.snapshot()
        assert (figures["queued"], figures["running"], figures["waiting"]) == (0, 0, 0)
    assert max(ledger.values.values()) == 1
    assert max(ledger.starts.values()) <= RETRIES + 1
    assert (limit.in_flight, limit.waitlist._waiting) == (0, {})
    assert sum(ledger.starts.values()) <= len(limit.taken)
    assert limit.taken == sorted(limit.taken)
    for place in range(0, len(limit.taken) - 200, 50):
        assert limit.taken[place + 200] - limit.taken[place] >= (200 - BURST) * 60 / PER_MINUTE
