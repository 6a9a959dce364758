"""100,000 calls by every way in, with failures, timeouts and cancellations at random: nothing is lost or doubled.

``THREADFAN_HAMMER=10`` in the environment makes it ten times as many.
"""

import asyncio
import os
import random
import time
from collections import Counter

import pytest

import threadfan
from support.controlled import PATIENCE, aside, meet
from threadfan import Fan, TaskCancelled, TaskTimeout

CALLS = int(100_000 * float(os.environ.get("THREADFAN_HAMMER", "1")))
DRIVERS = 6
SLOTS = 8
NAP, TIMEOUT = 0.02, 0.004  # seconds; a call that takes a nap times out, unless it is cancelled before


class Ledger:
    """What the calls do, decided by item, and how often each was started."""

    def __init__(self, seed):
        chance = random.Random(seed)
        kinds, weights = ("value", "error", "exit", "nap"), (950, 30, 18, 2)
        self.kinds = chance.choices(kinds, weights, k=CALLS)
        self.starts = []  # append is atomic

    def call(self, item):
        """The function that every way calls."""
        self.starts.append(item)
        kind = self.kinds[item]
        if kind == "error":
            raise ValueError(item)
        if kind == "exit":
            raise (SystemExit, KeyboardInterrupt, GeneratorExit)[item % 3](item)
        if kind == "nap":
            time.sleep(NAP)
        return 2 * item + 1

    def check(self, item, status, value, error, *, may_cancel):
        """An outcome is one that this item can have."""
        if status == "succeeded":
            assert self.kinds[item] in ("value", "nap")
            assert value == 2 * item + 1
        elif status == "failed":
            assert self.kinds[item] in ("error", "exit")
            assert error.args == (item,)
        elif status == "timed_out":  # on a loaded machine it may strike anybody
            assert isinstance(error, TaskTimeout)
        else:
            assert status == "cancelled"
            assert may_cancel
            assert isinstance(error, TaskCancelled)

    def check_first_failure(self, error, report):
        """What a batch that failed fast has raised is the error of one of its calls."""
        alike = [outcome.error for outcome in report.failed if type(outcome.error) is type(error)]
        assert any(one.args == error.args for one in alike)

    def check_outcomes(self, items, outcomes, *, may_cancel=False):
        """Each item has exactly one outcome, its own."""
        outcomes = sorted(outcomes, key=lambda outcome: outcome.index)
        assert [outcome.index for outcome in outcomes] == list(range(len(items)))
        for item, outcome in zip(items, outcomes, strict=True):
            assert outcome.item == item
            self.check(item, outcome.status, outcome.value, outcome.error, may_cancel=may_cancel)


