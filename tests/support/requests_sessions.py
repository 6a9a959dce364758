"""What the tests of requests share: a session for a server, the ways a call ends, and a look at whether all is well."""

import contextlib
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE
from support.scope_ends import WAYS, noting
from threadfan import CallCancelled, Fan
from threadfan.clients.requests import Session


def by_future(act, blocked):
    """``Future.cancel`` on the running call ends it, and its exception is what the future has."""
    ends = SimpleQueue()

    with Fan(1) as fan:
        future = fan.submit(noting(act, ends))
        blocked()
        assert not future.cancel()
        assert isinstance(ends.get(timeout=PATIENCE), CallCancelled)
        with pytest.raises((Exception, CallCancelled)):
            future.result(PATIENCE)


ENDS = [*WAYS, by_future]


@contextlib.contextmanager
def session_for(server, *, proxy=None, make=Session):
    """A session that trusts the server, and goes through a proxy if one is given."""
    with make() as session:
        session.verify = server.ca_file or True
        if proxy is not None:
            session.proxies = {"http": proxy.url(), "https": proxy.url()}
        yield session


def read_in_pieces(session, url):
    """Get a page and read its body as it comes."""
    with session.get(url, stream=True) as response:
        for _ in response.iter_content(64):
            pass


def expect_health(session, server):
    """A hundred calls in a row succeed, and all go by one connection."""
    before = server.accepted
    for _ in range(100):
        assert session.get(server.url("/ok")).json() == {"ok": True}
    assert server.accepted == before + 1
