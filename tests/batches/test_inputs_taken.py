"""Whatever ends a batch, each input that was taken has an outcome, and no further one is asked for."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE, until
from threadfan import Fan, FanClosed
from threadfan.testing import Probe

pytestmark = pytest.mark.filterwarnings("ignore:.*still stuck:RuntimeWarning")
LAST = 3  # the input while which is made the batch ends


class Source:
    """Inputs without end; while the last that may be taken is made, something happens."""

    def __init__(self, happens):
        self.taken = []
        self._happens = happens
        self._asked = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        number = len(self.taken)
        assert number <= LAST, "it was asked for one more"
        if number == LAST:
            self._asked.set()
            self._happens()
        self.taken.append(number)
        return number

    def tool(self, number):
        """Fail for one input, when the last is asked for."""
        if number == LAST - 1:
            assert self._asked.wait(PATIENCE)
            raise ValueError(number)
        return number


class AsyncSource(Source):
    """The same for coroutines."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        return next(self)


def has_ended(fan):
    """Whether no call of the fan's only batch can start any more."""
    return all(one.ended for one in list(Probe(fan).queues) if hasattr(one, "collector"))


WAYS = {
    "run": (Source, lambda fan, source, options: fan.run(source.tool, source, **options)),
    "arun": (Source, lambda fan, source, options: asyncio.run(fan.arun(source.tool, source, **options))),
    "arun, async": (AsyncSource, lambda fan, source, options: asyncio.run(fan.arun(source.tool, source, **options))),
    "pipeline": (Source, lambda fan, source, options: fan.pipeline(source.tool).run(source, **options)),
    "apipeline": (Source, lambda fan, source, options: asyncio.run(fan.pipeline(source.tool).arun(source, **options))),
    "apipeline, async": (
        AsyncSource,
        lambda fan, source, options: asyncio.run(fan.pipeline(source.tool).arun(source, **options)),
    ),
}


@pytest.mark.parametrize("options", [{}, {"retry": 1}], ids=["plain", "retries"])
@pytest.mark.parametrize("way", WAYS)
def test_a_first_failure_loses_no_input(way, options):
    """The input that was being made when a call failed is cancelled, not lost; the figures count it."""
    kind, batch = WAYS[way]
    with Fan(2, **options) as fan:
        source = kind(lambda: until(lambda: has_ended(fan)))
        with pytest.raises(ValueError, match=str(LAST - 1)) as caught:
            batch(fan, source, {"fail_fast": True})
        assert [outcome.item for outcome in caught.value.report] == source.taken
        assert caught.value.report[LAST].status == "cancelled"
        if "pipeline" not in way:  # which counts calls, and this one has none
            assert fan.snapshot()["done"] == len(source.taken)


@pytest.mark.parametrize("way", WAYS)
def test_a_deadline_loses_no_input(way, clock):
    """The input that was being made when the time was up has an outcome."""
    kind, batch = WAYS[way]
    with Fan(2) as fan:
        source = kind(lambda: clock.advance(10))
        report = batch(fan, source, {"deadline": 5})
    assert [outcome.item for outcome in report] == source.taken == list(range(LAST + 1))


@pytest.mark.parametrize("way", WAYS)
def test_closing_the_fan_loses_no_input(way):
    """Nor does a fan that is closed meanwhile."""
    kind, batch = WAYS[way]
    with Fan(2) as fan:
        source = kind(lambda: fan.shutdown(wait=False))
        with pytest.raises(RuntimeError, match="after shutdown") as caught:
            batch(fan, source, {})
    assert [outcome.item for outcome in caught.value.report] == source.taken == list(range(LAST + 1))


def test_a_stream_takes_no_more_once_the_fan_is_closed():
    """Each input that was taken comes out, and none is asked for after that."""
    with Fan(2) as fan:
        source = Source(lambda: fan.shutdown(wait=False))
        outcomes = []
        with pytest.raises(FanClosed):
            outcomes.extend(outcome.item for outcome in fan.stream(source.tool, source))
    assert sorted(outcomes) == source.taken == list(range(LAST + 1))
