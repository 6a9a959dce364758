"""Every rule of advice, in a run in which the change is made and helps: the batch is shorter, or less is refused.

Where the change would not help, another one is named or none.
"""

from types import SimpleNamespace

import pytest
import tenacity

from support.controlled import until
from support.simulated_batches import Refused, Server, World
from threadfan import Adaptive, Hedge, RateLimit, stage
from threadfan._core.batches import figures


def each_takes(*args, seconds=1.0, count=40, **options):
    """The report of calls that take equally long; options are those of the fan."""
    with World(*args, **options) as world:
        return world.run(lambda _: world.take(seconds), range(count))


# -- slots -------------------------------------------------------------------------------------------------------------


def test_more_slots():
    """Calls that wait for one of few slots nearly all the time are done in half of the time on twice as many."""
    report = each_takes(4)
    assert report.stats.advice == "calls waited for one of 4 slots for 90% of the time: raise max_workers"
    assert (report.stats.wall, each_takes(8).stats.wall) == (10, 5)
    assert each_takes(40).stats.advice is None


def test_more_slots_before_a_deadline():
    """Calls that were cancelled at the deadline did not come to start: more slots let more of them be done."""

    def done(slots):
        with World(slots) as world:
            return world.run(lambda _: world.take(1), range(40), deadline=4.5)

    assert done(4).stats.advice.endswith("raise max_workers")
    assert len(done(8).succeeded) == 2 * len(done(4).succeeded)


def test_no_more_slots_for_one_long_call():
    """The longest call takes as long on any number of slots."""

    def run(slots):
        with World(slots) as world:
            return world.run(lambda number: world.take(30 if number == 0 else 0.25), range(100))

    assert run(8).stats.wall == run(4).stats.wall == 30
    assert "max_workers" not in run(4).stats.advice


def test_slots_that_other_calls_hold():
    """A small batch waits for the calls of others."""

    def run(slots):
        with World(slots) as world:
            others = [world.fan.submit(world.take, 8.0) for _ in range(4)]
            until(lambda: world.fan.snapshot()["running"] == 4)
            report = world.run(lambda _: world.take(0.5), range(4))
            assert all(other.done() or slots > 4 for other in others)
            world.through(lambda: [other.result() for other in others])
            return report

    assert run(4).stats.advice.endswith("% of the time: raise max_workers")
    assert (run(4).stats.wall, run(8).stats.wall) == (8.5, 0.5)


def test_a_limit_of_a_view():
    """Where the view's `max_concurrent` is what calls wait for, it is named; more slots would not help."""

    def run(slots, limit):
        with World(slots) as world:
            return world.through(world.fan.with_options(max_concurrent=limit).run, lambda _: world.take(1), range(16))

    assert run(8, 2).stats.advice == "calls waited for max_concurrent=2 for 88% of the time: raise it"
    assert (run(8, 2).stats.wall, run(16, 2).stats.wall, run(8, 4).stats.wall) == (8, 8, 4)
    assert run(2, 2).stats.advice.endswith("raise it and max_workers")
    assert (run(4, 2).stats.wall, run(4, 4).stats.wall) == (8, 4)


def test_the_ceiling_of_adaptive():
    """Which is named once it is reached; below it, the number of slots grows by itself."""
    low, high = each_takes(Adaptive(4, ceiling=4)), each_takes(Adaptive(4, ceiling=16))
    assert low.stats.advice.endswith("raise the ceiling of Adaptive")
    assert high.stats.wall < low.stats.wall == 10


def test_calls_that_compute(monkeypatch):
    """They share one processor, so more threads do not help, and processes do."""
    monkeypatch.setattr(figures, "_at_once", lambda: 1)

    def run(slots, seconds):
        with World(slots) as world:
            world.clock.processor = world.clock.monotonic  # it is never idle
            return world.run(lambda _: world.take(seconds), range(16))

    assert run(4, 4.0).stats.advice == (
        "the processor was busy for 100% of the time: more threads do not help calls that compute, take processes, or "
        "a Python without the GIL"
    )
    assert run(4, 4.0).stats.wall == run(8, 8.0).stats.wall == 16
    assert run(4, 1.0).stats.wall == 4


def test_calls_of_no_time():
    """What the threads themselves cost is no reason for more of them."""
    assert each_takes(4, seconds=0).stats.advice is None


