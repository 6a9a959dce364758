"""Calls under a policy, and the errors that they end with."""

import email.message
import io
import urllib.error

from threadfan._core.policies.retry import retry_policy

FAILED = ConnectionError("gone")


def refused(status, **headers):
    """An error with this answer."""
    message = email.message.Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return closed(urllib.error.HTTPError("http://x", status, "…", message, io.BytesIO()))


def closed(error):
    """An error whose body nobody will read; from 3.14 on it has to be closed."""
    error.close()
    return error


def half():
    """A draw from the middle."""
    return 0.5


def retry_state(value, draw=half):
    """The attempts of one call under `retry=value`."""
    return retry_policy(value, draw).new_state(0.0, print, (), {})


def waits(state, *errors):
    """The waits that follow attempts which end with these errors, one after the other."""
    found = []
    for error in errors:
        assert state.begin(0.0) is None
        wait, ok, payload = state.decide(0.0, False, error)
        assert (ok, payload) == (False, error)
        found.append(wait)
    return found
