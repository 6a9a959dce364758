"""Words in the log that cost nothing when they fail."""

import logging

import pytest

from threadfan._core.base.logs import ERROR, say


class MuteError(Exception):
    """An error that cannot be shown."""

    def __getattribute__(self, name):
        """Fail."""
        raise RuntimeError(f"asked for {name}")

    def __str__(self):
        """Fail."""
        raise RuntimeError("no text")


class Strict(logging.Handler):
    """It lets every failure out, as handlers of users' do."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        """Format and keep."""
        self.lines.append(self.format(record))


@pytest.fixture
def strict():
    """A logger with such a handler."""
    logger, handler = logging.getLogger("threadfan.tests.strict"), Strict()
    logger.propagate = False
    logger.addHandler(handler)
    yield logger, handler
    logger.removeHandler(handler)


def test_an_error_that_cannot_be_shown_is_named(strict):
    """Its kind is said where its text and traceback cannot be."""
    logger, handler = strict
    say(logger, ERROR, "an act of %s failed", "f", error=MuteError())
    assert handler.lines == ["an act of f failed (MuteError, which cannot be shown)"]


def test_an_error_is_shown_with_its_traceback(strict):
    """As `Logger.exception` does."""
    logger, handler = strict
    try:
        raise ValueError("why")
    except ValueError as error:
        say(logger, ERROR, "failed", error=error)
    assert handler.lines[0].startswith("failed\nTraceback")
    assert handler.lines[0].endswith("ValueError: why")


@pytest.mark.parametrize("failure", [RuntimeError, SystemExit, MemoryError])
def test_a_handler_that_fails_costs_nothing(strict, monkeypatch, failure):
    """Nothing gets out, whatever a handler raises."""
    asked = []

    def emit(record):
        asked.append(record.getMessage())
        raise failure

    logger, handler = strict
    monkeypatch.setattr(handler, "emit", emit)
    say(logger, ERROR, "failed", error=ValueError())
    assert asked[0].startswith("failed")


def test_an_interrupt_of_the_main_thread_gets_out(strict, monkeypatch):
    """A Ctrl-C that falls into the log is not lost."""

    def emit(record):
        raise KeyboardInterrupt

    logger, handler = strict
    monkeypatch.setattr(handler, "emit", emit)
    with pytest.raises(KeyboardInterrupt):
        say(logger, ERROR, "failed")
