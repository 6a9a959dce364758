"""What tests of journals share."""

import pytest


@pytest.fixture
def path(tmp_path):
    """Where a journal may be."""
    return str(tmp_path / "run.db")
