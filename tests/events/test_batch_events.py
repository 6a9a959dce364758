"""What is said of batches, and what a call's own log lines carry."""

import asyncio

import pytest

from threadfan import Fan, task

structlog = pytest.importorskip("structlog")


def half(number):
    """Half of a number, which must be even."""
    if number % 2:
        raise ValueError(number)
    return number // 2


def speak(*_):
    """Write a log line, as a tool does."""
    structlog.get_logger().info("tool_speaks")


def test_a_batch_is_one_event(events):
    """The batch's event counts its calls by status and gives the wall time in milliseconds."""
    with Fan(2, name="research") as fan:
        report = fan.run(half, [2, 3, 4])
    (event,) = events.named("batch_finished")
    assert (event["fan"], event["function"]) == ("research", "half")
    assert (event["succeeded"], event["failed"]) == (2, 1)
    assert event["duration"] == pytest.approx(report.stats.wall * 1000, abs=0.001)


@pytest.mark.parametrize(("numbers", "level"), [([2, 4], "info"), ([2, 3], "warning")])
def test_a_batch_with_failures_is_louder(events, numbers, level):
    """A batch in which calls failed is a warning."""
    with Fan(2) as fan:
        fan.run(half, numbers)
    assert [event["level"] for event in events.named("batch_finished")] == [level]


def test_a_batch_cut_short_is_told_too(events):
    """Whatever ends a batch early, its event comes, once."""
    with Fan(1) as fan, pytest.raises(ValueError, match="3"):
        fan.run(half, [2, 3, 4], fail_fast=True)
    assert len(events.named("batch_finished")) == 1


def test_coroutines_and_gatherings_are_batches(events):
    """`gather`, `arun` and `agather` are told as `run` is."""

    async def main(fan):
        await fan.arun(half, [2])
        await fan.agather(task(half, 2))

    with Fan(2) as fan:
        fan.gather(task(half, 2))
        asyncio.run(main(fan))
    assert [event["function"] for event in events.named("batch_finished")] == ["gather", "half", "gather"]


@pytest.mark.parametrize("way", ["stream", "map"])
def test_a_stream_is_a_batch(events, way):
    """A stream or map read to its end is one event."""
    with Fan(2) as fan:
        list(getattr(fan, way)(half, [2, 4]))
    assert len(events.named("batch_finished")) == 1


def test_a_calls_own_lines_carry_index_and_fan(events):
    """Inside a call of a batch, the index and the fan's name are bound for the tool's own log lines."""
    with Fan(2, name="research") as fan:
        fan.run(speak, range(3))
        fan.gather(speak, speak)
        fan.submit(speak).result()
    lines = [(line["fan"], line.get("index")) for line in events.named("tool_speaks")]
    assert sorted(lines[:3]) == [("research", 0), ("research", 1), ("research", 2)]
    assert sorted(lines[3:5]) == [("research", 0), ("research", 1)]
    assert lines[5:] == [("research", None)]


def test_a_callers_own_bindings_are_seen_in_calls_and_left_alone(events):
    """What the caller bound reaches the tool's lines, and the caller does not get the calls' bindings."""
    with structlog.contextvars.bound_contextvars(request="r-17"), Fan(2) as fan:
        fan.run(speak, range(2))
        assert structlog.contextvars.get_contextvars() == {"request": "r-17"}
    assert {line["request"] for line in events.named("tool_speaks")} == {"r-17"}


def test_a_tools_binding_does_not_leak_into_the_next_call(events):
    """What one call binds, the next call in the same thread does not carry."""

    def bind_and_speak(number):
        speak()
        structlog.contextvars.bind_contextvars(number=number)

    with Fan(1) as fan:
        fan.run(bind_and_speak, range(3))
    assert ["number" in line for line in events.named("tool_speaks")] == [False] * 3
