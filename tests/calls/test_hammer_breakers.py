"""Thousands of calls of a service that comes and goes, under a breaker of two fans: none is lost or slips through.

``THREADFAN_HAMMER=5`` in the environment makes it 20,000.
"""

import asyncio
import os
import random
import threading
import time

import threadfan
from support.controlled import PATIENCE, aside, meet
from support.counted_breakers import CountedBreaker
from threadfan import BreakerOpen, Fan, Hedge, RateLimit, TaskCancelled

CALLS = int(4_000 * float(os.environ.get("THREADFAN_HAMMER", "1")))
DRIVERS, SLOTS = 4, 4
RECOVERY = 0.005


class Service:
    """Up or down, at random; knows how often it was asked."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.up = True
        self.asked = 0
        self._lock = threading.Lock()

    def __call__(self, item):
        """One request."""
        with self._lock:
            self.asked += 1
            luck = self.chance.random()
            if luck < 0.01:
                self.up = not self.up
            up = self.up
        if luck > 0.99:
            raise ValueError(item)
        if luck > 0.98:
            time.sleep(0.01)
        if luck > 0.975:
            raise threadfan.CallCancelled
        if not up:
            raise ConnectionError(item)
        return 2 * item + 1


def check(item, outcome):
    """An outcome is one that the item can have."""
    if outcome.ok:
        assert outcome.value == 2 * item + 1
    elif outcome.status == "failed":
        assert isinstance(outcome.error, (BreakerOpen, ConnectionError, ValueError))
    else:
        assert outcome.status in ("cancelled", "timed_out")


def drive(fan, service, items, seed):
    """Hand all items in, in portions, by ways chosen at random."""
    chance, rest = random.Random(seed), list(items)
    while rest:
        size = int(10 ** chance.uniform(0, 2))
        portion, rest = rest[:size], rest[size:]
        way = chance.choice(["run", "stream", "fed", "gather", "arun", "submit", "close", "pipeline"])
        if way == "submit":
            futures = {fan.submit(service, item): item for item in portion}
            unwanted = [future for future in futures if chance.random() < 0.2 and future.cancel()]
            assert threadfan.wait(futures, PATIENCE).done == set(futures)
            for future, item in futures.items():
                if future not in unwanted and not future.cancelled():
                    error = future.exception(0)
                    assert error is None or isinstance(error, (BreakerOpen, ConnectionError, ValueError, TaskCancelled))
                    assert error is not None or future.result() == 2 * item + 1
            continue
        if way == "close":
            stream = fan.stream(service, portion, window=3)
            first = next(stream)
            check(first.item, first)
            stream.close()
            continue
        outcomes = {
            "run": lambda portion: fan.run(service, portion),
            "fed": lambda portion: fan.run(service, iter(portion)),
            "stream": lambda portion: sorted(fan.stream(service, iter(portion)), key=lambda one: one.index),
            "gather": lambda portion: fan.gather(*(threadfan.task(service, item) for item in portion)),
            "arun": lambda portion: asyncio.run(fan.arun(service, portion)),
            "pipeline": lambda portion: fan.pipeline(service).run(portion),
        }[way](portion)
        assert len(outcomes) == len(portion)
        for item, outcome in zip(portion, outcomes, strict=True):
            check(item, outcome)


def test_none_is_lost_and_none_slips_through(eager_switching):
    """Each call has one end, each pass one word, and the service is asked by nobody without one."""
    service, breaker = Service(1), CountedBreaker(3, RECOVERY)
    limit, hedge = RateLimit(6_000_000, burst=50), Hedge(after=0.002, budget=0.5)
    with Fan(SLOTS, breaker=breaker, timeout=5) as first, Fan(SLOTS) as second:
        views = [
            first,
            first.with_options(retry=3),
            second.with_options(breaker=breaker, rate=limit, retry=2),
            second.with_options(breaker=breaker, hedge=hedge, timeout=5),
        ]
        share = CALLS // DRIVERS
        driving = [
            aside(drive, views[number % 4], service, range(number * share, (number + 1) * share), number)
            for number in range(DRIVERS)
        ]
        for one in driving:
            one.result(10 * PATIENCE)
        meet(first.with_options(breaker=None, retry=None), SLOTS)
        meet(second, SLOTS)
        assert not breaker.violations
        assert breaker.given == breaker.told
        assert service.asked <= breaker.given
        assert breaker.trials == sorted(breaker.trials)
        service.chance = random.Random(0)
        service.chance.random = lambda: 0.5
        service.up = True
        while first.submit(service, 1).exception(PATIENCE) is not None:
            pass
        assert breaker.state == "closed"
        assert first.run(service, range(100)).ok
    assert breaker.given == breaker.told
