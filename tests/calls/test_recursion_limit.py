"""Calls handed in and waited for near the recursion limit: they are made or refused, and no slot is lost."""

import sys
import time
from concurrent.futures import wait
from functools import partial

import pytest

from support.controlled import PATIENCE, aside, meet, within_patience
from threadfan import Fan


def deep(levels, fn):
    """Call a function so many levels down."""
    return deep(levels - 1, fn) if levels else fn()


@pytest.mark.parametrize("options", [{}, {"timeout": 60}, {"retry": 1}], ids=["plain", "timeout", "retry"])
@pytest.mark.parametrize("warm", [True, False], ids=["parked workers", "no worker"])
def test_submit_near_the_recursion_limit_loses_no_slot(options, warm):
    """At whatever depth the RecursionError falls, all slots serve calls afterwards, and what was accepted is done."""

    def submit_at(fan, levels):
        try:
            return [deep(levels, lambda: fan.submit(abs, -1))]
        except RecursionError:
            return []

    def try_all():
        limit, fan = sys.getrecursionlimit(), Fan(2, **options)
        refused = 0
        for levels in range(limit - 100, limit):
            if warm:
                meet(fan, 2)
            else:
                fan = Fan(2, **options)
            futures = submit_at(fan, levels)
            refused += not futures
            assert [future.result(PATIENCE) for future in futures] in ([1], [])
            meet(fan, 2)
            if not warm:
                fan.shutdown()
        fan.shutdown()
        return refused

    assert 0 < within_patience(try_all) < 100


@pytest.mark.parametrize("wait", ["result", "exception"])
@pytest.mark.parametrize("nested", [True, False], ids=["in a call", "outside"])
def test_a_wait_near_the_recursion_limit_ends(wait, nested):
    """At whatever depth the RecursionError falls, nobody waits for ever, and all slots serve calls afterwards."""

    def try_all(fan):
        limit, refused = sys.getrecursionlimit(), 0
        for levels in range(limit - 100, limit):
            future = fan.submit(time.sleep, 0.002)  # seconds; so that it has not ended before the wait begins
            try:
                deep(levels, lambda: getattr(future, wait)(PATIENCE))  # noqa: B023
            except RecursionError:
                refused += 1
            assert future.result(PATIENCE) is None
        return refused

    with Fan(2) as fan:
        refused = within_patience(fan.submit(try_all, fan).result) if nested else within_patience(try_all, fan)
        assert 0 < refused < 100
        meet(fan, 2)


WAITS = {
    "result": lambda fan: fan.submit(abs, -1).result(PATIENCE),
    "wait": lambda fan: wait([fan.submit(abs, -1)], PATIENCE),
    "run": lambda fan: fan.run(abs, [-1]),
    "gather": lambda fan: fan.gather(int),
}


@pytest.mark.parametrize("act", WAITS.values(), ids=WAITS)
def test_a_call_that_waits_near_the_recursion_limit_loses_no_slot(act):
    """It lends its slot to a thread that is to be started, wholly or not at all."""

    def try_all():
        limit = sys.getrecursionlimit()
        refused = 0
        for levels in range(limit - 100, limit):
            with Fan(1) as fan:
                error = fan.submit(deep, levels, partial(act, fan)).exception(PATIENCE)
                assert error is None or isinstance(error, RecursionError)
                refused += error is not None
                meet(fan, 1)
        return refused

    assert 0 < aside(try_all).result(3 * PATIENCE) < 100
