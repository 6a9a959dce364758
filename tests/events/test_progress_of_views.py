"""``with_options(progress=…)``: whatever is handed in through the view and waited for together shows how far it is."""

import asyncio

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan, task
from threadfan.patterns import AllSucceed, afan_out, aquorum, fan_out, guard, map_reduce, quorum, race, vote


def one():
    """A task."""
    return 1


async def later():
    """One of the event loop's."""
    await asyncio.sleep(0)
    return 1


def passed():
    """A check."""
    return True


def double(number):
    """A call of a batch."""
    return 2 * number


def spoken(number):
    """A call that says something."""
    yield str(number)


async def heard(fan):
    """What such calls say, in an event loop."""
    return [piece async for piece in fan.astream_text(spoken, range(4))]


def listed(number):
    """Parts of a job."""
    return list(range(number))


def total(report):
    """What its parts come to."""
    return sum(report.unwrap())


WAYS = {
    "gather": (lambda fan: fan.gather(one, one, named=one), 3),
    "agather": (lambda fan: asyncio.run(fan.agather(later, one, named=later)), 3),
    "join": (lambda fan: fan.join(AllSucceed(), one, one), 2),
    "ajoin": (lambda fan: asyncio.run(fan.ajoin(AllSucceed(), later, one)), 2),
    "run": (lambda fan: fan.run(double, range(4)), 4),
    "arun": (lambda fan: asyncio.run(fan.arun(double, range(4))), 4),
    "start": (lambda fan: fan.start(double, range(4)).result(), 4),
    "stream": (lambda fan: list(fan.stream(double, range(4))), 4),
    "stream_text": (lambda fan: list(fan.stream_text(spoken, range(4))), 4),
    "astream_text": (lambda fan: asyncio.run(heard(fan)), 4),
    "pipeline": (lambda fan: fan.pipeline(double, double).run(range(4)), 4),
    "pipeline.stream": (lambda fan: list(fan.pipeline(double, double).stream(range(4))), 4),
    "graph": (lambda fan: fan.graph(one, passed).run(), 2),
    "race": (lambda fan: race(fan, one), 1),
    "quorum": (lambda fan: quorum(fan, 2, one, one), 2),
    "aquorum": (lambda fan: asyncio.run(aquorum(fan, 2, later, one)), 2),
    "vote": (lambda fan: vote(fan, one, of=1), 1),
    "guard": (lambda fan: guard(fan, one, passed), 2),
    "fan_out": (lambda fan: fan_out(fan, 5, decompose=listed, work=double, synthesise=total), 5),
    "afan_out": (lambda fan: asyncio.run(afan_out(fan, 5, decompose=listed, work=double, synthesise=total)), 5),
    "map_reduce": (lambda fan: map_reduce(fan, double, range(4), reduce=max), 4),
}


@pytest.mark.parametrize("way", WAYS)
def test_everything_that_is_waited_for_together_is_shown(way):
    """The end is told, of this view alone; of a pattern, it is the work that is shown."""
    seen = []
    run, number = WAYS[way]
    with Fan(2) as fan:
        run(fan.with_options(progress=seen.append))
        last = seen[-1]
        assert (last.done, last.total, last.failed) == (number, number, 0)
        assert {one.name for one in seen} == {last.name}
        seen.clear()
        run(fan)
    assert not seen


def test_it_counts_while_calls_run():
    """Calls that have ended, that run, and all."""
    seen = []
    with Gate() as gate, Fan(2) as fan:
        running = aside(fan.with_options(progress=seen.append).gather, one, task(gate, 1), task(gate, 2), one)
        until(lambda: seen and (seen[-1].done, seen[-1].running, seen[-1].waiting) == (1, 2, 1))
        gate.open()
        assert running.result(PATIENCE).ok
    assert (seen[-1].name, seen[-1].done) == ("gather", 4)


def test_what_a_method_is_given_goes_before():
    """A view of a view has its options, unless they are given; and one call may be shown elsewhere."""
    seen, others = [], []
    with Fan(1) as fan:
        view = fan.with_options(progress=seen.append)
        view.run(double, range(2), progress=others.append)
        assert (len(seen), others[-1].done) == (0, 2)
        view.with_options(timeout=60).gather(one)
        assert seen.pop().done == 1
        seen.clear()
        view.with_options(progress=False).gather(one)
        assert not seen


def test_a_bar(capsys):
    """``True`` is a bar, or a line where there is no terminal."""
    with Fan(1) as fan:
        fan.with_options(progress=True).gather(one, one)
    assert "gather: 2 of 2 (100 %)" in capsys.readouterr().err


def test_what_raises_is_raised():
    """And shown to its end."""
    seen = []
    with Fan(1) as fan, pytest.raises(ZeroDivisionError):
        guard(fan.with_options(progress=seen.append), lambda: 1 / 0, passed)
    assert seen[-1].done == 2
