"""What scenarios are made of."""

import threading
from collections import Counter
from contextlib import contextmanager

from threadfan import Fan

from .schedule import START, Schedule

MOMENT = 0.01
"""Seconds.  Arbitrary: longer than he sleeps who finds a lock taken ``Briefly``, shorter than anybody polls."""

SCENARIOS = {}
"""By name."""


def scenario(function=None, *, flies=False, sleeps=False):
    """A decorator for functions that are to hold under all schedules.

    Args:
        flies: whether time may pass although somebody can run.
        sleeps: whether it has to pass; else nobody is to be woken by the clock alone.
    """
    if function is None:
        return lambda function: scenario(function, flies=flies, sleeps=sleeps)
    function.flies, function.sleeps = flies, sleeps
    SCENARIOS[function.__name__] = function
    return function


def together(*functions):
    """Call each function in a thread of its own; gives what they return, once all have."""
    results = [None] * len(functions)

    def call(place, function):
        results[place] = function()

    threads = [
        threading.Thread(target=call, args=item, name=f"caller {item[0]}", daemon=True) for item in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class Counted:
    """A function that returns what it is given, and counts that."""

    def __init__(self):
        self.calls = Counter()

    def __call__(self, item):
        """Return it."""
        self.calls[item] += 1
        return item


@contextmanager
def settled_fan(*args, late=False, **kwargs):
    """A fan that is closed at the end, and then has nothing left in any of its parts.

    Args:
        late: whether its threads may still be in calls that are over.
    """
    fan, on = Fan(*args, **kwargs), Schedule.on
    with fan:
        yield fan
        if on is not None and not (on.scenario.flies or on.scenario.sleeps):
            assert on.time < START + MOMENT, f"somebody was woken by the clock alone, after {on.time - START:g} s"
    settled(fan, late=late)


def settled(fan, *, late=False):
    """Nothing is left in a fan that was closed and waited for."""
    scheduler = fan._scheduler
    slots, crew = scheduler.slots, scheduler.crew
    with scheduler.lock:
        waiting = {
            "queues that may start calls": [queue for queue in scheduler.run_queue if queue.ready()],
            "calls": [queue for queue in scheduler.queues if queue.pending() or queue.active],
        }
    left = waiting | {
        "slots waking": slots.waking,
        "lenders": slots.lenders,
        "workers that were sent": crew.coming,
        "sessions": scheduler.at_work,
        "lost sessions": [] if late else scheduler.lost,
        "threads": [] if late else [thread for thread in crew.threads if thread.is_alive()],
        "gates": [] if scheduler.dismissed else scheduler.quiet_gates,
    }
    assert not any(left.values()), f"this is left: { {name: found for name, found in left.items() if found} }"
    assert slots.free == slots.total, f"{slots.free} of {slots.total} slots are free"
    figures = fan.snapshot()
    assert figures["queued"] == figures["running"] == figures["waiting"] == 0, figures
    assert late or not figures["abandoned"], figures