# -- slow calls and slow inputs ----------------------------------------------------------------------------------------


def two_are_slow(**options):
    """Forty calls, two of which take forty times as long in their first attempt."""
    tries = set()

    def call(number):
        first = number not in tries
        tries.add(number)
        world.take(20 if number in (38, 39) and first else 0.5)

    with World(8, **options) as world:
        return world.run(call, range(40))


def test_stragglers():
    """A timeout gives them up, and a second attempt is as quick as most: either way the others' time is what counts."""
    report = two_are_slow()
    assert report.stats.advice == (
        "84% of the time went to 2 slow calls (38, 39; median 0.5 s): give the calls a timeout, or "
        "hedge=Hedge(after=1) if they may be made twice"
    )
    assert report.stats.wall == 22
    assert two_are_slow(timeout=2.0).stats.wall <= 4
    hedged = two_are_slow(hedge=Hedge(after=1))
    assert hedged.ok
    assert hedged.stats.wall <= 4


def test_stragglers_that_have_a_timeout():
    """It is named as what could be shorter, unless it is what has ended them; and what was hedged is not told to be."""
    slow = two_are_slow(timeout=32.0)
    assert slow.stats.advice.endswith(
        ": give the calls a shorter timeout than 32 s, or hedge=Hedge(after=1) if they may be made twice"
    )
    assert two_are_slow(timeout=2.0).stats.wall < slow.stats.wall
    late = two_are_slow(timeout=16.0)
    assert late.stats.advice.endswith("median 0.5 s): give the calls hedge=Hedge(after=1) if they may be made twice")
    assert two_are_slow(timeout=16.0, hedge=Hedge(after=1)).stats.wall < late.stats.wall


def test_long_calls_first():
    """A long call that comes last has nothing beside it."""

    def run(takes):
        with World(4) as world:
            return world.run(world.take, takes)

    takes = [1.0] * 24 + [12.0]
    advice = run(takes).stats.advice
    assert advice == "33% of the time went to 1 slow call (24; median 1 s): start them first"
    assert (run(takes).stats.wall, run(takes[::-1]).stats.wall) == (18, 12)


def test_one_call_alone():
    """Of a few calls one may be all that is left to do."""

    def run(longest):
        with World(4) as world:
            return world.run(world.take, [0.5, longest, 1.0])

    assert run(8.0).stats.advice == "call 1 ran alone for 88% of the time: make it shorter, or divide it"
    assert run(4.0).stats.wall < run(8.0).stats.wall
    assert run(1.25).stats.advice is None


def test_inputs_that_come_slowly():
    """A list is there at once."""

    def run(slowly):
        with World(4) as world:
            return world.run(lambda _: world.take(0.25), world.inputs(range(8), 1.0) if slowly else range(8))

    report = run(slowly=True)
    assert report.stats.advice.endswith("% of the time went to waiting for inputs: have them at hand before, as a list")
    assert run(slowly=False).stats.wall < report.stats.wall / 4


# -- limits, refusals, retries -----------------------------------------------------------------------------------------


def test_a_rate_limit():
    """Raised, it lets the batch be shorter; and so few workers as it says are enough."""

    def run(slots, limit):
        return each_takes(slots, rate=RateLimit(limit), seconds=0.5, count=12)

    report = run(8, 60)
    assert report.stats.advice.endswith("% of the time went to the rate limit: raise it or lower max_workers to 1")
    assert run(8, 120).stats.wall < report.stats.wall
    assert run(1, 60).stats.wall == report.stats.wall


def test_a_limit_of_tokens():
    """It is named, for more requests would not help."""

    def run(requests, tokens):
        def call(_):
            world.take(0.25)
            return SimpleNamespace(usage=SimpleNamespace(input_tokens=100, output_tokens=1))

        limit = RateLimit(requests, input_tokens_per_minute=tokens, estimate=lambda _: (100, 1))
        with World(4, rate=limit) as world:
            return world.run(call, range(8))

    report = run(600, 3000)
    assert "% of the time went to the limit of input tokens: raise it" in report.stats.advice
    assert run(600, 6000).stats.wall < report.stats.wall
    assert run(1200, 3000).stats.wall == report.stats.wall


def asked_of(per_minute, slots=8, count=12, burst=1, **options):
    """The report of calls to a server with a limit, and how many requests that has refused."""
    with World(slots, **options) as world:
        server = Server(world, per_minute, burst)

        def call(_):
            server.ask()
            world.take(0.25)

        return world.run(call, range(count)), server.refused


