"""A clock and a way to run things aside, for all tests of the executor."""

import sys

import pytest

from threadfan.testing import ManualClock


@pytest.fixture
def clock():
    """Time that only the test moves, for fans made in the test."""
    with ManualClock() as clock:
        yield clock


@pytest.fixture
def eager_switching():
    """Threads take turns a thousand times as often as usual, so that races that exist show."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)
