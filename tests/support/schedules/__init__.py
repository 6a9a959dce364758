"""Deterministic schedules: the engine's threads, one at a time, in an order that a seed says.

A *scenario* is a function of a few threads with what must hold at its end.  ``explore`` runs it under many schedules,
and raises ``Violation`` at the first in which it does not hold, or nobody can go on; its message says how to run that
schedule again (``replay``).
"""

import gc
import logging
import random
from contextlib import contextmanager

from support.collector import without_collector

from . import lines, patching
from .lines import only_where_lines_are_told
from .schedule import Schedule
from .strategies import Pct, RandomWalk, Scripted, Strategy

__all__ = ["Violation", "every", "explore", "harness", "only_where_lines_are_told", "replay"]


class Violation(AssertionError):
    """Something does not hold in a schedule."""


class _Told(logging.Handler):
    """The engine says that something has failed in it."""

    def emit(self, record):
        if Schedule.on is not None and not Schedule.on.given_up:
            error = record.exc_info[1] if record.exc_info else None
            Schedule.on.complain(f"it was logged: {record.getMessage()}", error)


@contextmanager
def harness(*functions, engine=True):
    """A block in which schedules can be run.

    Args:
        functions: of whose lines each is a point of choice, too.
        engine: whether those of the files under test are; else only what is done with locks and gates.
    """
    told, loggers = _Told(logging.ERROR), [logging.getLogger(name) for name in ("concurrent.futures", "threadfan")]
    found = lines.codes(*functions, engine=engine)
    for logger in loggers:
        logger.addHandler(told)
    try:
        with without_collector(freeze=True), patching.patched(), lines.watched(found):
            yield
    finally:
        for logger in loggers:
            logger.removeHandler(told)


def _run(scenario, strategy):
    patching.start_anew()
    schedule = Schedule(strategy)
    schedule.run(scenario, patching.begin)
    return schedule


def _drawn(seed, steps, flies):
    """The strategy of a seed."""
    draw = random.Random(seed)
    flies = draw.choice((0.0, 0.0, 0.3)) if flies else 0.0
    if draw.random() < 0.6:
        return Pct(seed, draw.randint(1, 4), steps, flies)
    return RandomWalk(seed, draw.choice((3, 10, 30, 100, 300)), flies)


def _check(scenario, schedule, token):
    if schedule.fault is not None:
        raise Violation(
            f"{scenario.__name__}: {schedule.fault}\n"
            f"to run this schedule again: THREADFAN_SCHEDULE={token} pytest tests/properties/test_schedules.py\n"
        )


def explore(scenario, count, seed=0, *, flies=False):
    """Run a scenario under ``count`` schedules that are drawn, in a ``harness`` block; gives the steps of all.

    Args:
        seed: of the first; each other has the next.
        flies: whether time may pass at any moment.

    Raises:
        Violation: something does not hold.
    """
    first = _run(scenario, Strategy())
    _check(scenario, first, f"{scenario.__name__}:plain")
    steps, total = first.steps, first.steps
    for number in range(seed, seed + count):
        schedule = _run(scenario, _drawn(number, steps, flies))
        total += schedule.steps
        _check(scenario, schedule, f"{scenario.__name__}:{number}:{steps}")
        if number % 50 == 49:
            gc.collect()
    return total


def every(scenario, departures, most=1_000_000):
    """Run a scenario under every schedule that departs so often at most from the plain order; gives their number.

    Args:
        most: that many at most.
    """
    count, left = 0, [()]
    while left and count < most:
        script = left.pop()
        strategy = Scripted(script)
        schedule = _run(scenario, strategy)
        count += 1
        told = ",".join(f"{step}.{number}" for step, number in script)
        _check(scenario, schedule, f"{scenario.__name__}:={told}")
        if len(script) < departures:
            left += [(*script, (step, number)) for step, others in strategy.choices for number in others]
    return count


def replay(scenario, token, *, flies=False):
    """Run the schedule that a ``Violation`` has named; gives its ``Schedule``.

    Raises:
        Violation: as before.
    """
    _, what, *steps = token.split(":")
    if what == "plain":
        strategy = Strategy()
    elif what.startswith("="):
        pairs = [part.split(".") for part in what[1:].split(",") if part]
        strategy = Scripted([(int(step), int(number)) for step, number in pairs])
    else:
        strategy = _drawn(int(what), int(steps[0]), flies)
    schedule = _run(scenario, strategy)
    _check(scenario, schedule, token)
    return schedule