def test_refusals_without_a_rate():
    """Calls that were refused have no value; under a rate each has one."""
    report, refused = asked_of(60)
    assert (
        report.stats.advice
        == "92% of the calls were refused as too many: give the fan a rate=RateLimit(…), and a retry"
    )
    assert refused == 11
    again, _ = asked_of(60, retry=1)
    assert again.stats.advice.endswith("give the fan a rate=RateLimit(…)")
    better, fewer = asked_of(60, rate=RateLimit(60), retry=3)
    assert better.ok
    assert fewer < 2


def test_pauses_of_a_rate_that_is_too_high():
    """To raise it would not help: the server's limit is what the pauses come from."""
    report, refused = asked_of(60, rate=RateLimit(600), retry=20)
    assert report.ok
    assert "went to pauses after refusals" in report.stats.advice
    assert report.stats.advice.endswith("give the rate the numbers that the server keeps to")
    assert asked_of(60, rate=RateLimit(60), retry=20)[1] < refused


class Busy(Exception):
    """What a caller makes of a refusal to which no limit is to react."""


def crawled(count, refusal, limit=600, **options):
    """The report of pages of which the fourth is refused whenever it is asked for."""
    with World(2, rate=RateLimit(limit), **options) as world:

        def fetch(page):
            world.take(0.1)
            if page == 3:
                raise refusal("too many requests")

        return world.run(fetch, range(count))


@pytest.mark.parametrize(
    ("count", "advice"),
    [
        (30, "3% of the calls were refused every time (3), and no others"),
        (150, "of the time went to pauses after refusals (12), all of calls that were refused every time (3)"),
    ],
)
def test_one_call_that_is_always_refused(count, advice):
    """No rate lets it through, and each of its refusals pauses the others."""
    report = crawled(count, Refused, retry={Busy: 1, "transient": 2})
    assert advice in report.stats.advice
    assert report.stats.advice.endswith(
        ": raise an exception of your own for their refusals, with few retries of its own"
    )
    better = crawled(count, Busy, retry={Busy: 1, "transient": 2})
    assert better.stats.wall < report.stats.wall
    assert len(better.succeeded) == len(report.succeeded) == count - 1


def test_a_pace_that_adaptive_has_found():
    """Nothing here can be raised."""
    report, _ = asked_of(60, slots=Adaptive(), count=30, retry=50)
    assert report.stats.advice.endswith("the pace that Adaptive has found: only a higher limit there helps")
    better, _ = asked_of(240, slots=Adaptive(), count=30, retry=50)
    assert better.stats.wall < report.stats.wall


def test_back_offs_after_refusals():
    """A rate has calls wait no longer than they must."""
    patient = tenacity.Retrying(wait=tenacity.wait_fixed(16), stop=tenacity.stop_after_attempt(20))
    report, refused = asked_of(60, retry=patient)
    assert report.stats.advice.endswith(" retries): give the fan a rate=RateLimit(…)")
    better, fewer = asked_of(60, retry=patient, rate=RateLimit(60))
    assert better.stats.wall < report.stats.wall
    assert fewer < refused


def test_back_offs_after_other_errors():
    """What goes wrong is named: a rate would not help."""

    def run(works):
        tries = set()

        def call(number):
            world.take(0.25)
            if not works and number not in tries:
                tries.add(number)
                raise ValueError("not yet")

        patient = tenacity.Retrying(wait=tenacity.wait_fixed(4), stop=tenacity.stop_after_attempt(3))
        with World(4, retry=patient) as world:
            return world.run(call, range(8))

    report = run(works=False)
    assert report.stats.advice.endswith("(8 retries): look at their errors in outcome.history, most often ValueError")
    assert run(works=True).stats.wall < report.stats.wall


def test_an_account_that_is_empty():
    """No rate and no patience helps, and money does."""

    def run(paid):
        def call(_):
            if not paid:
                error = Refused("You exceeded your current quota")
                error.body = {"error": {"code": "insufficient_quota"}}
                raise error
            world.take(0.25)

        with World(8, retry=2) as world:
            return world.run(call, range(8))

    assert (
        run(paid=False).stats.advice
        == "100% of the calls were refused for good (insufficient_quota): look at your account"
    )
    assert run(paid=True).ok


