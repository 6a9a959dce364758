"""A program that uses structlog and keeps what is logged."""

import pytest


class Events(list):
    """The events so far, each a dict; `level` says how loud it was."""

    def named(self, name):
        """Those of one name."""
        return [event for event in self if event["event"] == name]

    def keep(self, _, level, event):
        """A processor that keeps the event and lets nothing out."""
        import structlog

        self.append({**event, "level": level})
        raise structlog.DropEvent


@pytest.fixture
def events():
    """What structlog is given, with the context variables merged in."""
    structlog = pytest.importorskip("structlog")
    kept = Events()
    structlog.contextvars.clear_contextvars()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, kept.keep])
    yield kept
    structlog.reset_defaults()
