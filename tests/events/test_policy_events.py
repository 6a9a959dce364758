"""What events say of calls under policies: attempts, waits, tokens."""

import pytest

from support.controlled import PATIENCE, until
from support.scripted import at_once
from threadfan import Breaker, Fan, RateLimit, current_scope
from threadfan._core.base.usage import Usage

pytest.importorskip("structlog")


class Flaky:
    """Fails at first, and uses tokens."""

    def __init__(self, failures):
        self._failures = failures

    def __call__(self, item=None):
        """One attempt."""
        current_scope().add_usage(Usage(10, 5))
        if self._failures:
            self._failures -= 1
            raise ConnectionError("private")
        return item


def run(fan, fn):
    """As a batch."""
    fan.run(fn, ["private"])


def submit(fan, fn):
    """As a single call."""
    fan.submit(fn, "private").exception()


@pytest.mark.parametrize("way", [run, submit])
def test_a_call_that_is_tried_again(events, way):
    """One event for each further attempt, at level info, and one for the end."""
    with Fan(1, retry={ConnectionError: at_once(3)}, name="research") as fan:
        way(fan, Flaky(2))
    told = events.named("call_retried")
    assert [(one["level"], one["fan"], one["attempt"], one["wait"], one["error_type"]) for one in told] == [
        ("info", "research", attempt, 0.0, "ConnectionError") for attempt in (1, 2)
    ]
    (end,) = events.named("call_finished")
    assert (end["attempt"], end["waited_limit"], end["waited_backoff"]) == (3, 0.0, 0.0)
    assert (end["input_tokens"], end["output_tokens"]) == (10, 5)
    assert events.named("call_failed") == []
    assert "private" not in repr(events)


@pytest.mark.parametrize("way", [run, submit])
def test_a_call_that_falls_back(events, way):
    """One event says on what, and the end is that of the fallback."""
    with Fan(1, fallback=lambda _: "private") as fan:
        way(fan, Flaky(2))
    (told,) = events.named("call_fell_back")
    assert (told["level"], told["attempt"], told["error_type"]) == ("info", 1, "ConnectionError")
    assert "lambda" in told["fallback"]
    (end,) = events.named("call_finished")
    assert end["attempt"] == 2
    assert "private" not in repr(events)


def test_a_call_that_fails_in_the_end(events):
    """Its attempts are counted in the warning."""
    with Fan(1, retry={ConnectionError: at_once(2)}) as fan:
        run(fan, Flaky(9))
    assert len(events.named("call_retried")) == 1
    (end,) = events.named("call_failed")
    assert (end["level"], end["attempt"], end["error_type"]) == ("warning", 2, "ConnectionError")


def test_a_batch_under_policies(events):
    """Retries, waits, pauses and the tokens of all attempts."""
    with Fan(1, retry={ConnectionError: at_once(3)}, rate=RateLimit(60_000)) as fan:
        run(fan, Flaky(2))
        figures = fan.snapshot()
    (end,) = events.named("batch_finished")
    assert (end["retries"], end["pauses"], end["succeeded"]) == (2, 0, 1)
    assert end["limited"] >= 0
    assert (end["input_tokens"], end["output_tokens"]) == (30, 15)
    assert (figures["retries"], figures["input_tokens"], figures["output_tokens"]) == (2, 30, 15)


def test_what_a_call_waited_for_its_limit(events, clock):
    """In milliseconds, with the wait of the first call nothing."""
    with Fan(1, rate=RateLimit(60)) as fan:
        futures = [fan.submit(abs, -1), fan.submit(abs, -2)]
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        assert [future.result(PATIENCE) for future in futures] == [1, 2]
    first, second = events.named("call_finished")
    assert first["waited_limit"] == 0.0
    assert second["waited_limit"] >= 1000
    assert "input_tokens" not in first


def test_a_streamed_batch_under_policies(events):
    """Those of outcomes that were handed out count as well, in whatever way they are read."""
    with Fan(1, retry={ConnectionError: at_once(3)}) as fan:
        assert [one.value for one in fan.stream(Flaky(2), range(5))] == list(range(5))
        assert list(fan.map(Flaky(1), iter(range(5)), buffersize=2)) == list(range(5))
    first, second = events.named("batch_finished")
    assert (first["retries"], first["input_tokens"], first["output_tokens"]) == (2, 70, 35)
    assert (second["retries"], second["input_tokens"], second["output_tokens"]) == (1, 60, 30)


def test_a_breaker_that_opens_and_closes(events):
    """A warning with its name and what failed, and a word when the service is back."""
    with Fan(1, breaker=Breaker(2, 0.001, name="search"), name="research") as fan:
        run(fan.with_options(retry=1), Flaky(2))
        until(lambda: events.named("breaker_opened"))  # which is told in a thread of its own
        (opened,) = events.named("breaker_opened")
        assert (opened["level"], opened["fan"], opened["breaker"]) == ("warning", "research", "search")
        assert opened["error_type"] == "ConnectionError"
        until(lambda: fan.submit(int).exception(PATIENCE) is None)
        until(lambda: events.named("breaker_closed"))
    (closed,) = events.named("breaker_closed")
    assert (closed["level"], closed["breaker"]) == ("info", "search")
    assert "private" not in repr(events)