# -- pipelines and graphs ----------------------------------------------------------------------------------------------


def flow(slots, first, second, *, items=12, limit=None, rate=None, slow=None, **options):
    """The report of a pipeline of two stages that take so many seconds; the second has the limits."""
    with World(slots) as world:

        def research(item):
            world.take(first)
            return item

        def analyse(item):
            world.take(slow if item == items - 1 and slow else second)

        pipeline = world.fan.pipeline(research, stage(analyse, max_concurrent=limit, rate=rate, **options))
        return world.through(pipeline.run, range(items))


def test_more_slots_for_a_pipeline():
    """Where items wait for slots."""
    report = flow(4, 2, 1)
    assert report.stats.advice == report.stages.bottleneck
    assert report.stats.advice == "all slots were in use, 67% of the time for 'research': raise max_workers"
    assert flow(8, 2, 1).stats.wall < report.stats.wall


def test_no_more_slots_for_a_pipeline():
    """Where every item has a slot, the stage that takes the time is what counts."""
    report = flow(12, 3, 1)
    assert report.stats.advice == (
        "'research' held the others up, with 75% of the work, and more slots would not help: make it faster"
    )
    assert (report.stats.wall, flow(24, 3, 1).stats.wall, flow(12, 1.5, 1).stats.wall) == (4, 4, 2.5)
    assert flow(12, 2, 2).stats.advice is None


def test_the_limit_of_a_stage():
    """Raised, it lets the others through; more slots would not."""
    report = flow(12, 1, 1, limit=1)
    assert report.stats.advice == "'analyse' held the others up: its max_concurrent=1 was used to 92%: raise it"
    assert (report.stats.wall, flow(24, 1, 1, limit=1).stats.wall) == (13, 13)
    assert flow(12, 1, 1, limit=2).stats.wall == 7


def test_slots_and_the_limit_of_a_stage():
    """Each alone may be of no use."""
    report = flow(2, 1, 1, limit=1)
    assert report.stats.advice == "all slots were in use, and so was max_concurrent=1 of 'analyse': raise both"
    assert flow(4, 1, 1, limit=2).stats.wall <= 0.75 * report.stats.wall
    assert min(flow(4, 1, 1, limit=1).stats.wall, flow(2, 1, 1, limit=2).stats.wall) > 0.9 * report.stats.wall


def test_the_rate_of_a_stage():
    """As of a fan."""
    report = flow(12, 0.5, 0.5, rate=RateLimit(30))
    assert report.stats.advice.startswith("'analyse' held the others up: its calls waited ")
    assert flow(12, 0.5, 0.5, rate=RateLimit(60)).stats.wall < report.stats.wall


def test_slow_calls_in_a_stage():
    """They need not be waited for."""
    report = flow(12, 0.5, 0.5, slow=10)
    assert report.stats.advice == (
        "slow calls in 'analyse' held the others up (median 0.5 s, slowest 10 s): give the stage a timeout, or a hedge "
        "if they may be made twice"
    )
    assert flow(12, 0.5, 0.5, slow=10, timeout=2).stats.wall < report.stats.wall / 2


def drafts(slots, first=1.0, each=1.0):
    """The report of a graph: eight drafts of one plan."""
    with World(slots) as world:
        graph = world.fan.graph()

        @graph.task
        def plan():
            world.take(first)
            return range(8)

        @graph.task(each="plan")
        def draft(plan):
            world.take(each)

        return world.through(graph.run)


def test_more_slots_for_a_graph():
    """Where the way to the last of its tasks waits for slots."""
    report = drafts(2)
    assert report.stats.advice.endswith("% of the time: raise max_workers")
    assert (report.stats.wall, drafts(4).stats.wall) == (5, 3)


def test_no_more_slots_for_a_graph():
    """The task that all others wait for is what counts."""
    report = drafts(8, first=6.0)
    assert report.stats.advice == "'plan' ran alone for 86% of the time: make it shorter, or divide it"
    assert (report.stats.wall, drafts(16, first=6.0).stats.wall, drafts(8, first=3.0).stats.wall) == (7, 7, 4)
    assert drafts(8).stats.advice is None or "max_workers" not in drafts(8).stats.advice


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_to_say(count):
    """Calls that all ran at once, for as long as they take."""
    assert each_takes(4, count=count).stats.advice is None