class Driver:
    """One thread that hands its share of the items in, by ways chosen at random."""

    def __init__(self, fan, ledger, items, seed):
        self.fan = fan
        self.ledger = ledger
        self.items = items
        self.chance = random.Random(seed)
        self.used = Counter()

    def drive(self):
        """Hand all items in, in portions."""
        ways = [self.run, self.run_lazily, self.fail_fast, self.deadline, self.map, self.stream, self.close_stream,
                self.start, self.cancel_some, self.submit, self.gather, self.arun, self.calls]  # fmt: skip
        rest = list(self.items)
        while rest:
            size = int(10 ** self.chance.uniform(0, 3))
            portion, rest = rest[:size], rest[size:]
            way = self.chance.choice(ways)
            self.used[way.__name__] += len(portion)
            way(portion)
        return self.used

    def run(self, items):
        """All at hand."""
        self.ledger.check_outcomes(items, self.fan.run(self.ledger.call, items))

    def run_lazily(self, items):
        """Fed one by one."""
        self.ledger.check_outcomes(items, self.fan.run(self.ledger.call, iter(items)))

    def start(self, items):
        """In the background, paused now and then, with a reader."""
        run = self.fan.start(self.ledger.call, items if self.chance.random() < 0.5 else iter(items))
        for _ in range(self.chance.randrange(4)):
            run.pause()
            run.resume()
        self.ledger.check_outcomes(items, run)
        self.ledger.check_outcomes(items, run.result(PATIENCE))

    def cancel_some(self, items):
        """In the background, with some calls cancelled one by one, and sometimes all."""
        run = self.fan.start(self.ledger.call, items)
        wanted = self.chance.sample(range(len(items)), min(len(items), 5))
        cancelled = {index for index in wanted if run.cancel(index)}
        if self.chance.random() < 0.2:
            run.cancel()
        report = run.result(PATIENCE)
        self.ledger.check_outcomes(items, report, may_cancel=True)
        for index in cancelled:  # or it had just ended, when that was said
            assert report[index].status in ("cancelled", "succeeded", "failed", "timed_out")

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
        report = self.fan.run(self.ledger.call, items, deadline=self.chance.uniform(0.00001, 0.002))
        self.ledger.check_outcomes(items, report, may_cancel=True)

    def map(self, items):
        """``map`` ends at the first error; the rest still runs."""
        buffersize = self.chance.choice([None, 1, 7])
        got = []
        try:
            for value in self.fan.map(self.ledger.call, items, buffersize=buffersize):
                got.append(value)  # noqa: PERF402 -- what came before an error counts
        except BaseException as error:
            item = items[len(got)]
            status = "timed_out" if isinstance(error, TaskTimeout) else "failed"
            self.ledger.check(item, status, None, error, may_cancel=False)
        else:
            assert len(got) == len(items)
        assert got == [2 * item + 1 for item in items[: len(got)]]

    def stream(self, items):
        """To the end, in either order."""
        ordered, window = self.chance.random() < 0.5, self.chance.choice([None, 1, 2, 5])
        outcomes = list(self.fan.stream(self.ledger.call, iter(items), ordered=ordered, window=window))
        if ordered:
            assert [outcome.index for outcome in outcomes] == list(range(len(items)))
        self.ledger.check_outcomes(items, outcomes)

    def close_stream(self, items):
        """Left early."""
        wanted = self.chance.randrange(len(items)) + 1
        seen = set()
        stream = self.fan.stream(self.ledger.call, items, window=self.chance.choice([None, 3]))
        for outcome in stream:
            assert outcome.item == items[outcome.index]
            assert outcome.index not in seen
            seen.add(outcome.index)
            self.ledger.check(outcome.item, outcome.status, outcome.value, outcome.error, may_cancel=False)
            if len(seen) == wanted:
                stream.close()
        assert len(seen) == wanted

    def submit(self, items):
        """Single calls, some of them cancelled, waited for in one of three ways."""
        futures = {self.fan.submit(self.ledger.call, item): item for item in items}
        dropped = {future for future in futures if self.chance.random() < 0.1 and future.cancel()}
        way = self.chance.randrange(3)
        if way == 0:
            assert set(threadfan.as_completed(futures, PATIENCE)) == set(futures)
        elif way == 1:
            assert threadfan.wait(futures, PATIENCE).done == set(futures)
        for future, item in futures.items():
            try:
                status, value, error = "succeeded", future.result(PATIENCE), None
            except threadfan.CancelledError:
                assert future in dropped
                continue
            except TaskTimeout as problem:
                status, value, error = "timed_out", None, problem
            except BaseException as problem:
                status, value, error = "failed", None, problem
            assert future not in dropped
            self.ledger.check(item, status, value, error, may_cancel=False)

    def gather(self, items):
        """As different functions."""
        report = self.fan.gather(*(threadfan.task(self.ledger.call, item) for item in items))
        assert len(report) == len(items)
        for item, outcome in zip(items, report, strict=True):
            self.ledger.check(item, outcome.status, outcome.value, outcome.error, may_cancel=False)

    def arun(self, items):
        """A batch awaited in an event loop of this thread's."""
        self.ledger.check_outcomes(items, asyncio.run(self.fan.arun(self.ledger.call, items)))

    def calls(self, items):
        """Single calls awaited in an event loop, some of them cancelled."""
        # An event loop lets KeyboardInterrupt and SystemExit through, and a future of its cannot hold them.
        plain = [item for item in items if self.ledger.kinds[item] != "exit"]

        async def main():
            futures = [self.fan.call(self.ledger.call, item) for item in plain]
            cancelled = [self.chance.random() < 0.1 and future.cancel() for future in futures]
            return cancelled, await asyncio.gather(*futures, return_exceptions=True)

        for item, cancelled, result in zip(plain, *asyncio.run(main()), strict=True):
            if cancelled:
                assert isinstance(result, asyncio.CancelledError)
            elif isinstance(result, BaseException):
                status = "timed_out" if isinstance(result, TaskTimeout) else "failed"
                self.ledger.check(item, status, None, result, may_cancel=False)
            else:
                self.ledger.check(item, "succeeded", result, None, may_cancel=False)


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")  # calls that nap on at the end
@pytest.mark.parametrize("seed", range(1, 6))
def test_nothing_is_lost_or_doubled(seed, eager_switching):
    """Six threads hand 100,000 calls in by thirteen ways: each has one right outcome, and none runs twice."""
    ledger = Ledger(seed)
    with Fan(SLOTS, timeout=TIMEOUT) as fan:
        drivers = [Driver(fan, ledger, range(number, CALLS, DRIVERS), seed + number) for number in range(DRIVERS)]
        results = [aside(driver.drive) for driver in drivers]
        for result in results:
            result.result(100)
        meet(fan.with_options(timeout=None), SLOTS)
        figures = fan.snapshot()
    assert max(Counter(ledger.starts).values()) == 1
    assert (figures["queued"], figures["running"], figures["waiting"]) == (0, 0, 0)
