"""Why a call failed, in words."""

import pytest

from threadfan import TaskTimeout

anthropic = pytest.importorskip("anthropic")


def test_fan_timeout():
    """What the fan ends was over the time of both calls."""
    from threadfan.cli.reasons import reason

    assert reason(TaskTimeout(), 30) == "both calls together took more than 60 s; right may be a longer --timeout"


def test_any_error():
    """An error that nobody foresaw is named and shortened to one line's length."""
    from threadfan.cli.reasons import reason

    text = reason(KeyError("x" * 1000), 30)
    assert text.startswith("KeyError, ")
    assert len(text) < 220
