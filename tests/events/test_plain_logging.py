"""A program that has configured the standard library's logging, and not structlog, hears of events there."""

import logging
from functools import partial

import pytest

from support.controlled import run_program
from threadfan import Fan
from threadfan._core.events import plain


@pytest.fixture
def heard(caplog):
    """What the logger ``threadfan`` is given, at any level."""
    pytest.importorskip("structlog").reset_defaults()
    with caplog.at_level(logging.DEBUG, logger="threadfan"):
        yield caplog


def fail_at_one(number):
    """Fails on 1."""
    if number == 1:
        raise ValueError("a private prompt")


def told(records):
    """Each event with its level and the calls it tells of."""
    return sorted(
        (one.event["event"], one.levelname, one.event.get("index")) for one in records if hasattr(one, "event")
    )


EVERYTHING = [
    ("batch_finished", "WARNING", None), ("call_failed", "WARNING", 1), ("call_finished", "DEBUG", 0),
    ("call_finished", "DEBUG", 2),
]  # fmt: skip


def test_batches_and_calls(heard):
    """One event for each call and one for the batch, with names and times, and never with arguments or results."""
    with Fan(2, name="crawler") as fan:
        fan.run(fail_at_one, range(3))
    assert told(heard.records) == EVERYTHING
    (failed,) = (one for one in heard.records if one.event["event"] == "call_failed")
    assert failed.getMessage().startswith("call_failed fan=crawler function=fail_at_one index=1 attempt=1 duration=")
    assert "error_type=ValueError" in failed.getMessage()
    assert not any("private" in one.getMessage() for one in heard.records)


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_the_level_decides(caplog, level):
    """Finished calls are debug lines; a program that wants to hear of nothing hears of nothing."""
    with caplog.at_level(level, logger="threadfan"), Fan(2) as fan:
        fan.run(fail_at_one, range(3))
    assert told(caplog.records) == [one for one in EVERYTHING if getattr(logging, one[1]) >= level]


def test_single_calls(heard):
    """Those of ``submit`` and ``gather`` are told as well, and attempts that fail."""
    with Fan(1, retry=2) as fan:
        fan.submit(fail_at_one, 0).result()
        fan.gather(partial(fail_at_one, 1))
    assert [name for name, _, _ in told(heard.records)] == ["batch_finished", "call_failed", "call_finished"]


def test_structlog_has_them_alone(caplog, events):
    """A program that has configured structlog gets no event twice."""
    with caplog.at_level(logging.DEBUG, logger="threadfan"), Fan(1) as fan:
        fan.run(fail_at_one, range(2))
    assert [event["event"] for event in events] == ["call_finished", "call_failed", "batch_finished"]
    assert told(caplog.records) == []


PROGRAM = """
import logging
{configure}
from threadfan import Fan

def fails(item):
    raise ValueError(item)

with Fan(1, name="fan") as fan:
    fan.run(fails, [1])
    fan.submit(fails, 1).exception()
"""


def test_a_program_that_has_configured_nothing_hears_nothing():
    """Not even by logging's last resort, which writes warnings to stderr."""
    assert run_program(PROGRAM.format(configure="")) == ("", "")


def test_a_program_that_has_configured_logging():
    """Its handlers and formats are used."""
    out, err = run_program(PROGRAM.format(configure="logging.basicConfig(level='INFO')"))
    assert out == ""
    assert [line.split(" fan=")[0] for line in err.splitlines()] == [
        "WARNING:threadfan:call_failed", "WARNING:threadfan:batch_finished", "WARNING:threadfan:call_failed",
    ]  # fmt: skip


def test_a_handler_that_fails_costs_no_outcome(caplog, monkeypatch):
    """The word about a call matters less than the call."""

    def broken(self, level, event, figures):
        raise OSError("disk full")

    monkeypatch.setattr(plain.PlainLogger, "_log", broken)
    with Fan(1) as fan:
        assert [one.status for one in fan.run(fail_at_one, range(2))] == ["succeeded", "failed"]
    assert "a log handler or structlog processor failed" in caplog.text


def test_texts_are_quoted():
    """A value with blanks stays one value of its line."""
    lines = []

    class Kept(logging.Handler):
        def emit(self, record):
            """Keep the line."""
            lines.append(record.getMessage())

    logger, kept = logging.getLogger("threadfan"), Kept()
    logger.addHandler(kept)
    try:
        plain.LOGGER.warning("call_failed", fan="my fan", index=None, attempt=1)
    finally:
        logger.removeHandler(kept)
    assert lines == ["call_failed fan='my fan' attempt=1"]
