"""Retries, urllib3's and those of legacy loops, end with the scope; what is retried, and how often, stays as set."""

import gc
import logging

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from support.controlled import PATIENCE, until
from support.requests_sessions import ENDS, session_for
from threadfan import Fan, TaskTimeout, fail_after
from threadfan.clients.requests import Session, attach

STATUS = {"total": 3, "status_forcelist": [503], "raise_on_status": False}


class Patient(Retry):
    """A user's own retries, with an argument of its own, which wait a minute each time."""

    def __init__(self, *args, wait=60.0, **options):
        self.wait = wait
        super().__init__(*args, **options)

    def new(self, **options):
        """With its own argument."""
        return super().new(wait=self.wait, **options)

    def get_backoff_time(self):
        """Always the same."""
        return self.wait


SLEEPY = {
    "back-off": (Retry(backoff_factor=3600, backoff_max=3600, **STATUS), "/status/503", 2),
    "retry-after": (Retry(**STATUS), "/status/503?retry-after=3600", 1),
    "of its own": (Patient(**STATUS), "/status/503", 1),
    "a user's jitter": (Retry(backoff_factor=3600, backoff_max=3600, backoff_jitter=1, **STATUS), "/status/503", 2),
    "after errors": (Retry(5, backoff_factor=3600, backoff_max=3600), "/cut", 2),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("sleepy", SLEEPY)
def test_the_sleep_before_a_retry_ends_with_the_scope(server, sleepy, end, caplog):
    """A call that would sleep for an hour is back at once, and the session is usable."""
    caplog.set_level(logging.ERROR, "urllib3")  # a warning that is kept would keep the pool and its connections
    retries, path, requests_before = SLEEPY[sleepy]
    with session_for(server) as session:
        session.mount("http://", HTTPAdapter(max_retries=retries))
        end(lambda: session.get(server.url(path)), lambda: server.wait_for_requests(requests_before))
        assert server.requests == requests_before
        assert session.get(server.url()).ok


@pytest.mark.parametrize("retries", [2, Retry(2, status_forcelist=[503]), Patient(2, wait=0, status_forcelist=[503])])
def test_retries_stay_as_they_were_set(server, retries):
    """As many are made, for the same reasons, as without the scope, and the same exception comes at their end."""
    adapter = HTTPAdapter(max_retries=retries)
    with requests.Session() as plain, requests.Session() as session:
        plain.mount("http://", HTTPAdapter(max_retries=retries))
        session.mount("http://", adapter)
        attach(session)
        usual = outcome(plain, server.url("/status/503")), server.requests
        with fail_after(PATIENCE):
            ours = outcome(session, server.url("/status/503")), server.requests - usual[1]
        assert ours == usual
    kept = adapter.max_retries
    assert kept.total == 2
    assert isinstance(kept, type(retries)) or retries == 2
    assert vars(kept) == vars(HTTPAdapter(max_retries=retries).max_retries)


def outcome(session, url):
    """The status of an answer, or the class of the exception."""
    try:
        return session.get(url).status_code
    except requests.RequestException as error:
        return type(error)


def test_retries_may_be_set_on_an_attached_adapter(server):
    """Set late, as a number too, they end with the scope."""
    with Session() as session:
        adapter = session.get_adapter("http://x")
        adapter.max_retries = 2
        assert adapter.max_retries.total == 2
        adapter.max_retries = Retry(backoff_factor=3600, backoff_max=3600, **STATUS)
        with pytest.raises(TaskTimeout), fail_after(0.1):
            session.get(server.url("/status/503"))


@pytest.mark.parametrize("path", ["/hang", "/cut", "/stall", "/ok"])
def test_a_legacy_loop_ends_at_the_deadline(server, path):
    """One that tries again at every exception of requests', for ever, is ended by the fan's timeout."""

    def legacy(_):
        while True:
            try:
                session.get(server.url(path), timeout=0.02).json()
            except requests.RequestException:
                continue

    with session_for(server) as session, Fan(2, timeout=0.3) as fan:
        report = fan.run(legacy, range(2))
        until(lambda: fan.snapshot()["abandoned"] == 0)  # the outcomes are final before the threads are back
        assert [type(outcome.error) for outcome in report] == [TaskTimeout] * 2
    gc.collect()  # an error of urllib3's at its own timeout is in a cycle with its pool, which then closes idle ones
    server.wait_until_closed()
