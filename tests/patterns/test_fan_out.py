"""`fan_out` and `map_reduce`: one job as many calls."""

import operator
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside
from support.losers import Losers, both, fail
from threadfan import Fan, TaskTimeout
from threadfan.patterns import afan_out, amap_reduce, fan_out, map_reduce


def upper(part):
    """The work on a part; "bad" has no upper case."""
    return fail(ValueError(part)) if part == "bad" else part.upper()


def told(report):
    """A synthesis that shows what it was given."""
    return [(outcome.item, outcome.value) for outcome in report], [outcome.item for outcome in report.failed]


@both(fan_out=fan_out, afan_out=afan_out)
def test_fan_out(fan_out):
    """The job is taken apart, each part worked on, and the synthesis sees parts and values in order."""
    with Fan(2) as fan:
        result = fan_out(fan, "a b c", decompose=str.split, work=upper, synthesise=told)
    assert result.value == ([("a", "A"), ("b", "B"), ("c", "C")], [])
    assert (result.complete, len(result.report)) == (True, 3)


@both(fan_out=fan_out, afan_out=afan_out)
def test_the_work_is_side_by_side(fan_out):
    """All parts meet."""
    meeting = threading.Barrier(3)
    with Fan(3) as fan:
        result = fan_out(fan, 3, decompose=range, work=lambda _: meeting.wait(PATIENCE), synthesise=len)
    assert result.value == 3


@both(fan_out=fan_out, afan_out=afan_out)
def test_a_missing_part_is_not_passed_over(fan_out):
    """By default it is raised before the synthesis is paid for, with the report."""
    gate = Gate()
    with Fan(2) as fan, pytest.raises(ExceptionGroup) as caught:
        fan_out(fan, "a bad c", decompose=str.split, work=upper, synthesise=gate)
    assert gate.started == []
    assert caught.value.report.values(None) == ["A", None, "C"]


@both(fan_out=fan_out, afan_out=afan_out)
def test_a_synthesis_that_asks_is_told_what_is_missing(fan_out):
    """With ``partial`` it is given the failures too, and the result is not complete; without any value it is not."""
    ways = {"decompose": str.split, "work": upper, "synthesise": told, "partial": True}
    with Fan(2) as fan:
        result = fan_out(fan, "a bad", **ways)
        with pytest.raises(ExceptionGroup):
            fan_out(fan, "bad bad", **ways)
    assert result.value == ([("a", "A"), ("bad", None)], ["bad"])
    assert (result.complete, [outcome.item for outcome in result.left_out]) == (False, ["bad"])


@both(fan_out=fan_out, afan_out=afan_out)
@pytest.mark.parametrize(("step", "known"), [("decompose", [None]), ("synthesise", ["A", "B"])])
def test_a_step_that_fails(fan_out, step, known):
    """Its own error is raised; that of the synthesis has the report of the parts, which are paid for."""
    ways = {"decompose": str.split, "work": upper, "synthesise": told}
    error = KeyError(step)
    with Fan(2) as fan, pytest.raises(KeyError) as caught:
        fan_out(fan, "a b", **{**ways, step: lambda _: fail(error)})
    assert caught.value is error
    assert error.report.values(None) == known


@both(fan_out=fan_out, afan_out=afan_out)
@pytest.mark.parametrize("step", ["decompose", "synthesise"])
def test_every_step_is_under_the_fans_timeout(fan_out, step, clock):
    """Taking apart and putting together are calls like the work, and end in time."""
    losers = Losers(1)
    late = losers.task()
    ways = {"decompose": str.split, "work": upper, "synthesise": told, step: lambda _: late()}
    with Fan(1, timeout=30) as fan:
        future = aside(fan_out, fan, "a b", **ways)
        losers.together()
        clock.wait_for_sleepers(until=30)
        clock.advance(30)
        with pytest.raises(TaskTimeout):
            future.result(PATIENCE)
        losers.wait_until_free(fan, 1)


