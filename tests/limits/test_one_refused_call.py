"""A call that is refused whatever happens, among others that its limit would let through."""

import pytest

from support.scripted import Overload, Script, opened
from threadfan import Fan, RateLimit, stage

SHORT = 0.02  # seconds that a refusal asks for


class Picky(Script):
    """Refuses some items always, and others as often as is written for them."""

    def __init__(self, always, wait=SHORT):
        super().__init__(lambda item: item)
        self.always = always
        self.refusal = Overload(wait)

    def __call__(self, item=0):
        """Make the next attempt for this item."""
        super().__call__(item)
        if item in self.always:
            raise self.refusal
        return item


def in_a_run(fan, fn, items):
    """Inputs that become calls when something happens to them."""
    return fan.run(fn, items)


def with_keys(fan, fn, items):
    """Each key has a limit of its own; here there is one."""
    return fan.run(fn, items, by=lambda _: "host", rate=RateLimit(60_000), max_concurrent=2)


def one_by_one(fan, fn, items):
    """Single calls."""
    futures = [fan.submit(fn, item) for item in items]
    return [future.exception(20) for future in futures]


def through_a_stage(fan, fn, items):
    """A pipeline's."""
    return fan.pipeline(stage(fn, rate=RateLimit(60_000))).run(items)


@pytest.mark.parametrize("always", [{1}, {0, 3}], ids=str)
@pytest.mark.parametrize("way", [in_a_run, with_keys, one_by_one, through_a_stage])
def test_it_costs_the_others_nothing_but_time(way, always):
    """They go out in its place, and after some rounds its refusals use up its own retries."""
    fn = Picky(always)
    rate = RateLimit(60_000) if way in (in_a_run, one_by_one) else None
    with opened(4, retry=1, rate=rate) as fan:
        outcomes = way(fan, fn, range(30))
    errors = outcomes if isinstance(outcomes, list) else [outcome.error for outcome in outcomes]
    assert {place for place, error in enumerate(errors) if error is not None} == always
    assert {type(errors[place]) for place in always} == {Overload}
    assert all(fn.attempts(item) == 1 for item in range(30) if item not in always)
    assert all(fn.attempts(item) < 25 for item in always)


def test_a_limit_that_lets_nobody_through_is_not_asked_more_often(clock):
    """Whichever call is the probe there is one in each pause, until waiting makes no sense."""
    from support.controlled import PATIENCE, aside, until

    fn = Picky(set(range(5)), wait=1)
    with opened(2, rate=RateLimit()) as fan:
        report = aside(fan.run, fn, range(5))
        while not report.done():
            until(lambda: report.done() or clock._asleep(clock.monotonic() + 32))
            clock.advance(32)
        outcomes = report.result(PATIENCE)
    assert not outcomes.succeeded
    assert len(fn.starts) <= 13
    assert sum(type(outcome.error) is Overload for outcome in outcomes) <= 2


def test_a_limit_that_is_passing_fails_nobody():
    """Everything is refused for a while, and then nothing: without any retry all calls have a value."""
    refusals = iter(range(9))

    def call(item):
        if next(refusals, None) is not None:
            raise Overload(SHORT)
        return item

    with Fan(4, rate=RateLimit(60_000)) as fan:
        assert fan.run(call, range(20)).values() == list(range(20))


def test_the_waits_of_one_that_gives_way_are_for_the_limit():
    """And not back-offs, of which the advice would speak."""
    with Fan(4, retry=1, rate=RateLimit(60_000)) as fan:
        outcome = fan.run(Picky({1}), range(30))[1]
    assert outcome.waited_backoff <= outcome.waited_limit
