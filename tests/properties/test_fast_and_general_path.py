"""The inlined loop of batches and the general path of single calls give equal outcomes."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from threadfan import CallCancelled, Fan, TaskCancelled, task
from threadfan._core.base.outcome import CANCELLED, FAILED, SUCCEEDED

RAISED = [ValueError, OSError, TimeoutError, StopIteration, StopAsyncIteration, KeyboardInterrupt, SystemExit]
RAISED += [GeneratorExit, CallCancelled, TaskCancelled, asyncio.CancelledError, ExceptionGroup, RecursionError]
behaviours = st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(RAISED)), max_size=12)


def perform(behaviour):
    """Raise what is an exception, return anything else."""
    if behaviour is ExceptionGroup:
        raise ExceptionGroup("several", [ValueError()])
    if isinstance(behaviour, type):
        raise behaviour
    return behaviour


def seen(outcomes):
    """What a user sees of each outcome, times aside."""
    return [(o.index, o.status, o.value, type(o.error), o.attempts, o.worker is None) for o in outcomes]


def seen_of(future):
    """The same of a future, as far as it tells."""
    error = future.exception()
    return (None if error else future.result()), type(error)


async def arun(fan, mix):
    """An asynchronous batch."""
    return await fan.arun(perform, mix)


@settings(max_examples=60)
@given(behaviours, st.sampled_from([None, 60.0]))
def test_every_way_gives_equal_outcomes(mix, timeout):
    """Status, value, kind of error and attempts agree for any mix of results and exceptions, timed or not."""
    with Fan(3, timeout=timeout) as fan:
        fast = seen(fan.run(perform, mix))
        assert seen(fan.run(perform, iter(mix))) == fast
        assert seen(fan.gather(*(task(perform, behaviour) for behaviour in mix))) == fast
        assert seen(fan.stream(perform, mix, ordered=True)) == fast
        assert seen(sorted(fan.stream(perform, iter(mix), window=2), key=lambda outcome: outcome.index)) == fast
        assert seen(fan.run(perform, mix, by=id, max_concurrent=1)) == fast
        assert seen(fan.run(perform, iter(mix), by=type, max_concurrent=2)) == fast
        assert seen(asyncio.run(arun(fan, mix))) == fast
        futures = [fan.submit(perform, behaviour) for behaviour in mix]
        assert [seen_of(future) for future in futures] == [(value, error) for _, _, value, error, _, _ in fast]
    assert [status for _, status, *_ in fast] == [expected(behaviour) for behaviour in mix]


def expected(behaviour):
    """The status that a behaviour leads to."""
    if behaviour is CallCancelled:
        return CANCELLED
    return FAILED if isinstance(behaviour, type) else SUCCEEDED