@both(fan_out=fan_out, afan_out=afan_out)
def test_the_parts_may_come_of_a_generator(fan_out):
    """It is read inside the call; what is one text and not parts is refused."""
    threads = set()

    def parts(job):
        for part in job:
            threads.add(threading.current_thread())
            yield part

    with Fan(1) as fan:
        result = fan_out(fan, ["a", "b"], decompose=parts, work=upper, synthesise=told)
        with pytest.raises(TypeError, match=r"a list of parts, not one text: str\.lower did"):
            fan_out(fan, "A B", decompose=str.lower, work=upper, synthesise=told)
        with pytest.raises(ValueError, match="nothing to aggregate"):
            fan_out(fan, "", decompose=str.split, work=upper, synthesise=told)
    assert result.value[1] == []
    assert threading.current_thread() not in threads


def test_what_takes_a_job_apart_must_be_a_function():
    """What cannot be called is refused, and what only makes a coroutine is of no use to a thread."""

    async def parts(job):
        return [job]

    with Fan(1) as fan:
        with pytest.raises(TypeError, match="fan_out needs a function to call, not 'split'"):
            fan_out(fan, "a", decompose="split", work=upper, synthesise=told)
        with pytest.raises(TypeError, match="parts is a coroutine function"):
            fan_out(fan, "a", decompose=parts, work=upper, synthesise=told)


@both(map_reduce=map_reduce, amap_reduce=amap_reduce)
def test_map_reduce(map_reduce):
    """Results are folded in input order, whoever ends first."""
    with Fan(4) as fan:
        assert map_reduce(fan, str, range(100), reduce=operator.add).value == "".join(map(str, range(100)))
        assert map_reduce(fan, pow, [2, 3], [3, 2], reduce=operator.sub).value == -1
        assert map_reduce(fan, str, [1], reduce=operator.add, initial="x").value == "x1"
        assert map_reduce(fan, str, [], reduce=operator.add, initial="x").value == "x"


@both(map_reduce=map_reduce, amap_reduce=amap_reduce)
def test_folding_goes_on_while_others_run(map_reduce):
    """The first two are folded while the third has not ended."""
    gate, folded = Gate(), threading.Event()

    def reduce(a, b):
        folded.set()
        return a + b

    def work(number):
        return gate(number) if number == 2 else number

    with gate, Fan(3) as fan:
        future = aside(map_reduce, fan, work, [0, 1, 2], reduce=reduce)
        gate.wait_for(1)
        assert folded.wait(PATIENCE)
        assert not future.done()
        gate.open()
        assert future.result(PATIENCE).value == 3


@both(map_reduce=map_reduce, amap_reduce=amap_reduce)
def test_a_failure_ends_the_fold(map_reduce):
    """It cancels the rest and is raised as it is."""
    losers, error = Losers(1), ValueError("no")
    late, bad = losers.task(), losers.after(lambda: fail(error))
    with Fan(2) as fan:
        with pytest.raises(ValueError, match="no") as caught:
            map_reduce(fan, lambda one: one(), [bad, late], reduce=operator.add)
        assert losers.wait_until_free(fan, 2) == ["loser"]
    assert caught.value is error


@both(map_reduce=map_reduce, amap_reduce=amap_reduce)
def test_a_part_of_the_results_is_called_that(map_reduce):
    """With ``partial`` failures are left out and told; without a single value they are raised."""
    with Fan(2) as fan:
        result = map_reduce(fan, int, ["1", "x", "3"], reduce=operator.add, partial=True)
        with pytest.raises(ExceptionGroup, match="none of 2 calls has a value to reduce"):
            map_reduce(fan, int, ["x", "y"], reduce=operator.add, partial=True)
    assert (result.value, result.complete, [outcome.item for outcome in result.left_out]) == (4, False, ["x"])


@both(map_reduce=map_reduce, amap_reduce=amap_reduce)
def test_nothing_to_reduce(map_reduce):
    """Without inputs only ``initial`` could be the result."""
    with Fan(1) as fan:
        with pytest.raises(ValueError, match="no inputs has no value: give it initial="):
            map_reduce(fan, int, [], reduce=operator.add)
        with pytest.raises(TypeError, match="map_reduce needs a function to call, not 'add'"):
            map_reduce(fan, int, ["1"], reduce="add")


async def test_inputs_may_come_of_an_async_generator():
    """The twin takes what ``astream`` takes."""

    async def numbers():
        for number in range(5):
            yield number

    async with Fan(2) as fan:
        assert (await amap_reduce(fan, str, numbers(), reduce=operator.add)).value == "01234"
