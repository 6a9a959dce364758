"""Calls by every way, with failures, timeouts, cancels and second attempts at random: each attempt is one span, once.

``THREADFAN_HAMMER=5`` in the environment makes it 5,000.
"""

import asyncio
import logging
import os
import random
import threading
from collections import Counter

import threadfan
from support.controlled import PATIENCE, aside, until
from threadfan import Fan, Hedge, RateLimit, task

CALLS = int(1_000 * float(os.environ.get("THREADFAN_HAMMER", "1")))
DRIVERS, SLOTS = 4, 4
AROUND = {"batch Calls", "batch gather", "batch pipeline(Calls)", "driver"}


class Calls:
    """What is called; knows how often each item was."""

    def __init__(self, tracer):
        self.starts = Counter()
        self._tracer = tracer
        self._lock = threading.Lock()

    def __call__(self, item):
        """One attempt."""
        with self._lock:
            self.starts[item] += 1
        luck = random.Random(item * 100 + self.starts[item]).random()
        with self._tracer.start_as_current_span("inside", attributes={"item": item}):
            if luck < 0.1:
                raise ConnectionError(item)
            if luck < 0.15:
                raise ValueError(item)
            if luck < 0.2:
                threadfan.sleep(0.05)
        return item


def drive(fan, call, items, seed, tracer):
    """Hand all items in, in portions, by ways chosen at random, each inside a span of its own."""
    chance, rest = random.Random(seed), list(items)
    while rest:
        size = int(10 ** chance.uniform(0, 1.7))
        portion, rest = rest[:size], rest[size:]
        way = chance.choice(["run", "fed", "stream", "gather", "arun", "submit", "close", "pipeline"])
        with tracer.start_as_current_span("driver"):
            if way == "submit":
                futures = [fan.submit(call, item) for item in portion]
                for future in futures[::5]:
                    future.cancel()
                assert threadfan.wait(futures, PATIENCE).not_done == set()
            elif way == "close":
                stream = fan.stream(call, portion, window=3)
                next(stream)
                stream.close()
            else:
                {
                    "run": lambda portion: fan.run(call, portion),
                    "fed": lambda portion: fan.run(call, iter(portion)),
                    "stream": lambda portion: list(fan.stream(call, iter(portion))),
                    "gather": lambda portion: fan.gather(*(task(call, item) for item in portion)),
                    "arun": lambda portion: asyncio.run(fan.arun(call, portion)),
                    "pipeline": lambda portion: fan.pipeline(call).run(portion),
                }[way](portion)


def test_each_attempt_is_one_span(spans, caplog, eager_switching):
    """It is inside its batch or the driver, holds what the attempt does, and is linked to others of its call."""
    call = Calls(spans.tracer)
    with caplog.at_level(logging.WARNING, logger="opentelemetry"), Fan(SLOTS, timeout=5, name="hammer") as fan:
        views = [
            fan,
            fan.with_options(retry=3),
            fan.with_options(rate=RateLimit(6_000_000, burst=50), retry=2, timeout=0.03),
            fan.with_options(hedge=Hedge(after=0.005, budget=1.0)),
        ]
        share = CALLS // DRIVERS
        driving = [
            aside(drive, views[number], call, range(number * share, (number + 1) * share), number, spans.tracer)
            for number in range(DRIVERS)
        ]
        for one in driving:
            one.result(10 * PATIENCE)
        until(lambda: fan.snapshot()["running"] == fan.snapshot()["abandoned"] == 0)
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    everything = {span.context.span_id: span for span in spans.all()}
    attempts = {key: span for key, span in everything.items() if span.name == "Calls"}
    inside = [span for span in everything.values() if span.name == "inside"]
    assert len(inside) == call.starts.total()
    assert Counter(span.attributes["item"] for span in inside) == call.starts
    around = [span.parent.span_id for span in inside if span.parent.span_id in attempts]
    assert len(set(around)) == len(around)  # each is in one of its own
    others = {everything[span.parent.span_id].name for span in inside if span.parent.span_id not in attempts}
    assert others <= AROUND  # those of calls that were over a moment before they began
    assert any(span.links for span in attempts.values())
    for span in attempts.values():
        assert everything[span.parent.span_id].name in AROUND
        assert span.attributes["threadfan.outcome"] in ("succeeded", "failed", "timed_out", "cancelled")
        assert all(link.context.span_id in attempts for link in span.links)
        assert len(span.links) <= 1  # none for some that begin in the moment in which the one before is over
    assert all(everything[span.parent.span_id].name == "driver" for span in everything.values()
               if span.name.startswith("batch "))  # fmt: skip
