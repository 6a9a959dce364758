"""`priority=`: small ones go first, and nobody waits for ever; proved by order, not by time."""

import asyncio
import random
import weakref
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import Fan, RateLimit, stage, task
from threadfan._core.pool.priorities import Rank, rank
from threadfan._core.pool.run_queue import RunQueue

OPTIONS = pytest.mark.parametrize(
    "options", [{}, {"retry": 1}, {"rate": RateLimit(6e6, burst=1000)}], ids=["plain", "retry", "rate"]
)


def held(fan, gate):
    """Have the fan's one slot taken, so that what is handed in then waits."""
    future = fan.submit(gate)
    gate.wait_for(1)
    return future


def ranked(fan):
    """How many queues with a priority have calls that may start."""
    with fan._scheduler.lock:
        return sum(type(queue.rank) is Rank for queue in fan._scheduler.run_queue)


@OPTIONS
def test_small_ones_go_first(options):
    """Whatever the order in which they came: of single calls, views of views, and batches of every kind."""
    order = []
    with Gate() as gate, Fan(1, **options) as fan:
        held(fan, gate)
        futures = []
        for _ in range(3):
            futures += [fan.submit(order.append, "none")]
            futures += [fan.with_options(priority=2).with_options(timeout=60).submit(order.append, "last")]
            futures += [fan.with_options(priority=-1.5).submit(order.append, "first")]
        batch = fan.start(order.append, ["batch"] * 3, priority=1)
        gate.open()
        batch.result(PATIENCE)
        for future in futures:
            future.result(PATIENCE)
    assert order == ["first"] * 3 + ["none"] * 3 + ["batch"] * 3 + ["last"] * 3


def test_one_turn_in_ten_is_for_the_others(clock):
    """For each other priority by turns, however many calls of the smallest wait."""
    order = []

    def call(name):
        order.append(name)
        clock.advance(1)  # longer than a stay at a queue while others wait

    with Gate() as gate, Fan(1) as fan:
        held(fan, gate)
        batches = [fan.start(call, [name] * 60, priority=name) for name in (3, 1, 2)]
        gate.open()
        for batch in batches:
            within_patience(batch.result)  # its own patience would be the test's time
    assert sorted(order) == [1] * 60 + [2] * 60 + [3] * 60
    places = [place for place, name in enumerate(order) if name != 1 and place < order.index(1, 50)]
    assert {later - earlier for earlier, later in pairwise(places)} == {10}
    assert {order[earlier] + order[later] for earlier, later in pairwise(places)} == {5}  # 2 and 3 alternate


def test_those_of_one_priority_take_turns(clock):
    """As those without any."""
    order = []

    def call(name):
        order.append(name)
        clock.advance(1)

    with Gate() as gate, Fan(1) as fan:
        held(fan, gate)
        batches = [fan.start(call, [name] * 20, priority=-1) for name in "ab"]
        gate.open()
        for batch in batches:
            within_patience(batch.result)  # its own patience would be the test's time
    assert order == ["a", "b"] * 20


def test_what_a_call_waits_for_goes_before_all_priorities():
    """Else calls of a small priority could keep a call waiting, and its slot's others with it."""
    order = []
    with Gate() as gate, Fan(1) as fan:

        def outer():
            urgent = [fan.with_options(priority=-9).submit(order.append, "urgent") for _ in range(3)]
            inner = fan.with_options(priority=9).submit(order.append, "inner")
            inner.result()
            return urgent

        held(fan, gate)
        future = fan.submit(outer)
        gate.open()
        for one in future.result(PATIENCE):
            one.result(PATIENCE)
    assert order[0] == "inner"


def test_a_view_with_a_priority_keeps_the_cap_of_its_origin():
    """Both are counted together."""
    with Gate() as gate, Fan(4) as fan:
        capped = fan.with_options(max_concurrent=2)
        futures = [view.submit(gate) for view in (capped.with_options(priority=-1), capped, capped) for _ in range(2)]
        gate.wait_for(2)
        assert fan.submit(abs, -1).result(PATIENCE) == 1
        gate.open()
        for future in futures:
            future.result(PATIENCE)
    assert gate.most == 2


def test_tasks_of_one_gathering_start_by_their_priorities():
    """And the report is in the order in which they were given."""
    for options in ({}, {"retry": 1}):
        order = []
        with Fan(1, **options) as fan:
            report = fan.gather(
                task(order.append, "b"),
                task(order.append, "c").with_options(priority=4),
                last=task(order.append, "a").with_options(priority=-4),
            )
        assert order == ["a", "b", "c"]
        assert [outcome.index for outcome in report] == [0, 1, 2]
        assert report["last"].item.args == ("a",)


def test_calls_of_coroutines_have_that_of_their_view():
    """And so have their batches."""
    order = []

    async def main(fan, gate):
        last = fan.with_options(priority=7)
        calls = [last.call(order.append, "last"), fan.with_options(priority=-7).call(order.append, "first")]
        whole = asyncio.ensure_future(fan.arun(order.append, ["batch"], priority=-6))
        await asyncio.sleep(0)
        until(lambda: fan.snapshot()["queued"] == 3)
        gate.open()
        await asyncio.gather(*calls, whole)

    with Gate() as gate, Fan(1) as fan:
        held(fan, gate)
        asyncio.run(main(fan, gate))
    assert order == ["first", "batch", "last"]


