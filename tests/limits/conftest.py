"""Where processes keep a limit in common."""

import pytest

from support.shared_limits import redis_server


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path):
    """A fresh place, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/limits.db"
    else:
        with redis_server(tmp_path) as (url, _):
            yield url
