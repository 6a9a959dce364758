"""``Fan(max_workers=Adaptive(...))``: slots that grow and shrink by what is refused."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, until
from support.scripted import Overload, Script, every, opened
from threadfan import Adaptive, Fan, RateLimit, task
from threadfan.testing import Probe


def resize(fan, slots):
    """Have so many slots, as if the limit had come to that."""
    adaptive = fan._scheduler.adaptive
    adaptive.limit = adaptive.floor = adaptive.ceiling = slots
    after = []
    with fan._scheduler.lock:
        fan._scheduler.adapt(after)
    fan._scheduler.perform(after)


# -- slots -------------------------------------------------------------------------------------------------------------


def test_slots_grow_with_a_limit_that_is_in_use(clock):
    """Two calls at once that succeed make room for a third, and so on up to the ceiling."""
    del clock
    adaptive = Adaptive(start=2, ceiling=4)
    with opened(adaptive) as fan:
        assert fan.snapshot()["slots"] == 2
        for _ in range(12):
            slots = fan.snapshot()["slots"]
            with Gate() as gate:
                futures = [fan.submit(gate, item) for item in range(6)]
                gate.wait_for(slots)
                assert gate.most == slots
                gate.open()
                for future in futures:
                    future.result(PATIENCE)
            if adaptive.limit == 4:
                break
        assert adaptive.limit == 4
        until(lambda: fan.snapshot()["slots"] == 4)
        meet(fan, 4)


def test_slots_shrink_at_a_refusal(clock):
    """What ran goes on; what is refused is made again when the pace allows."""
    adaptive = Adaptive(start=8, ceiling=8)
    script = Script(Overload(), "answer")
    with Gate() as gate, opened(adaptive) as fan:
        running = [fan.submit(gate, item) for item in range(4)]
        gate.wait_for(4)
        clock.advance(2)
        refused = fan.submit(script)
        until(lambda: adaptive.history)
        until(lambda: fan.snapshot()["slots"] == adaptive.limit < 4)
        until(lambda: fan.snapshot()["running"] == 4)
        assert not refused.done()
        gate.open()
        for future in running:
            future.result(PATIENCE)
        while not refused.done():
            clock.advance(0.5)
            until(lambda: fan.snapshot()["waiting"] + fan.snapshot()["queued"] + fan.snapshot()["running"] in (0, 1))
        assert refused.result(PATIENCE) == "answer"
        assert script.attempts() == 2


def test_never_more_calls_than_slots_once_those_of_before_have_ended():
    """Slots that were taken away are not given out again, whoever frees them."""
    adaptive = Adaptive(start=6, ceiling=6)
    with Gate() as first, Gate() as second, Fan(adaptive) as fan:
        running = [fan.submit(first, item) for item in range(6)]
        first.wait_for(6)
        later = [fan.submit(second, item) for item in range(6)]
        resize(fan, 2)
        assert Probe(fan).free_slots == -4
        assert fan.snapshot()["running"] == 6
        first.open()
        for future in running:
            future.result(PATIENCE)
        second.wait_for(2)
        until(lambda: fan.snapshot()["running"] == 2)
        assert second.most == 2
        resize(fan, 3)
        second.wait_for(3)
        assert second.most == 3
        second.open()
        for future in later:
            future.result(PATIENCE)
        assert second.most <= 3
        until(lambda: Probe(fan).free_slots == 3)
        assert Probe(fan).others_wait is False


def test_threads_stay_at_their_source_again_when_there_are_enough_slots():
    """The pressure that makes calls leave ends with the last slot too many."""
    with Gate() as gate, Fan(Adaptive(start=3, ceiling=3)) as fan:
        running = [fan.submit(gate, item) for item in range(3)]
        gate.wait_for(3)
        resize(fan, 2)
        assert Probe(fan).hurried
        gate.open()
        for future in running:
            future.result(PATIENCE)
        until(lambda: Probe(fan).free_slots == 2)
        assert Probe(fan).others_wait is False


@pytest.mark.parametrize("slots", [1, 2])
def test_calls_that_wait_for_calls_while_slots_shrink(slots):
    """Lenders take a slot back when there is one again: no deadlock, to any depth."""
    with Gate() as gate, Fan(Adaptive(start=6, ceiling=6)) as fan:

        def outer(item):
            return sum(fan.run(middle, [item, item + 1]).unwrap())

        def middle(item):
            return fan.submit(inner, item).result()

        def inner(item):
            return gate(item)

        report = aside(fan.run, outer, range(10))
        gate.wait_for(6)
        resize(fan, slots)
        gate.open()
        assert report.result(PATIENCE).unwrap() == [2 * item + 1 for item in range(10)]
        until(lambda: Probe(fan).free_slots == slots)
        meet(fan, slots)


@pytest.mark.usefixtures("eager_switching")
def test_slots_that_change_all_the_time():
    """A hammer: nested calls while slots go up and down; every call has its outcome, and every slot comes back."""
    over = threading.Event()
    with Fan(Adaptive(start=4, ceiling=8)) as fan:

        def change():
            while not over.is_set():
                for slots in (1, 8, 3, 2, 5):
                    resize(fan, slots)

        def outer(item):
            if item % 3:
                return item
            return fan.submit(abs, -item).result() + sum(fan.run(abs, [item, -item]).unwrap())

        changing = aside(change)
        report = aside(fan.run, outer, range(1500))
        try:
            report = report.result(60)
        finally:
            over.set()
        changing.result(PATIENCE)
        assert report.unwrap() == [item if item % 3 else 3 * item for item in range(1500)]
        resize(fan, 4)
        until(lambda: Probe(fan).free_slots == 4)
        meet(fan, 4)


# -- like a plain fan --------------------------------------------------------------------------------------------------

WAYS = {
    "run": lambda fan, fn: fan.run(fn, [-1, -2]).unwrap(),
    "fed": lambda fan, fn: fan.run(fn, (item for item in [-1, -2])).unwrap(),
    "stream": lambda fan, fn: [one.unwrap() for one in fan.stream(fn, [-1, -2], ordered=True)],
    "map": lambda fan, fn: list(fan.map(fn, [-1, -2])),
    "gather": lambda fan, fn: fan.gather(task(fn, -1), task(fn, -2)).unwrap(),
    "submit": lambda fan, fn: [future.result(PATIENCE) for future in [fan.submit(fn, -1), fan.submit(fn, -2)]],
    "call": lambda fan, fn: asyncio.run(_calls(fan, fn)),
    "arun": lambda fan, fn: asyncio.run(fan.arun(fn, [-1, -2])).unwrap(),
    "a view": lambda fan, fn: fan.with_options(retry=None, timeout=5).run(fn, [-1, -2]).unwrap(),
}


async def _calls(fan, fn):
    return [await fan.call(fn, -1), await fan.call(fn, -2)]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_goes_through_it(way):
    """The calls are told to the limit, however they were handed in."""
    adaptive = Adaptive(start=2, ceiling=8)
    told = []
    with Fan(adaptive) as fan:
        limit = adaptive.waitlist.limit
        usual, limit.adaptive = limit.adaptive, _Told(adaptive, told)
        assert WAYS[way](fan, abs) == [1, 2]
        until(lambda: Probe(fan).free_slots == Probe(fan).slots)
        limit.adaptive = usual
    assert told.count("started") == told.count("succeeded") == 2
    assert limit.in_flight == 0


class _Told:
    def __init__(self, adaptive, told):
        self._adaptive, self._told = adaptive, told

    def __getattr__(self, name):
        if name in ("started", "succeeded"):
            self._told.append(name)
        return getattr(self._adaptive, name)


def test_a_call_that_fails_by_itself_fails_as_ever():
    """Errors that are no refusals are not tried again, and cut nothing."""
    adaptive = Adaptive(start=2, ceiling=8)
    script = Script(KeyError("own"))
    with Fan(adaptive) as fan:
        assert isinstance(fan.submit(script).exception(PATIENCE), KeyError)
        assert script.attempts() == 1
    assert adaptive.limit == 2
    assert adaptive.pace == float("inf")


# -- refusals ----------------------------------------------------------------------------------------------------------


def moved_on(clock, future):
    """Let time pass until the future is done."""

    def step():
        clock.advance(1)
        return future.done()

    until(step)


def test_refused_calls_are_tried_again_and_do_not_count(clock):
    """Nine refusals and an answer are a success, without any ``retry=``."""
    script = Script(*[Overload()] * 9, "answer")
    with opened(Adaptive()) as fan:
        future = fan.submit(script)
        moved_on(clock, future)
        assert future.result() == "answer"
        assert fan.snapshot()["retries"] == 9
    assert script.attempts() == 10


def test_ten_refusals_in_a_row_are_the_end(clock):
    """Then the call has the refusal for its error."""
    script = Script(Overload())
    with opened(Adaptive()) as fan:
        future = fan.submit(script)
        moved_on(clock, future)
        assert isinstance(future.exception(), Overload)
    assert script.attempts() == 10


@pytest.mark.parametrize("made", ["fan", "view"])
def test_retries_count_other_failures_only(clock, made):
    """Two attempts by the policy, and the refusal between them for nothing."""
    script = Script(Overload(), ConnectionError("gone"), Overload(), ConnectionError("gone"))
    with opened(Adaptive(), retry=every(1, attempts=2) if made == "fan" else None) as fan:
        view = fan if made == "fan" else fan.with_options(retry=every(1, attempts=2))
        future = view.submit(script)
        moved_on(clock, future)
        assert isinstance(future.exception(), ConnectionError)
    assert script.attempts() == 4


def test_with_a_rate_limit_as_well(clock):
    """Both are told of the refusal, and neither keeps a permit."""
    adaptive, limit = Adaptive(start=2, ceiling=4), RateLimit(6000)
    script = Script(Overload(), "answer")
    with opened(adaptive, rate=limit) as fan:
        future = fan.submit(script)
        moved_on(clock, future)
        assert future.result() == "answer"
        until(lambda: fan.snapshot()["running"] == 0)
    assert (limit.in_flight, limit.overloads) == (0, 1)
    assert (adaptive.waitlist.limit.in_flight, adaptive.waitlist.limit.overloads) == (0, 1)
    assert adaptive.pace < float("inf")


# -- whose it is -------------------------------------------------------------------------------------------------------


def test_each_fan_needs_one_of_its_own():
    """Two fans would each have as many slots as it says, and their calls would be paced as if they were one's."""
    adaptive = Adaptive()
    with Fan(adaptive), pytest.raises(ValueError, match="each fan needs an Adaptive of its own, and <Adaptive: 4 of 1"):
        Fan(adaptive)


def test_a_wrong_argument_is_named():
    """What was meant as an Adaptive and is none."""
    with pytest.raises(TypeError, match=r"max_workers must be a whole number of calls at once, or Adaptive\(\)"):
        Fan(Adaptive)
