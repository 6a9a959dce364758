"""Nothing of an installation is left after a test."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from threadfan import uninstall

METHODS = dict(vars(ThreadPoolExecutor))


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    uninstall()
    assert dict(vars(ThreadPoolExecutor)) == METHODS
