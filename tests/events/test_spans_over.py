"""Spans of calls that are made elsewhere: the trace goes along."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.elsewhere import double, trace
from threadfan import over
from threadfan._core.fan.over import there


@pytest.fixture(autouse=True)
def _closed():
    """What was begun in this process for calls ends with the test."""
    yield
    there.close()


def test_a_call_elsewhere_is_in_the_trace_it_was_handed_in_in(spans):
    """What is current there belongs to the attempt here, which belongs to what was current around the batch."""
    with (
        ThreadPoolExecutor(1) as executor,
        over(executor) as fan,
        spans.tracer.start_as_current_span("program") as span,
    ):
        assert fan.run(trace, [1]).values() == [span.get_span_context().trace_id]
        assert fan.run(double, [4]).values() == [8]
    assert len({one.context.trace_id for one in spans.all()}) >= 1
    assert spans.one("program").context.trace_id == span.get_span_context().trace_id
