"""What is said of pipelines."""

import pytest

from threadfan import Fan
from threadfan._core.pipeline.stages import stage


def odd(value):
    """A number, which must be odd."""
    if value % 2 == 0:
        raise ConnectionError(value)
    return value


def double(value):
    """Twice as much."""
    return 2 * value


@pytest.fixture
def listening(events):
    """Events of all levels."""
    import structlog

    structlog.configure(processors=structlog.get_config()["processors"])
    return events


def test_a_run_is_one_batch_and_each_call_is_told(listening):
    """Calls carry the index of their item and the function of their stage."""
    with Fan(1, name="research") as fan:
        fan.pipeline(odd, double).run([1, 2, 3])
    (batch,) = listening.named("batch_finished")
    assert (batch["fan"], batch["function"]) == ("research", "pipeline(odd, double)")
    assert (batch["succeeded"], batch["failed"], batch["level"]) == (2, 1, "warning")
    calls = sorted((event["index"], event["function"]) for event in listening if event["event"] == "call_finished")
    assert calls == [(0, "double"), (0, "odd"), (2, "double"), (2, "odd")]
    (failed,) = listening.named("call_failed")
    assert (failed["index"], failed["function"]) == (1, "odd")


def test_retries_of_a_batch_are_those_of_its_stages(listening):
    """An item that goes through two stages was not tried twice."""
    with Fan(1) as fan:
        fan.pipeline(stage(odd, retry=3), stage(double, retry=3)).run([1, 3])
    (batch,) = listening.named("batch_finished")
    assert batch["retries"] == 0


def test_a_stream_is_one_batch_too(listening):
    """It is told when it ends."""
    with Fan(1) as fan:
        list(fan.pipeline(double, double).stream(iter([1, 2])))
        cut = fan.pipeline(double, double).stream(iter([1, 2, 3]), window=1)
        next(cut)
        cut.close()
    first, _ = listening.named("batch_finished")
    assert first["succeeded"] == 2