def test_graphs_and_pipelines_have_that_of_their_view():
    """Their calls wait in queues of their own."""
    order = []

    def node():
        order.append("graph")

    with Gate() as gate, Fan(1) as fan:
        held(fan, gate)
        urgent = fan.with_options(priority=-1)
        waits = [fan.submit(order.append, "none") for _ in range(2)]
        graph = aside(urgent.graph(node).run)
        pipeline = aside(urgent.pipeline(stage(order.append)).run, ["pipeline"])
        until(lambda: ranked(fan) == 2)
        gate.open()
        for one in (*waits, graph, pipeline):
            one.result(PATIENCE)
    assert set(order[:2]) == {"graph", "pipeline"}


def test_a_view_for_every_call_leaves_nothing():
    """Priorities may be moments, of which there is no end."""
    with Fan(2) as fan:
        views = [fan.with_options(priority=number / 7) for number in range(1, 50)]
        for view in views:
            assert view.submit(abs, -1).result(PATIENCE) == 1
        homes = [weakref.ref(view._options.home) for view in views]
        del view, views
        until(lambda: not fan._scheduler.queues)
        until(lambda: not any(home() for home in homes[:-1]))  # a thread may know where it was last


@pytest.mark.parametrize("wrong", ["high", None, True, float("nan"), float("inf")])
def test_what_is_no_priority_is_refused(wrong):
    """With what would be right."""
    with Fan(1) as fan:
        with pytest.raises(TypeError, match="priority must be a number, of which small ones go first"):
            fan.with_options(priority=wrong)
        with pytest.raises(TypeError, match="priority must be a number"):
            task(abs, 1).with_options(priority=wrong)


def test_ranks_are_in_order():
    """Deeper ones before shallower ones, then small priorities, and those without one as if it were 0."""
    ranks = [Rank(2, 5.0), Rank(1, -1.0), 1, Rank(1, 0.5), Rank(0, -3.0), Rank(0, -2.0), 0, Rank(0, 2.0)]
    ranks.reverse()
    assert sorted(ranks) == ranks
    assert max(ranks) is ranks[-1]
    assert len({*ranks, Rank(0, -3.0)}) == len(ranks)


class Waiting:
    """A queue, as the run queue sees it."""

    paused = queued = False

    def __init__(self, depth, priority, count):
        self.depth = self.rank = depth
        self.priority, self.count = priority, count
        self.ended = []
        self.cap = SimpleNamespace(active=0, limit=1)
        rank(self, priority)

    def unwanted(self):
        """It never is."""
        return False

    def ready(self):
        """How many wait."""
        return self.count

    def take(self):
        """One of them."""
        self.count -= 1
        return self


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([-1.5, 0, 2, 7]), st.integers(1, 40)), max_size=7))
def test_every_queue_has_its_turn(made):
    """Each call is chosen once, of the deepest; nine turns in ten are for the smallest priority, and none starves."""
    with Fan(1) as fan, fan._scheduler.lock:
        run_queue = RunQueue()
        queues = [Waiting(*one) for one in made]
        for queue in queues:
            run_queue.enlist(queue)
        left, others, waited = sum(count for _, _, count in made), 0, {}
        while left:
            ready = [queue for queue in queues if queue.count]
            deepest = max(queue.depth for queue in ready)
            waiting = {queue.priority for queue in ready if queue.depth == deepest}
            assert run_queue.pressure == deepest + (0.5 if sum(queue.depth == deepest for queue in ready) > 1 else 0)
            _, found = run_queue.choose([])
            assert found.depth == deepest
            left -= 1
            others += found.priority != min(waiting)
            waited = {one: waited.get((deepest, one), 0) + 1 for one in waiting}
            waited = {(deepest, one): 0 if one == found.priority else turns for one, turns in waited.items()}
            assert all(turns < 10 * len(made) for turns in waited.values())
        total = sum(count for _, _, count in made)
        assert others <= total // 10 + 1
        assert run_queue.choose([]) is None
        assert run_queue.pressure == -1


@pytest.mark.usefixtures("eager_switching")
def test_hammer():
    """Threads that hand calls in under priorities of all kinds: each has its outcome, and no queue is left."""
    with Fan(3) as fan:

        def strike(seed):
            chance = random.Random(seed)
            futures = []
            for number in range(120):
                view = fan.with_options(priority=chance.choice([-2, -0.5, 0, 0.5, 3]))
                if number % 10:
                    futures.append((number, view.submit(abs, -number)))
                else:
                    assert view.run(abs, [-1, -2]).unwrap() == [1, 2]
            return all(future.result(PATIENCE) == number for number, future in futures)

        assert all(one.result(PATIENCE) for one in [aside(strike, seed) for seed in range(5)])
        until(lambda: len(fan._scheduler.queues) <= 1)
